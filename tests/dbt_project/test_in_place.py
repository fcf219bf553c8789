"""A log that is read where it lies gives what the same log gives when it is copied."""

import json
from pathlib import Path

import duckdb
import pytest
from in_place_logs import Log, logs

from ingest.__main__ import main as ingest
from tests.pipeline import run_dbt

LOGS = logs()
NAMES = [log.name for log in LOGS]
MARTS = ("fct_events", "fct_sessions", "fct_user_days", "fct_cohort_retention")
# What differs between two loads, whatever they hold.
OF_THE_LOAD = ("source", "batch_id", "load_number", "revision", "delivery_number", "loaded_at")


@pytest.fixture(scope="module")
def warehouse_of_both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each log twice, by copy as `<name>_copied` and in place as `<name>_in_place`, and the marts of them."""
    folder = tmp_path_factory.mktemp("both")
    path = folder / "both.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        assert ingest([]) == 0
        for log in LOGS:
            load(log, folder)
        models = ["--resource-type", "model", "--resource-type", "seed"]
        selected = ["--select", "+stg_ingest__rejects", *(f"+{mart}" for mart in MARTS)]
        run_dbt("build", folder / "dbt", *models, *selected)
        run_dbt("test", folder / "dbt", "--select", "assert_manifest_accounts_for_every_row")
    return path


def load(log: Log, folder: Path) -> None:
    paths = [str(path) for path in log.write(folder)]
    for how, flags in (("copied", ()), ("in_place", ("--in-place",))):
        assert ingest(["events", *paths, "--source", f"{log.name}_{how}", *log.flags, *flags]) == 0


def rows_of(path: Path, table: str, source: str, left_out: tuple[str, ...]) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            f"select * exclude ({', '.join(left_out)}) from {table} where source = ? order by all", [source]
        ).fetchall()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mart", MARTS)
def test_marts_are_those_of_a_load_by_copy(warehouse_of_both: Path, mart: str, name: str) -> None:
    with duckdb.connect(str(warehouse_of_both), read_only=True) as connection:
        described = connection.execute(f"describe marts.{mart}").fetchall()
    left_out = tuple(column for column, *_ in described if column in OF_THE_LOAD)
    copied, in_place = (
        rows_of(warehouse_of_both, f"marts.{mart}", f"{name}_{how}", left_out)
        for how in ("copied", "in_place")
    )
    assert copied and in_place == copied


@pytest.mark.parametrize("name", NAMES)
def test_order_of_delivery_is_that_of_a_load_by_copy(warehouse_of_both: Path, name: str) -> None:
    with duckdb.connect(str(warehouse_of_both), read_only=True) as connection:
        copied, in_place = (
            connection.execute(
                "select event_id from marts.fct_events where source = ? order by delivery_number",
                [f"{name}_{how}"],
            ).fetchall()
            for how in ("copied", "in_place")
        )
    assert in_place == copied


@pytest.mark.parametrize("name", NAMES)
def test_rejects_and_counts_are_those_of_a_load_by_copy(warehouse_of_both: Path, name: str) -> None:
    left_out = ("source", "batch_id", "raw_text")
    copied, in_place = (
        rows_of(warehouse_of_both, "staging.stg_ingest__rejects", f"{name}_{how}", left_out)
        for how in ("copied", "in_place")
    )
    assert in_place == copied
    counts = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "file_name")
    with duckdb.connect(str(warehouse_of_both), read_only=True) as connection:
        copied, in_place = (
            connection.execute(
                f"select {', '.join(counts)} from raw.load_manifest where source = ? order by load_number",
                [f"{name}_{how}"],
            ).fetchall()
            for how in ("copied", "in_place")
        )
    assert in_place == copied
