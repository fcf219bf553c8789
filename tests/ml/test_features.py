"""Reading a feature mart: values, codes, and one clear line for each thing that can be wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import load_world

from common.errors import UserError, run_command
from common.warehouse import open_warehouse
from ml import train
from ml.features import FeatureTable, read_features, studies_of
from ml.tasks import BY_TIME, NEXT_EPISODE, Study


def read() -> FeatureTable:
    with open_warehouse(read_only=True) as connection:
        return read_features(connection, Study(NEXT_EPISODE, "viewing", BY_TIME))


def column(table: FeatureTable, name: str) -> np.ndarray:
    return table.features[name].to_numpy()


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


def test_levels_are_those_of_training_in_the_order_of_their_rate(
    warehouse: Path, world: pl.DataFrame
) -> None:
    unseen = pl.when(pl.col("split") == "open").then(pl.lit("watch")).otherwise("device").alias("device")
    load_world(world.with_columns(unseen))
    rates = world.filter(split="train").group_by("device").agg(pl.col("label").mean()).sort("label")
    assert read().levels("device") == rates["device"].to_list()


def test_the_refit_takes_all_labels_known_when_the_test_begins(warehouse: Path, world: pl.DataFrame) -> None:
    """The embargo before validation ends there; rows whose label came after the test began stay out."""
    begins = world.filter(split="test")["as_of"].min()
    late = (pl.col("split") == "validation") & (pl.col("as_of") > begins - pl.duration(hours=60))
    load_world(world.with_columns(pl.when(late).then(pl.lit("embargo")).otherwise("split").alias("split")))
    table = read()
    taken = table.rows[table.known_before_test()]
    assert set(taken["split"]) == {"train", "embargo", "validation"}
    assert taken["label_known_at"].max() <= begins and taken["label"].null_count() == 0
    is_known = pl.col("label_known_at") <= begins
    wanted = table.rows.filter(pl.col("split").is_in(["train", "embargo", "validation"]) & is_known)
    assert len(taken) == len(wanted) < len(table.rows.filter(pl.col("as_of") < begins))


def test_the_fingerprint_changes_with_any_value(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world)
    before = read().fingerprint()
    assert read().fingerprint() == before
    last = pl.int_range(pl.len()) == len(world) - 1
    load_world(world.with_columns(pl.when(last).then(0.123).otherwise("completion").alias("completion")))
    assert read().fingerprint() != before


def only_true(world: pl.DataFrame, split: str) -> pl.DataFrame:
    return world.with_columns(pl.col("label") | (pl.col("split") == split))


def replace_first(name: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Put `value` in the first row of a column, whatever its type becomes."""

    def change(world: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        return world.with_columns(pl.when(first).then(pl.lit(value)).otherwise(name).alias(name))

    return change


CONDITIONS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "no validation rows": (
        lambda world: world.filter(pl.col("split") != "validation"),
        "has 0 validation rows with a known label for next_episode, 50 are needed",
    ),
    "no known test label": (
        lambda world: world.with_columns(pl.when(pl.col("split") != "test").then("label")),
        "has 0 test rows with a known label",
    ),
    "no known label": (
        lambda world: world.with_columns(label=pl.lit(None, pl.Boolean)),
        "has no known label for next_episode",
    ),
    "forty rows": (lambda world: world.head(40), "train rows with a known label for next_episode, 200 are"),
    "one class in training": (lambda world: only_true(world, "train"), "in split train is True"),
    "one class in test": (lambda world: only_true(world, "test"), "in split test is True"),
    "features missing": (
        lambda world: world.drop("completion", "device"),
        "lacks completion, device: run `dbt build`",
    ),
    "text for a number": (
        lambda world: world.with_columns(pl.col("completion").cast(pl.String)),
        ".completion is VARCHAR, not a number: mend the model",
    ),
    "infinity": (replace_first("completion", np.inf), ".completion holds 1 values that no model can take"),
    "not a number": (replace_first("completion", np.nan), "no model can take (the first: nan)"),
    "beyond single precision": (replace_first("completion", 1e300), "no model can take (the first: 1e+300)"),
    "a key twice": (
        lambda world: pl.concat([world, world.head(3)]),
        "has 3 values of event_id more than once",
    ),
    "no split": (replace_first("split", None), ".split holds None: a row is one of train"),
    "another split": (replace_first("split", "dev"), ".split holds 'dev': a row is one of train"),
    "no moment": (replace_first("as_of", None), "has rows without as_of, and is split by time"),
    "no user": (replace_first("user_id", None), "has rows without event_id or user_id"),
}


@pytest.mark.parametrize(("change", "message"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_a_mart_that_cannot_be_trained_on_is_named_in_one_line(
    change, message: str, warehouse: Path, world: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    load_world(change(world))
    assert run_command(lambda: train.main(["--task", "next_episode"])) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "marts.feat_next_episode" in error
    assert message in error and "\n" not in error


def test_a_source_that_is_not_loaded_is_named(
    warehouse: Path, world: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """With logs of the user's own alone, loading and building again would change nothing."""
    load_world(world.head(0))
    with open_warehouse(read_only=True) as connection:
        assert studies_of(connection, NEXT_EPISODE) == []
    assert run_command(lambda: train.main(["--task", "next_episode"])) == 2
    assert capsys.readouterr().err == (
        "error: next_episode: no viewing log is loaded, and it is learnt from that alone: run "
        "`python -m ingest simulate`, then `dbt build`\n"
    )


def test_true_probabilities_must_be_complete(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world)
    with open_warehouse() as connection:
        connection.execute("delete from truth.episode_choices where event_id % 2 = 0")
    with pytest.raises(UserError, match="have no true probability: run `dbt build` after"):
        read()


def test_what_is_missing_is_named(warehouse: Path, world: pl.DataFrame) -> None:
    with pytest.raises(UserError, match=r"no warehouse at .+: run `python -m ingest` first"):
        train.main(["--task", "next_episode"])
    with open_warehouse():
        pass
    with pytest.raises(UserError, match=r"lacks ml\.model_runs, ml\.metrics, .+: run `dbt build` first"):
        train.main(["--task", "next_episode"])
    load_world(world)
    with open_warehouse() as connection:
        connection.execute("drop table marts.feat_next_episode")
    with pytest.raises(UserError, match=r"marts\.feat_next_episode does not exist: run `dbt build` first"):
        train.main(["--task", "next_episode"])


def test_a_feature_without_any_value_in_training_is_left_out_and_named(
    warehouse: Path, world: pl.DataFrame
) -> None:
    """Were it filled, a value that turns up later would be taken for one that was known."""
    load_world(world.with_columns(pl.lit(None, pl.String).alias("anime_type")))
    table = read()
    assert table.unused == ["title_continuation_rate", "anime_type"]
    assert "title_continuation_rate" not in table.numeric and "anime_type" not in table.categorical
