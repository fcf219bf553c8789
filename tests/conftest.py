"""What all tests share: a warehouse of their own, and the real files when they are there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.__main__ import main as ingest
from ml.train import main as train
from tests.pipeline import run_dbt

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


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
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A whole run but the page, on the project's own data: ingest, build with all data and unit tests, train.

    Made once; tests read it and change nothing. `dbt/manifest.json` lies beside it.
    """
    folder = tmp_path_factory.mktemp("built")
    path = folder / "engagement.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        assert ingest(["simulate", "--viewers", "2500"]) == 0
        assert ingest([]) == 0
        run_dbt("build", folder / "dbt")
        train([])
    yield path
