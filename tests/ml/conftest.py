"""Warehouses to train on, and one that was trained on already."""

from pathlib import Path

import polars as pl
import pytest
from worlds import load_world, make_world

from ml import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, world: pl.DataFrame) -> Path:
    """The path of a warehouse on which `python -m ml.train` ran on the honest world. Only read it."""
    path = tmp_path_factory.mktemp("trained") / "engagement.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        load_world(world)
        train.main(["--task", "next_episode"])
    return path


@pytest.fixture(scope="session")
def world() -> pl.DataFrame:
    """The honest world, made once."""
    return make_world()
