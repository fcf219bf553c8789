"""Features know the past only: the same rows come out of a log that ends where they do."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from common.warehouse import open_warehouse
from ingest.landing.manifest import open_raw
from tests.compiled_models import CompiledModels
from tests.pipeline import run_dbt

# Whose values tell of the future by design; everything else must be known at as_of.
TARGETS = {"label", "split"}
NEEDED = ("viewing_events", "viewing_viewers", "anime", "load_manifest")

Features = dict[int, dict[str, object]]


def feature_rows(connection: duckdb.DuckDBPyConnection, until: object = None) -> Features:
    cursor = connection.execute(
        "select * from marts.feat_next_episode where as_of <= coalesce(?, timestamp '2999-01-01')", [until]
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["event_id"]: {name: row[name] for name in names if name not in TARGETS} for row in rows}


def differences(row: dict[str, object], other: dict[str, object]) -> set[str]:
    """Columns that differ; floats may by their last digits, for sums are added up in another order."""

    def is_same(value: object, other_value: object) -> bool:
        if isinstance(value, float) and isinstance(other_value, float):
            return math.isclose(value, other_value, rel_tol=1e-9, abs_tol=1e-12)
        return value == other_value

    return {name for name, value in row.items() if not is_same(value, other[name])}


@pytest.fixture(scope="module")
def features_of_the_log(built_warehouse: Path) -> Callable[..., Features]:
    """Features of the log as it stood at a moment: of the warehouse's own views, or of those given."""
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")

    def build(moment: datetime | None = None, views: pl.DataFrame | None = None) -> Features:
        with duckdb.connect() as connection:
            connection.execute(f"attach '{built_warehouse}' as built (read_only)")
            connection.execute("create schema raw")
            tables = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'built' and schema_name = 'raw'"
            ).fetchall()
            for (table,) in tables:
                limit = "" if table in NEEDED else "limit 0"
                connection.execute(f"create table raw.{table} as from built.raw.{table} {limit}")
            connection.execute("detach built")
            if views is not None:
                connection.execute("delete from raw.viewing_events")
                connection.register("views_given", views.to_arrow())
                connection.execute("insert into raw.viewing_events by name from views_given")
            if moment is not None:
                connection.execute(
                    "delete from raw.viewing_events where started_at + to_seconds(watch_seconds) > ?",
                    [moment],
                )
            models.build(connection, "feat_next_episode")
            return feature_rows(connection)

    return build


def assert_cut_off_is_the_same(
    build: Callable[..., Features], moments: list[datetime], views: pl.DataFrame | None = None
) -> None:
    """At each moment, all rows up to it are those of the whole log."""
    whole = build(views=views)
    for moment in moments:
        until = {key: row for key, row in whole.items() if row["as_of"] <= moment}
        cut_off = build(moment, views)
        assert len(until) > 100
        assert cut_off.keys() == until.keys()
        for event_id, row in until.items():
            assert differences(row, cut_off[event_id]) == set(), (moment, event_id)


def test_the_log_cut_at_any_moment_gives_the_same_features(
    built_warehouse: Path, features_of_the_log: Callable[..., Features]
) -> None:
    """One moment is the end of a view while another of the viewer's, begun earlier, is still on."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        (overlap,) = connection.execute("""
            select min(inner_view.ended_at)
            from marts.fct_episode_views as inner_view
            inner join marts.fct_episode_views as outer_view
                on inner_view.user_id = outer_view.user_id
                and inner_view.started_at > outer_view.started_at
                and inner_view.ended_at < outer_view.ended_at
            where inner_view.ended_at > '2025-03-15' and not inner_view.is_last_episode
        """).fetchone()
    moments = [datetime(2025, 2, 20, 21, 7), overlap, datetime(2025, 6, 1)]
    assert_cut_off_is_the_same(features_of_the_log, moments)


def views_at_a_time(built_warehouse: Path) -> pl.DataFrame:
    """Evenings of 40 viewers with several views on at a time, of two titles each; on half of the evenings the
    next episode of a view of two weeks ago, too, begun just before its window closes."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        titles = connection.execute(
            "select anime_id from raw.anime where episodes > 8 order by anime_id limit 400"
        ).fetchall()
        load = connection.execute("select _batch_id, _loaded_at from raw.viewing_events limit 1").fetchone()
    random = np.random.default_rng(3)
    rows: list[tuple[int, str, int, datetime, int]] = []
    for user in range(1, 41):
        evenings: list[list[tuple[int, str, int, datetime, int]]] = []
        for day in range(40):
            picked = random.integers(0, len(titles), 2)
            evening = []
            for _ in range(4):
                at = datetime(2025, 1, 1, 19) + timedelta(days=day, seconds=int(random.integers(0, 7_200)))
                title = titles[random.choice(picked)][0]
                evening.append(
                    (user, title, int(random.integers(1, 4)), at, int(random.integers(900, 7_200)))
                )
            if day >= 14 and random.random() < 0.5:
                _, title, episode, begun_at, _ = evenings[day - 14][0]
                at = begun_at + timedelta(days=14, seconds=-int(random.integers(0, 3_600)))
                evening.append((user, title, episode + 1, at, 7_200))
            evenings.append(evening)
            rows += evening
    names = ["user_id", "anime_id", "episode_number", "started_at", "watch_seconds"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        event_id=pl.Series(random.permutation(len(rows))),
        episode_seconds=pl.lit(7_200),
        completion=pl.col("watch_seconds") / 7_200,
        device=pl.lit("tv"),
        _batch_id=pl.lit(load[0]),
        _source_file=pl.lit("f"),
        _row_number=pl.int_range(pl.len()),
        _loaded_at=pl.lit(load[1]),
    )


def test_views_that_overlap_tell_nothing_before_they_end(
    built_warehouse: Path, features_of_the_log: Callable[..., Features]
) -> None:
    views = views_at_a_time(built_warehouse)
    moments = [datetime(2025, 1, day, 20, day) for day in (7, 15, 16, 21, 26, 30)]
    assert_cut_off_is_the_same(features_of_the_log, moments, views)


# One viewer (1) and one more (2), on title a (12 episodes, tags x) and b (12 episodes, tags x, y).
# Columns: event, user, title, episode, start; each watched for 20 of 25 minutes.
HAND_MADE = [
    (1, 1, "a", 1, "2025-01-01 10:00:00"),  # continued by 2
    (2, 1, "a", 2, "2025-01-02 10:00:00"),  # never continued: known 2025-01-16 10:00
    (3, 2, "b", 1, "2025-01-03 10:00:00"),  # continued by 4
    (4, 2, "b", 2, "2025-01-05 10:00:00"),  # never continued: known 2025-01-19 10:00
    (5, 1, "b", 1, "2025-01-16 09:30:00"),  # as of 09:50, ten minutes before event 2 is known as stopped
    (6, 1, "b", 2, "2025-01-16 09:55:00"),  # as of 10:15, after it
    (7, 2, "a", 1, "2025-03-01 10:00:00"),
]


def test_features_of_a_hand_made_log(warehouse: Path, tmp_path: Path) -> None:
    with open_raw() as connection:
        connection.executemany(
            "insert into raw.viewing_events values "
            "(?, ?, ?, ?, cast(? as timestamp), 1200, 1500, 0.8, 'tv', 'b', 'f', ?, '2025-04-01')",
            [(*row, row[0]) for row in HAND_MADE],
        )
        connection.execute(
            "insert into raw.load_manifest by name select 'b' as batch_id, 'viewing' as source,"
            " 'simulated' as origin, 'f' as file_name, '' as sha256, 7 as rows_read, 7 as rows_loaded,"
            " 0 as rows_rejected, 0 as rows_duplicate, '2025-04-01' as loaded_at, 0 as load_seconds,"
            " true as is_current, 1 as load_number, 0 as revision"
        )
        connection.executemany(
            "insert into raw.viewing_viewers "
            "values (?, '2025-01-01', 'search', 'b', 'f', 1, now()::timestamp)",
            [(1,), (2,)],
        )
        for title, tags in (("a", ["x"]), ("b", ["x", "y"])):
            connection.execute(
                "insert into raw.anime by name select ? as anime_id, 'A title' as title, 'TV' as type, "
                "12 as episodes, 'FINISHED' as status, 7.5 as score_arithmetic_mean, ? as tags, "
                "'b' as _batch_id, 'f' as _source_file, 1 as _row_number, now()::timestamp as _loaded_at",
                [title, tags],
            )
    run_dbt("run", tmp_path, "--select", "+feat_next_episode")
    with open_warehouse() as connection:
        rows = feature_rows(connection)

    first = rows[1]
    assert first["user_views_count"] == first["user_known_outcomes_count"] == first["title_views_count"] == 0
    assert first["user_continuation_rate"] is None
    assert first["user_hours_since_previous_view"] is None
    assert first["taste_match"] is None

    # That event 1 is continued shows when event 2 starts; it counts when two weeks are over, as a stop would.
    second = rows[2]
    assert (second["user_known_outcomes_count"], second["user_known_continued_count"]) == (0, 0)
    assert second["user_continuation_rate"] is None
    assert second["run_views_count"] == 1
    assert second["run_hours_since_previous_view"] == pytest.approx(24 - 20 / 60)
    assert second["episodes_remaining"] == 10

    # Ten minutes before two weeks are over, event 2 counts as a view but not as an outcome; event 1 does.
    before = rows[5]
    assert before["user_views_count"] == 2
    assert (before["user_known_outcomes_count"], before["user_known_continued_count"]) == (1, 1)
    # Title statistics are those of the midnight before: events 3 and 4, whose windows are still open.
    assert before["title_views_count"] == 2
    assert (before["title_known_outcomes_count"], before["title_continuation_rate"]) == (0, None)
    # x: 1 of viewer 1's 1 earlier title, against 2 of 2; y: 0 of 1, against 1 of 2.
    assert before["taste_match"] == pytest.approx((0.0 + -0.5) / 2)

    # Twenty minutes on it is known: event 1 continued, 2 stopped; 5, continued by this view, is open.
    after = rows[6]
    assert (after["user_known_outcomes_count"], after["user_known_continued_count"]) == (2, 1)
    assert (after["title_views_count"], after["title_known_outcomes_count"]) == (2, 0)
    assert after["run_views_count"] == 1

    # By March all is known: of title a's two views one was continued.
    last = rows[7]
    assert last["title_continuation_rate"] == 0.5
    assert last["user_continuation_rate"] == 0.5
