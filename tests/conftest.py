"""What all tests share: a warehouse of their own, and the real files when they are there."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ingest.__main__ import main as ingest
from ml.evaluation import metrics
from ml.train import main as train
from tests.pipeline import run_dbt

# Reads the warehouse that takes longest to make: whoever begins with it makes it, while others do the rest.
MAKES_THE_WAREHOUSE = "tests/ml/test_every_task.py"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First one file that makes the shared warehouse, then all that need none, then the others."""
    # All tests of a file stay together: a worker takes a file at a time.
    of_file = {item.path: 1 for item in items}
    of_file |= {item.path: 2 for item in items if "built_warehouse" in getattr(item, "fixturenames", ())}
    of_file |= {path: 0 for path in of_file if path.match(MAKES_THE_WAREHOUSE)}
    items.sort(key=lambda item: of_file[item.path])


@pytest.fixture(scope="session", autouse=True)
def _warehouse_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test ever opens the user's own warehouse, whatever it forgets to set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(tmp_path_factory.mktemp("warehouse") / "tests.duckdb"))
        yield


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty warehouse of this test alone: where it will be."""
    path = tmp_path / "warehouse" / "test.duckdb"
    monkeypatch.setenv("WAREHOUSE_PATH", str(path))
    return path


@pytest.fixture(scope="session")
def has_spark() -> None:
    """Skip without Java or the extra `spark`, unless REQUIRE_SPARK says that they are there."""
    missing = [
        name
        for name, is_there in (("Java", shutil.which("java")), ("pyspark", find_spec("pyspark")))
        if not is_there
    ]
    if missing and not os.environ.get("REQUIRE_SPARK"):
        pytest.skip(f"no {' and no '.join(missing)}: make spark")


@pytest.fixture(scope="session")
def spark(has_spark: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark session in this process, whose catalogue ends with it; dbt takes it for its own."""
    from pyspark.sql import SparkSession

    # It writes each error out, with a page of Java.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    settings = {
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.sql.shuffle.partitions": 2,
        "spark.log.level": "OFF",
        "spark.ui.enabled": False,
        "spark.ui.showConsoleProgress": False,
    }
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real files."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real files are not there: {os.path.relpath(SHARED_DATA)}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def raw_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ingest leaves, of every source and small, before dbt ever ran: tests build on copies of it."""
    path = tmp_path_factory.mktemp("raw") / "small.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        assert ingest(["simulate", "--viewers", "150"]) == 0
        assert ingest(["clickstream", "--users", "100"]) == 0
        assert ingest([]) == 0
    return path


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A whole run but the page, on the project's own data: ingest, build with all data and unit tests, train.

    Made once, by the worker that asks first; tests read it and change nothing. `dbt/manifest.json` lies
    beside it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "built"
    folder.mkdir(exist_ok=True)
    path = folder / "engagement.duckdb"
    with (folder / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "is_built").exists():
            patch.setenv("WAREHOUSE_PATH", str(path))
            assert ingest(["simulate", "--viewers", "2500"]) == 0
            assert ingest([]) == 0
            run_dbt("build", folder / "dbt")
            # Rougher ends of intervals, in a fifth of their time.
            patch.setattr(metrics, "RESAMPLES", 100)
            train([])
            (folder / "is_built").touch()
    return path
