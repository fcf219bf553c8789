"""A log that is read where it lies gives what the same log gives when it is copied, on either engine."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from in_place_logs import Log, logs

from ingest.__main__ import main as ingest
from tests.pipeline import run_dbt

LOGS = logs()
NAMES = [log.name for log in LOGS]
MARTS = ("fct_events", "fct_sessions", "fct_user_days", "fct_cohort_retention")
STAGED = ("stg_events__in_place", "stg_ingest__rejects_in_place")
# What differs between two loads, whatever they hold.
OF_THE_LOAD = {"source", "batch_id", "load_number", "revision", "delivery_number", "loaded_at"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with each log twice, as `<name>_copied` and as `<name>_in_place`."""
    folder = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(folder / "both.duckdb"))
        for log in LOGS:
            load(log, folder)
        models = ["--resource-type", "model", "--resource-type", "seed"]
        selected = ["--select", "+stg_ingest__rejects", *(f"+{mart}" for mart in MARTS)]
        run_dbt("build", folder / "dbt", *models, *selected)
        tests = ["assert_manifest_accounts_for_every_row", "assert_loads_bring_the_events_they_count"]
        run_dbt("test", folder / "dbt", "--select", *tests)
    return folder


def load(log: Log, folder: Path) -> None:
    paths = [str(path) for path in log.write(folder)]
    for how, flags in (("copied", ()), ("in_place", ("--in-place",))):
        assert ingest(["events", *paths, "--source", f"{log.name}_{how}", *log.flags, *flags]) == 0


def query(folder: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(folder / "both.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def by_source(folder: Path, table: str, left_out: set[str]) -> dict[str, list[tuple]]:
    """The rows of a table by source, in order, some of their columns left out."""
    columns = [name for name, *_ in query(folder, f"describe {table}") if name not in left_out]
    found: dict[str, list[tuple]] = {}
    for source, *row in query(folder, f"select source, {', '.join(columns)} from {table} order by all"):
        found.setdefault(source, []).append(tuple(row))
    return found


@pytest.mark.parametrize("mart", MARTS)
def test_marts_are_those_of_a_load_by_copy(both: Path, mart: str) -> None:
    rows = by_source(both, f"marts.{mart}", OF_THE_LOAD)
    assert {f"{name}_copied" for name in NAMES} <= rows.keys()
    for name in NAMES:
        assert rows[f"{name}_in_place"] == rows[f"{name}_copied"], name


def test_order_of_delivery_is_that_of_a_load_by_copy(both: Path) -> None:
    delivered: dict[str, list[str]] = {}
    for source, event_id in query(
        both, "select source, event_id from marts.fct_events order by delivery_number"
    ):
        delivered.setdefault(source, []).append(event_id)
    for name in NAMES:
        assert delivered[f"{name}_in_place"] == delivered[f"{name}_copied"], name


def test_rejects_are_those_of_a_load_by_copy(both: Path) -> None:
    rows = by_source(both, "staging.stg_ingest__rejects", {"source", "batch_id", "raw_text"})
    assert len(rows["texts_copied"]) > 10
    for name in NAMES:
        assert rows.get(f"{name}_in_place") == rows.get(f"{name}_copied"), name


def test_counts_in_the_manifest_are_those_of_a_load_by_copy(both: Path) -> None:
    counts = "file_name, rows_read, rows_loaded, rows_rejected, rows_duplicate"
    rows: dict[str, list[tuple]] = {}
    for source, *row in query(both, f"select source, {counts} from raw.load_manifest order by load_number"):
        rows.setdefault(source, []).append(tuple(row))
    for name in NAMES:
        assert rows[f"{name}_in_place"] == rows[f"{name}_copied"], name


def test_files_without_events_met_twice_are_read_without_a_look_for_such(both: Path) -> None:
    flags = dict(
        query(
            both,
            "select source, string_agg(has_repeats || ' ' || is_shared, ', ' order by path) "
            "from raw.files_in_place group by source",
        )
    )
    assert flags["json_in_place"] == "false false"
    assert flags["kinds_in_place"] == "false true, true true"
    assert flags["given_ids_in_place"] == "true true, true true, false false"
    assert flags["every_row_in_place"] == "true false, true false"
    [compiled] = (both / "dbt" / "compiled").glob("**/stg_events__in_place.sql")
    plain, to_number = compiled.read_text(encoding="utf-8").split("to_number as (")
    assert "/json/" in plain and "/json/" not in to_number
    assert "/kinds/" in to_number and "/kinds/" not in plain


@pytest.mark.spark_build
def test_spark_reads_the_same(both: Path, spark: Any, tmp_path: Path) -> None:
    """Over a lake that was published from the warehouse, with the registry of the logs."""
    chosen = ", ".join(f"'{name}_in_place'" for name in NAMES)
    shutil.copy(both / "both.duckdb", tmp_path / "some.duckdb")
    with duckdb.connect(str(tmp_path / "some.duckdb")) as connection:
        connection.execute(f"delete from raw.files_in_place where source not in ({chosen})")
        connection.execute("delete from raw.events")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(tmp_path / "some.duckdb"))
        patch.setenv("LAKE_PATH", str(tmp_path / "lake"))
        assert ingest(["publish", str(tmp_path / "lake")]) == 0
        run_dbt("run", tmp_path / "dbt", "--target", "spark", "--select", *STAGED)
    for model in STAGED:
        # What a rejected row was as delivered, each engine writes in its own way.
        columns = [name for name, *_ in query(both, f"describe staging.{model}") if name != "raw_text"]
        selected = f"select {', '.join(columns)} from staging.{model} where source in ({chosen})"
        here = Counter(query(both, selected))
        there = Counter(map(tuple, spark.table(f"staging.{model}").select(*columns).collect()))
        assert here and (here - there, there - here) == (Counter(), Counter())


def test_the_stream_grows_and_shrinks_with_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file shares events with the first, and has them once that is taken out."""
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "both.duckdb"))
    [log] = [log for log in LOGS if log.name == "kinds"]
    first, second = map(str, log.write(tmp_path))
    rows_loaded = []
    for command in (
        ["events", first, "--in-place", "--source", "shop", *log.flags],
        ["events", second, "--in-place", "--source", "shop", *log.flags],
        ["remove", "shop", "--file", "1.parquet"],
    ):
        assert ingest(command) == 0
        run_dbt("run", tmp_path / "dbt", "--select", "+fct_events")
        streamed = query(tmp_path, "select event_id, batch_id, properties from marts.fct_events order by all")
        staged = query(
            tmp_path, "select event_id, batch_id, properties from staging.stg_events__in_place order by all"
        )
        assert streamed == staged
        rows_loaded.append(len(streamed))
        assert [(len(streamed),)] == query(
            tmp_path, "select sum(rows_loaded)::bigint from raw.load_manifest where is_current"
        )
    # Rows with a user are 96 of 120, and 139 of 174, of which 48 are met before.
    assert rows_loaded == [96, 187, 139]
