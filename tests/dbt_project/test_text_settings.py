"""Names in the settings may hold any text: that of an event or a property, whatever its quotes and dots."""

import json
from datetime import datetime

import duckdb
import polars as pl
import pytest

from tests.compiled_models import CompiledModels
from tests.pipeline import compile_models

GOALS = ["it's done", 'the "goal"', "back\\slash"]
PROPERTIES = ["utm.source", "it's", 'a "b"', "x[0]", "a/b~c", "$.plan", "back\\slash", "*"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> CompiledModels:
    variables = {"conversion_events": GOALS, "user_segment_properties": PROPERTIES}
    folder = tmp_path_factory.mktemp("any_text")
    return CompiledModels(compile_models(folder, "int_user_segments +fct_sessions", variables))


def log(rows: list[tuple[str, str, dict[str, str] | None]]) -> pl.DataFrame:
    """An event a row: user, name, properties."""
    return pl.DataFrame(
        {
            "source": ["log"] * len(rows),
            "user_id": [user for user, _, _ in rows],
            "event_id": [str(number) for number in range(len(rows))],
            "event_name": [name for _, name, _ in rows],
            "occurred_at": [datetime(2025, 1, 1)] * len(rows),
            "loaded_at": [datetime(2025, 1, 2)] * len(rows),
            "properties": [None if of_row is None else json.dumps(of_row) for _, _, of_row in rows],
        },
        schema_overrides={"properties": pl.String},
    )


def test_a_goal_may_have_any_name(models: CompiledModels) -> None:
    events = log([(f"u{number}", name, None) for number, name in enumerate([*GOALS, "its done", "done"])])
    with duckdb.connect() as connection:
        models.provide_events(connection, events)
        models.build(connection, "fct_sessions")
        converted = connection.execute(
            f"select user_id from {models.relation('fct_sessions')} where has_converted order by user_id"
        ).fetchall()
    assert converted == [("u0",), ("u1",), ("u2",)]


def test_a_property_may_have_any_name(models: CompiledModels) -> None:
    """A dot in a name is no step down into an object: `utm.source` is not the source of `utm`."""
    values = {name: f"value of {name}" for name in PROPERTIES}
    decoys = {"utm": {"source": "wrong"}, "x": ["wrong"], "a": {"b~c": "wrong"}, "plan": "wrong"}
    with duckdb.connect() as connection:
        models.provide_events(connection, log([("u", "visit", values | decoys), ("v", "visit", decoys)]))
        models.provide(
            connection, "stg_viewing__viewers", "select 1 as user_id, '' as acquisition_channel where false"
        )
        models.provide(connection, "bridge_anime_tags", "select '' as anime_id, '' as tag where false")
        models.provide(
            connection, "stg_movielens__movies", "select 1 as movie_id, [''] as genres where false"
        )
        models.build(connection, "int_user_segments")
        found = connection.execute(
            f"select user_id, segment_name, segment_value from {models.relation('int_user_segments')}"
            " where segment_name <> 'first_event'"
        ).fetchall()
    assert sorted(found) == sorted(("u", name, value) for name, value in values.items())
