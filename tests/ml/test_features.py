"""Reading a feature mart: values, codes, and one clear line for each thing that can be wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import load_world

from common.errors import UserError, run_command
from common.warehouse import open_warehouse
from ingest.__main__ import main as simulate
from ml import train
from ml.features import FeatureTable, read_features
from ml.tasks import NEXT_EPISODE


def read() -> FeatureTable:
    with open_warehouse(read_only=True) as connection:
        return read_features(connection, NEXT_EPISODE)


def column(table: FeatureTable, name: str) -> np.ndarray:
    return table.matrix[:, NEXT_EPISODE.features.index(name)]


def test_rows_come_in_the_order_of_their_key_with_the_marts_values(
    warehouse: Path, world: pl.DataFrame
) -> None:
    load_world(world)
    table = read()
    expected = world.sort("event_id")
    assert table.rows["entity_id"].to_list() == [str(key) for key in expected["event_id"]]
    np.testing.assert_allclose(column(table, "completion"), expected["completion"], rtol=1e-6)
    assert (
        np.isnan(column(table, "user_continuation_rate")).sum()
        == expected["user_continuation_rate"].null_count()
    )
    assert np.isnan(table.labels).sum() == expected["label"].null_count()
    np.testing.assert_allclose(table.oracle, expected["p_continue"])


def test_categories_are_codes_in_the_order_of_their_training_rate(
    warehouse: Path, world: pl.DataFrame
) -> None:
    unseen = pl.when(pl.col("split") == "open").then(pl.lit("watch")).otherwise("device").alias("device")
    load_world(world.with_columns(unseen))
    table = read()
    rates = world.filter(split="train").group_by("device").agg(pl.col("label").mean()).sort("label")
    assert table.levels["device"] == rates["device"].to_list()
    is_open = (table.rows["split"] == "open").to_numpy()
    np.testing.assert_array_equal(np.isnan(column(table, "device")), is_open)


def test_the_fingerprint_changes_with_any_value(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world)
    before = read().fingerprint()
    assert read().fingerprint() == before
    last = pl.int_range(pl.len()) == len(world) - 1
    load_world(world.with_columns(pl.when(last).then(0.123).otherwise("completion").alias("completion")))
    assert read().fingerprint() != before


def only_true(world: pl.DataFrame, split: str) -> pl.DataFrame:
    return world.with_columns(pl.col("label") | (pl.col("split") == split))


CONDITIONS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "no validation rows": (
        lambda world: world.filter(pl.col("split") != "validation"),
        "has no validation row with a known label",
    ),
    "no known test label": (
        lambda world: world.with_columns(pl.when(pl.col("split") != "test").then("label")),
        "has no test row with a known label",
    ),
    "one class in training": (lambda world: only_true(world, "train"), "in split train is True"),
    "one class in test": (lambda world: only_true(world, "test"), "in split test is True"),
    "features missing": (
        lambda world: world.drop("completion", "device"),
        "lacks completion, device: run `dbt build`",
    ),
}


@pytest.mark.parametrize(("change", "message"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_a_mart_that_cannot_be_trained_on_is_named_in_one_line(
    change, message: str, warehouse: Path, world: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    load_world(change(world))
    assert run_command(lambda: train.main([])) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "marts.feat_next_episode" in error
    assert message in error and "\n" not in error


def test_a_source_that_is_not_loaded_is_named(warehouse: Path, world: pl.DataFrame) -> None:
    """With logs of the user's own alone, loading and building again would change nothing."""
    load_world(world.head(0))
    with pytest.raises(UserError) as refused:
        read()
    assert str(refused.value) == (
        "no viewing log is loaded, and next_episode is learnt from that alone: run `python -m ingest "
        "simulate`, then `dbt build`"
    )
    assert simulate(["simulate", "--viewers", "5", "--days", "3"]) == 0
    with pytest.raises(
        UserError, match=r"^marts\.feat_next_episode has no rows: run `dbt build`, and if it did"
    ):
        read()


def test_true_probabilities_must_be_complete(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world)
    with open_warehouse() as connection:
        connection.execute("delete from truth.episode_choices where event_id % 2 = 0")
    with pytest.raises(UserError, match="have no true probability: run `dbt build` after"):
        read()


def test_what_is_missing_is_named(warehouse: Path, world: pl.DataFrame) -> None:
    with pytest.raises(UserError, match=r"no warehouse at .+: run `python -m ingest` first"):
        train.main([])
    with open_warehouse():
        pass
    with pytest.raises(UserError, match=r"lacks ml\.feature_importance, .+: run `dbt build` first"):
        train.main([])
    load_world(world)
    with open_warehouse() as connection:
        connection.execute("drop table marts.feat_next_episode")
    with pytest.raises(UserError, match=r"marts\.feat_next_episode does not exist: run `dbt build` first"):
        train.main([])


def test_a_feature_without_any_value_does_no_harm(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world.with_columns(pl.lit(None).alias("anime_type")))
    table = read()
    assert (column(table, "title_continuation_rate") == 0).all()
    assert (column(table, "anime_type") == 0).all()
