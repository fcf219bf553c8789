"""A lake behind the one door: what works as on a warehouse, what is refused, and training runs both ways."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from dbt_common.exceptions import DbtRuntimeError

from common.dbt_hold import Plugin
from common.errors import UserError
from common.lake import DATABASE, MANIFEST
from common.warehouse import CONFIG, open_warehouse, warehouse_path
from ingest.__main__ import main as ingest
from ingest.landing.manifest import open_raw
from ml.store import models_folder
from ml.train import main as train
from reports.build import build
from tests.ml.worlds import create_ml_tables

RUN = """
    insert into ml.model_runs by name
    select
        ? as run_id, 'next_episode' as task, 'v' as model_version, 'boosting' as estimator, ? as trained_at,
        'f' as feature_model, '[]' as feature_names, '{}' as library_versions, 1 as seed,
        1 as train_rows_count, 1 as validation_rows_count, 1 as test_rows_count, 1 as train_seconds,
        '2025-03-01' as test_to, ? as model_file
"""
EARLY, LATE = "2025-01-01 00:00:00", "2025-02-01 12:30:00.000001"


def add_run(connection: duckdb.DuckDBPyConnection, run_id: str, trained_at: str, probability: float) -> None:
    """A run with one score, in place of one of its id."""
    for table in ("model_runs", "scores"):
        connection.execute(f"delete from ml.{table} where run_id = ?", [run_id])
    connection.execute(RUN, [run_id, trained_at, f"{run_id}.skops"])
    connection.execute(
        "insert into ml.scores values (?, 'next_episode', '1', '2025-01-01 10:00', 'test', null, ?)",
        [run_id, probability],
    )


def scores(lake: Path) -> dict[str, float]:
    """Run -> score, as the lake's DuckDB file has them."""
    with duckdb.connect(str(lake / DATABASE), read_only=True, config=CONFIG) as connection:
        return dict(connection.execute("select run_id, probability from ml.scores").fetchall())


def files_scores(lake: Path) -> dict[str, float]:
    """Run -> score, as the lake's files have them, for runs with a line in `model_runs`."""
    query = f"""
        select run_id, probability
        from '{lake}/ml/scores/*.parquet'
        where run_id in (select run_id from '{lake}/ml/model_runs/*.parquet')
    """
    with duckdb.connect() as connection:
        return dict(connection.execute(query).fetchall())


@pytest.fixture
def lake(warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lake published from a warehouse with one run, `WAREHOUSE_PATH` naming it from now on."""
    with open_raw() as connection:
        create_ml_tables(connection)
        add_run(connection, "a", EARLY, 0.25)
    folder = tmp_path / "lake"
    assert ingest(["publish", str(folder)]) == 0
    monkeypatch.setenv("WAREHOUSE_PATH", str(folder))
    return folder


def test_the_folder_and_the_file_in_it_are_one_warehouse(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (lake, lake / DATABASE):
        monkeypatch.setenv("WAREHOUSE_PATH", str(path))
        assert warehouse_path() == lake / DATABASE
        assert models_folder(warehouse_path()) == lake / "engagement.models"
        with open_warehouse(read_only=True) as connection:
            assert connection.execute("select count(*) from raw.events").fetchall() == [(0,)]
            assert connection.execute("select run_id from ml.model_runs").fetchall() == [("a",)]


def test_runs_written_to_the_lake_are_files_of_it_when_it_is_closed(lake: Path) -> None:
    assert files_scores(lake) == {"a": 0.25}
    with open_warehouse() as connection:
        add_run(connection, "b/ä", LATE, 0.5)
        assert files_scores(lake) == {"a": 0.25}
    assert files_scores(lake) == {"a": 0.25, "b/ä": 0.5}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        query = f"from read_parquet('{lake}/ml/model_runs/*.parquet') where run_id = 'b/ä'"
        assert connection.execute(f"select trained_at::varchar, test_to::varchar {query}").fetchall() == [
            ("2025-02-01 21:30:00.000001+09", "2025-03-01 09:00:00+09")
        ]
        assert connection.execute(f"select typeof(as_of) from '{lake}/ml/scores/a.parquet'").fetchall() == [
            ("TIMESTAMP WITH TIME ZONE",)
        ]


def test_a_run_trained_again_takes_the_place_of_the_earlier(lake: Path) -> None:
    written = (lake / "ml/scores/a.parquet").stat().st_mtime_ns
    with open_warehouse() as connection:
        add_run(connection, "b", LATE, 0.5)
    assert (lake / "ml/scores/a.parquet").stat().st_mtime_ns == written
    with open_warehouse() as connection:
        add_run(connection, "a", LATE, 0.75)
    assert files_scores(lake) == {"a": 0.75, "b": 0.5}


def test_a_program_that_fails_leaves_the_files_to_the_next(lake: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_warehouse() as connection:
        add_run(connection, "b", LATE, 0.5)
        raise ZeroDivisionError
    assert files_scores(lake) == {"a": 0.25}
    with open_warehouse():
        pass
    assert files_scores(lake) == {"a": 0.25, "b": 0.5}


def test_runs_that_cannot_be_written_are_one_line_and_kept(lake: Path) -> None:
    shutil.rmtree(lake / "ml")
    (lake / "ml").touch()
    with pytest.raises(UserError, match=r"has the training runs, .* not yet"), open_warehouse() as connection:
        add_run(connection, "b", LATE, 0.5)
    assert scores(lake) == {"a": 0.25, "b": 0.5}


def test_a_publication_brings_runs_of_both_together(
    lake: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later training of a run counts, whichever side it is on."""
    with open_warehouse() as connection:
        add_run(connection, "of the lake", EARLY, 0.1)
        add_run(connection, "later in the lake", LATE, 0.2)
        add_run(connection, "later in the warehouse", EARLY, 0.3)
    monkeypatch.setenv("WAREHOUSE_PATH", str(warehouse))
    with open_warehouse() as connection:
        add_run(connection, "later in the lake", EARLY, 0.4)
        add_run(connection, "later in the warehouse", LATE, 0.5)
    assert ingest(["publish", str(lake)]) == 0
    expected = {"a": 0.25, "of the lake": 0.1, "later in the lake": 0.2, "later in the warehouse": 0.5}
    assert scores(lake) == files_scores(lake) == expected


def test_a_lost_duckdb_file_is_made_again(
    lake: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_warehouse() as connection:
        add_run(connection, "b", LATE, 0.5)
    (lake / DATABASE).unlink()
    with (
        pytest.raises(UserError, match=rf"has no {DATABASE}: run `python -m ingest publish"),
        open_warehouse(),
    ):
        pass
    assert not (lake / DATABASE).exists()
    monkeypatch.setenv("WAREHOUSE_PATH", str(warehouse))
    assert ingest(["publish", str(lake)]) == 0
    assert scores(lake) == {"a": 0.25, "b": 0.5}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_lake_published_by_half_or_of_another_version_is_one_line(lake: Path, read_only: bool) -> None:
    manifest = (lake / MANIFEST).read_text()
    (lake / MANIFEST).write_text(manifest.replace('"lake_version": 1', '"lake_version": 7'))
    with pytest.raises(UserError, match="is a lake of version 7, this"), open_warehouse(read_only=read_only):
        pass
    (lake / MANIFEST).unlink()
    with pytest.raises(UserError, match="is a lake published by half"), open_warehouse(read_only=read_only):
        pass


def test_nothing_is_loaded_into_a_lake(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "steam.csv"
    file.write_text("1,Game,purchase,1.0,0\n", encoding="utf-8")
    for command in ([], ["steam", str(file)], ["simulate"], ["clickstream"], ["remove", "steam"]):
        assert ingest(command) == 2
        assert capsys.readouterr().err.startswith(
            f"error: {lake} is a lake, nothing is loaded into it: set WARE"
        )
    assert ingest(["status"]) == 0


def test_without_marts_it_is_said_how_to_make_them(lake: Path, tmp_path: Path) -> None:
    advice = "run `dbt build --target spark`, then `dbt run --target lake`"
    for program in (lambda: train([]), build):
        with pytest.raises(UserError, match=advice):
            program()


def test_a_lake_that_was_moved_says_so(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.rename(tmp_path / "moved")
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "moved"))
    with (
        pytest.raises(UserError, match=r"No files found .*: it was moved, or is being built"),
        open_warehouse(read_only=True) as connection,
    ):
        connection.execute("from raw.load_manifest")


def hold(path: Path, **config: bool) -> duckdb.DuckDBPyConnection:
    """What dbt has the plugin do before it connects to `path`; what is held then, for the caller to close."""
    plugin = Plugin("dbt_hold", config)
    plugin.update_connection_config(SimpleNamespace(path=str(path)), {})
    return plugin._held


def test_dbt_on_a_lake_needs_the_target_for_it(lake: Path, warehouse: Path) -> None:
    for path in (lake, lake / DATABASE):
        with pytest.raises(DbtRuntimeError, match="is a lake: run `dbt run --target lake`"):
            hold(path)
    with pytest.raises(DbtRuntimeError, match=r"no lake at .*: run `python -m ingest publish"):
        hold(warehouse.parent / DATABASE, lake=True)
    (lake / MANIFEST).rename(lake / "kept")
    with pytest.raises(DbtRuntimeError, match="published by half"):
        hold(lake / DATABASE, lake=True)


def test_dbt_sees_the_published_rows_of_a_lake_that_was_moved(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    hold(Path("moved") / DATABASE, lake=True).close()
    monkeypatch.chdir("/")
    with duckdb.connect(os.fspath(tmp_path / "moved" / DATABASE), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.load_manifest").fetchall() == [(0,)]
    shutil.rmtree(tmp_path / "moved/raw")
    with pytest.raises(
        DbtRuntimeError, match="lacks files that its manifest names: run `python -m ingest pub"
    ):
        hold(tmp_path / "moved" / DATABASE, lake=True)
