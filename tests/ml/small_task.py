"""A task of few features over a mart made by hand, and a warehouse that was trained on it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import create_ml_tables

from common.warehouse import open_warehouse
from ingest.landing.manifest import open_raw
from ml import train
from ml.tasks import Task

SMALL = Task(
    name="small",
    source="viewing",
    feature_model="marts.feat_small",
    key="event_id",
    cluster="user_id",
    numeric=("completion", "effect", "is_weekend"),
    categorical=("device",),
    baseline_feature="completion",
    candidates={"logistic": {}},
)
MART = SMALL.feature_model
# Keys of rows that no training has seen begin here.
NEW = 1_000_000
FIRST_DAY = np.datetime64("2024-01-01T00:00:00", "us")
SPLITS = [(55, "train"), (58, "embargo"), (74, "validation"), (90, "test"), (101, "open")]


def make_mart(users: int = 150, views: int = 14) -> pl.DataFrame:
    """Rows of a logistic world, with effects that are missing at times and devices that are."""
    rng = np.random.default_rng(5)
    count = users * views
    day = rng.uniform(0, 100, count)
    split = np.select([day < last for last, _ in SPLITS], [name for _, name in SPLITS], "open")
    completion, effect = rng.random(count), rng.normal(size=count)
    device = rng.choice(["phone", "web", "television"], count)
    log_odds = 2 * completion - 1 + effect + (device == "web")
    label = pl.Series(rng.random(count) < 1 / (1 + np.exp(-log_odds)))
    as_of = FIRST_DAY + (day * 86_400e6).astype("timedelta64[us]")
    frame = pl.DataFrame(
        {
            "event_id": np.arange(count),
            "user_id": np.repeat(np.arange(users), views),
            "as_of": as_of,
            "label_known_at": as_of + np.timedelta64(1, "D"),
            "split": split,
            "label": label.scatter(np.flatnonzero(split == "open"), None),
            "completion": completion,
            "effect": np.where(rng.random(count) < 0.1, np.nan, effect),
            "is_weekend": rng.random(count) < 2 / 7,
            "device": device,
        }
    )
    return frame.with_columns(
        pl.col("effect").fill_nan(None), pl.when(pl.col("event_id") % 20 > 0).then(pl.col("device"))
    )


def change(*statements: str) -> None:
    """Run statements on the warehouse of `WAREHOUSE_PATH`."""
    with open_warehouse() as connection:
        for statement in statements:
            connection.execute(statement)


def train_small(folder: Path) -> Path:
    """A warehouse in `folder` that was trained on; then its mart has grown by 300 rows, a year later."""
    path = folder / "small.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        patch.setattr(train, "TASKS", (SMALL,))
        with open_raw() as connection:
            create_ml_tables(connection)
            connection.execute("create schema marts")
            connection.register("mart", make_mart())
            connection.execute(f"create table {MART} as select * from mart")
        train.main([])
        change(
            f"insert into {MART} select * replace (event_id + {NEW} as event_id, "
            f"as_of + to_days(365) as as_of) from {MART} order by event_id limit 300"
        )
    return path


def copy_trained(trained: Path, target: Path) -> None:
    """Put a copy of a trained warehouse where `target` is, with its models beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(trained.read_bytes())
    models = trained.with_suffix(".models")
    (target.parent / models.name).mkdir(exist_ok=True)
    for file in models.iterdir():
        (target.parent / models.name / file.name).write_bytes(file.read_bytes())
