"""The way back: on the marts that another engine left in a lake, every program works as on the warehouse."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from common.warehouse import CONFIG, open_warehouse
from ingest.__main__ import main as ingest
from ml.evaluation import metrics
from ml.features import read_features, studies_of
from ml.tasks import TASKS
from ml.train import main as train
from reports.pages import PAGES
from reports.tables import read_rows
from tests.lakes import write_marts
from tests.pipeline import run_dbt


@pytest.fixture(scope="module")
def lake(built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `publish`, another engine's build and `dbt run --target lake` leave."""
    folder = tmp_path_factory.mktemp("lake") / "lake"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(built_warehouse))
        assert ingest(["publish", str(folder)]) == 0
        write_marts(built_warehouse, folder)
        patch.setenv("LAKE_PATH", str(folder))
        run_dbt("run", folder.parent / "dbt", "--target", "lake")
        assert ingest(["publish", str(folder)]) == 0
    return folder


def relations(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, tuple[Any, ...]]:
    """Schema and name -> names, types and descriptions of the columns, in order."""
    rows = connection.execute(
        """
        select schema_name || '.' || table_name, list((column_name, data_type, comment) order by column_index)
        from duckdb_columns()
        where database_name = ? and schema_name in ('staging', 'intermediate', 'marts', 'ml')
        group by all
        """,
        [database],
    ).fetchall()
    return {name: tuple(columns) for name, columns in rows}


def test_every_relation_is_there_with_the_same_columns_and_rows(built_warehouse: Path, lake: Path) -> None:
    """Whatever time zone the client's session has."""
    with duckdb.connect(str(lake / "engagement.duckdb"), read_only=True, config=CONFIG) as connection:
        connection.execute(f"attach '{built_warehouse}' as built (read_only)")
        connection.execute("set timezone = 'America/New_York'")
        here, there = relations(connection, "engagement"), relations(connection, "built")
        # Seeds are no part of the run, and get no descriptions from it.
        there["staging.retention_definitions"] = here["staging.retention_definitions"]
        assert here == there and len(here) > 90
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'built' "
            "and schema_name not in ('raw', 'truth')"
        ).fetchall()
        assert len(tables) > 30
        for (name,) in tables:
            for first, second in ((name, f"built.{name}"), (f"built.{name}", name)):
                query = f"select count(*) from (from {first} except all from {second})"
                assert connection.execute(query).fetchall() == [(0,)], name
        held = "select distinct schema_name from duckdb_tables() where database_name = 'engagement'"
        assert connection.execute(held).fetchall() == [("ml",)]


def test_programs_read_the_same_and_what_they_write_is_in_the_lake(
    built_warehouse: Path, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for path in (built_warehouse, lake):
        monkeypatch.setenv("WAREHOUSE_PATH", str(path))
        with open_warehouse(read_only=True) as connection:
            studies = [study for task in TASKS for study in studies_of(connection, task)]
            fingerprints = [read_features(connection, study).fingerprint() for study in studies]
            query = "select run_id, entity_id, as_of, split, label, probability from ml.scores order by all"
            scores = connection.execute(query).fetchall()
        seen.append((fingerprints, scores, read_rows(PAGES[0])))
    assert seen[0] == seen[1]
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    names = {path.name for path in (lake / "ml/model_runs").iterdir()}
    [earlier] = (lake / "ml/model_runs").glob("player_churn_circular-*")
    before = earlier.stat().st_mtime_ns
    train(["--task", "player_churn_circular"])
    # Equal data, code, parameters and libraries are the same run, trained anew.
    assert {path.name for path in (lake / "ml/model_runs").iterdir()} == names and len(names) == len(studies)
    assert earlier.stat().st_mtime_ns > before
    model = lake / "engagement.models" / earlier.with_suffix(".skops").name
    assert model.is_file()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        query = f"""
            select run_id, entity_id, timezone('UTC', as_of), split, label, probability
            from '{lake}/ml/scores/*.parquet'
            order by all
        """
        assert connection.execute(query).fetchall() == seen[0][1]


def test_what_spark_has_not_built_or_built_from_another_version_is_one_line(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_PATH", str(lake))
    for name in ("dim_movies", "dim_games"):
        (lake / "marts" / name).rename(tmp_path / name)
    older = lake / "marts/dim_games"
    older.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 'a' as game_id) to '{older}/part.parquet'")
    with pytest.raises(AssertionError) as failed:
        run_dbt("run", lake.parent / "dbt", "--target", "lake", "--select", "dim_games", "dim_movies")
    shutil.rmtree(older)
    for name in ("dim_movies", "dim_games"):
        (tmp_path / name).rename(lake / "marts" / name)
    advice = "run `dbt build --target spark` first"
    missing = f"Spark has not built marts.dim_movies, there is no {lake}/marts/dim_movies/*.parquet"
    assert f"{missing}: {advice}" in str(failed.value)
    assert f"marts.dim_games in the lake is of another version: {advice}" in str(failed.value)
