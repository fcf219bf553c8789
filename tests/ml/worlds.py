"""A warehouse whose feature mart was made by hand, from a logistic world with a known true probability."""

from pathlib import Path

import duckdb
import jinja2
import numpy as np
import polars as pl
import pytest

from common.warehouse import open_warehouse
from ingest.landing.manifest import open_raw
from ml.tasks import NEXT_EPISODE

ROOT = Path(__file__).parents[2]
ML_TABLES = ROOT / "dbt_project" / "macros" / "create_ml_tables.sql"
FIRST_DAY = np.datetime64("2024-01-01T00:00:00", "us")


def make_world(users: int = 300, views: int = 20, seed: int = 7) -> pl.DataFrame:
    """One row per view of a world with user effects: all columns of the mart, and `p_continue`."""
    rng = np.random.default_rng(seed)
    count = users * views
    user = np.repeat(np.arange(users), views)
    engagement = rng.normal(size=users)[user]
    hours = np.sort(rng.uniform(0, 24 * 100, (users, views)), axis=1).ravel()
    episode = rng.integers(1, 13, count)
    completion = np.clip(rng.beta(4, 1.5, count), 0, 1)
    quality = rng.normal(size=count)
    device = rng.choice(["phone", "television", "web"], count)
    device_effect = np.select([device == "phone", device == "web"], [-0.8, 0.5], 0.0)
    log_odds = -1.6 + engagement + 0.8 * quality + 3.5 * (completion - 0.3) + 0.08 * episode + device_effect
    p_continue = 1 / (1 + np.exp(-log_odds))
    continued = rng.random(count) < p_continue
    split = np.select(
        [hours < 24 * 55, hours < 24 * 58, hours < 24 * 74, hours < 24 * 90],
        ["train", "embargo", "validation", "test"],
        "open",
    )
    columns = {name: rng.normal(size=count) for name in NEXT_EPISODE.numeric}
    columns |= {
        "event_id": rng.permutation(count),
        "user_id": user,
        "as_of": FIRST_DAY + (hours * 3.6e9).astype("timedelta64[us]"),
        "split": split,
        "label_known_at": FIRST_DAY + ((hours + 24) * 3.6e9).astype("timedelta64[us]"),
        "episode_number": episode,
        "is_weekend": rng.random(count) < 2 / 7,
        "completion": completion,
        "user_continuation_rate": np.where(
            rng.random(count) < 0.1, np.nan, 0.6 + 0.15 * (engagement + rng.normal(0, 0.4, count))
        ),
        "title_score": quality + rng.normal(0, 0.4, count),
        "title_continuation_rate": np.full(count, np.nan),
        "device": device,
        "acquisition_channel": rng.choice(["ads", "search"], count),
        "anime_type": np.where(rng.random(count) < 0.05, None, "TV"),
        "p_continue": p_continue,
    }
    # The embargo before validation is three days, a label is known after one.
    label = pl.Series(continued).scatter(np.flatnonzero(split == "open"), None)
    return pl.DataFrame(columns).with_columns(
        label.alias("label"), pl.col("user_continuation_rate", "title_continuation_rate").fill_nan(None)
    )


def create_ml_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of `ml` as the dbt macro declares them."""
    declared: list[dict[str, list[str]]] = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["return"] = declared.append
    environment.from_string(ML_TABLES.read_text(encoding="utf-8")).module.ml_tables()
    connection.execute("create schema if not exists ml")
    for name, columns in declared[0].items():
        connection.execute(f"create table if not exists ml.{name} ({', '.join(columns)})")


def load_world(world: pl.DataFrame) -> None:
    """Put `world` where dbt and the simulator would put it, in the warehouse of `WAREHOUSE_PATH`."""
    with open_raw() as connection:
        create_ml_tables(connection)
        connection.execute("create schema if not exists marts")
        connection.register("world", world)
        connection.execute(
            "create or replace table marts.feat_next_episode as select * exclude (p_continue) from world"
        )
        connection.execute("delete from truth.episode_choices")
        connection.execute(
            "insert into truth.episode_choices select event_id, p_continue, coalesce(label, false) from world"
        )


def fetch(path: Path, query: str) -> list[tuple]:
    """All rows of `query` on the warehouse at `path`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        with open_warehouse(read_only=True) as connection:
            return connection.execute(query).fetchall()


def copy_warehouse(source: Path, target: Path) -> None:
    """Put a copy of the warehouse at `source` where `target` is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
