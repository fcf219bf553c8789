"""The audit names what made the forerunners' figures worthless, and is silent on honest tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tables import SMALL, make_table
from threadpoolctl import threadpool_limits

from ml.audit import compare
from ml.features import FeatureTable
from ml.run import Inputs, train_study
from ml.tasks import BY_TIME, BY_USER, Splitter

USERS, VIEWS = 300, 12


class World:
    """Views of titles by users; who continues is a matter of a user's and a title's unseen inclination.

    The log shows a noisy sign of each; the best that can be had from it is `ceiling`.
    """

    def __init__(self, seed: int = 5) -> None:
        rng = np.random.default_rng(seed)
        size = USERS * VIEWS
        self.user = np.tile(np.arange(USERS), VIEWS)
        self.title = rng.integers(0, 40, size)
        inclination, quality = rng.normal(size=USERS), rng.normal(size=40)
        self.sign = inclination + rng.normal(size=USERS)
        self.mark = quality[self.title] + 0.3 * rng.normal(size=size)
        # What is left of the inclination once the sign is known: mean sign / 2, variance 1 / 2.
        self.oracle = 1 / (1 + np.exp(-(inclination[self.user] + quality[self.title])))
        self.labels = (rng.random(size) < self.oracle).astype(float)
        draws = rng.normal(size=200) * np.sqrt(0.5)
        known = (self.sign / 2)[self.user][:, None] + draws
        self.ceiling = (1 / (1 + np.exp(-(known + quality[self.title][:, None])))).mean(axis=1)
        self.split = np.repeat(["train", "validation", "test"], [size // 2, size // 4, size // 4])

    def table(self, splitter: Splitter = BY_TIME, split: np.ndarray | None = None, **planted) -> FeatureTable:
        features = {"sign": self.sign[self.user], "mark": self.mark, **planted}
        return make_table(
            features,
            self.labels,
            self.split if split is None else split,
            clusters=self.user,
            splitter=splitter,
            oracle=self.oracle,
            baseline_feature="sign",
            candidates={"boosting": {"max_iter": 60}},
        )

    def best(self) -> pl.DataFrame:
        test = np.flatnonzero(self.split == "test")
        ids = [str(row) for row in test]
        return pl.DataFrame({"entity_id": ids, "probability": self.ceiling[test]})

    def user_means(self, of_others: bool) -> np.ndarray:
        """Each user's rate over the whole log, the future and, unless of others, the row itself in it."""
        totals = np.bincount(self.user, self.labels)[self.user]
        return (totals - of_others * self.labels) / (VIEWS - of_others)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def findings(table: FeatureTable, best: pl.DataFrame | None = None) -> dict[tuple[str, str], str]:
    """Check and subject -> verdict, of what is wrong."""
    with threadpool_limits(1):
        run = train_study(Inputs(table, ceiling=best), seed=3)
    rows = run.frames["audits"].filter(pl.col("verdict") != "ok")
    return {(row["check_name"], row["subject"]): row["verdict"] for row in rows.to_dicts()}


def test_an_honest_table_has_no_findings(world: World) -> None:
    assert findings(world.table(), world.best()) == {}


@pytest.mark.parametrize("of_others", [False, True], ids=["with the own row", "without the own row"])
def test_a_mean_over_the_whole_history_is_a_leak(world: World, of_others: bool) -> None:
    found = findings(world.table(rate=world.user_means(of_others)), world.best())
    assert found["above_ceiling", "boosting"] == "leak"


def test_the_oracle_alone_would_not_have_seen_it(world: World) -> None:
    found = findings(world.table(rate=world.user_means(of_others=True)))
    assert ("above_oracle", "boosting") not in found


def test_counts_of_what_comes_later_are_a_leak(world: World) -> None:
    """As the forerunner's count of a title's views over the whole log: whoever went on is in it."""
    later = np.bincount(world.title, world.labels)[world.title] / 20 + 2 * world.labels
    noise = np.random.default_rng(0).normal(size=len(later))
    found = findings(world.table(title_count=later + noise), world.best())
    assert found["above_ceiling", "boosting"] == found["above_oracle", "boosting"] == "leak"


def test_the_true_probability_is_a_leak(world: World) -> None:
    assert findings(world.table(p=world.oracle), world.best())["above_ceiling", "boosting"] == "leak"


def test_a_label_that_is_a_threshold_on_a_feature_is_circular(world: World) -> None:
    hours = np.where(world.labels == 1, 3.0, 1.0) + np.random.default_rng(1).random(len(world.labels))
    found = findings(world.table(total_hours=hours))
    assert found["single_feature", "total_hours"] == "circular"
    assert found["all_features", "(all)"] == "circular"
    assert found["importance", "total_hours"] == "concentrated"


def test_a_feature_that_is_missing_for_one_label_is_circular(world: World) -> None:
    ended = np.where(world.labels == 1, np.nan, 0.5)
    assert findings(world.table(ended=ended))["single_feature", "ended"] == "circular"


def test_a_feature_that_nearly_tells_is_suspect(world: World) -> None:
    nearly = world.labels + np.random.default_rng(2).normal(0, 0.25, len(world.labels))
    assert findings(world.table(nearly=nearly))["single_feature", "nearly"] == "suspect"


def test_a_random_split_by_row_is_told_apart_from_one_by_time_or_user(world: World) -> None:
    split = np.random.default_rng(4).permutation(world.split)
    by_time = world.table(split=world.split)
    # The rows keep their moments, and are dealt out anew.
    rows = by_time.rows.with_columns(split=pl.Series(split))
    shuffled = FeatureTable(by_time.study, rows, by_time.features, by_time.labels, by_time.clusters, None)
    assert findings(shuffled)["split", "time"] == "overlap"
    assert findings(world.table(BY_USER, split))["split", "user"] == "overlap"


def test_a_split_by_user_is_let_be(world: World) -> None:
    split = np.select([world.user % 4 < 2, world.user % 4 == 2], ["train", "validation"], "test")
    assert findings(world.table(BY_USER, split)) == {}


def test_later_rows_of_a_tested_user_must_not_be_trained_on(world: World) -> None:
    by_history = Splitter("last", by="history")
    assert findings(world.table(by_history)) == {}
    table = world.table(by_history)
    turned = table.rows.with_columns(as_of=pl.col("as_of").reverse())
    late = FeatureTable(table.study, turned, table.features, table.labels, table.clusters, None)
    assert findings(late)["split", "last"] == "overlap"


def test_a_feature_in_other_units_is_a_shift_and_a_growing_one_is_not(world: World) -> None:
    hours = np.random.default_rng(6).gamma(2.0, size=len(world.labels))
    in_minutes = np.where(world.split == "test", hours * 60, hours)
    assert findings(world.table(hours=hours)) == {}
    assert findings(world.table(hours=in_minutes)) == {("feature_shift", "hours"): "shift"}
    table = world.table(hours=in_minutes)
    task = replace(table.task, growing=("hours",))
    assert findings(replace(table, study=replace(table.study, task=task))) == {}


def pairs(rng: np.random.Generator, **cut: np.ndarray) -> pl.DataFrame:
    """500 rows of the small task's features, as the whole log has them and as the cut one does."""
    whole = {
        "step": rng.normal(size=500),
        "count": rng.normal(size=500),
        "device": np.resize(["tv", "web"], 500),
    }
    return pl.DataFrame(whole | {f"{name}_cut": cut.get(name, values) for name, values in whole.items()})


def test_features_that_change_when_the_log_is_cut_are_leaks() -> None:
    rng = np.random.default_rng(7)
    [same] = compare(SMALL, pairs(rng, count=pairs(np.random.default_rng(7))["count"].to_numpy() + 1e-9))
    assert (same.verdict, same.subject) == ("ok", "(all)")
    whole = pairs(np.random.default_rng(8))
    counted_less = whole["count"].to_numpy() - (np.arange(500) % 10 == 0)
    other_device = np.where(np.arange(500) < 5, "phone", whole["device"].to_numpy())
    leaks = compare(SMALL, pairs(np.random.default_rng(8), count=counted_less, device=other_device))
    assert [(one.subject, one.verdict, one.value) for one in leaks] == [
        ("count", "leak", 0.1),
        ("device", "leak", 0.01),
    ]
    # Fifty times higher and never lower: 2 * 0.5 ** 50.
    assert "higher in 50, lower in 0 (sign test, p = 1.8e-15)" in leaks[0].detail


def test_a_row_that_the_cut_log_lacks_differs() -> None:
    missing = pairs(np.random.default_rng(9)).with_columns(
        step_cut=pl.when(pl.int_range(500) > 0).then("step_cut")
    )
    assert [one.value for one in compare(SMALL, missing)] == [1 / 500]
