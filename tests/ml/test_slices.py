"""Slices against scikit-learn and numbers by hand; their intervals against what is known of them."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as reference
from tables import make_table

from ml.evaluation.slices import Grouping, TestRows, slices
from ml.features import FeatureTable

TestRows.__test__ = False


def made(labels: np.ndarray, users: np.ndarray, **slices: Sequence[str | None]) -> FeatureTable:
    """A table of test rows."""
    split = np.full(len(labels), "test")
    return make_table({"a": labels}, labels, split, users, slices=slices)


def figure(frame: pl.DataFrame, name: str, value: str, metric: str) -> dict:
    return frame.row(
        by_predicate=(pl.col("slice") == name)
        & (pl.col("slice_value") == value)
        & (pl.col("metric") == metric),
        named=True,
    )


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """1,200 rows of 200 users on three devices; on the phone the probabilities are 0.15 too high."""
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(200), 6)
    device = rng.choice(["phone", "tv", "web"], 1200, p=[0.5, 0.3, 0.2])
    truth = rng.uniform(0.1, 0.8, 1200)
    labels = (rng.random(1200) < truth).astype(float)
    return labels, np.round(truth + 0.15 * (device == "phone"), 2), users, device


def test_a_slice_is_scored_as_scikit_learn_does_and_its_gap_is_to_all_other_rows(world) -> None:
    labels, probabilities, users, device = world
    table = made(labels, users, device=device)
    frame = slices("forest", table, probabilities, seed=1)
    own, other = device == "tv", device != "tv"
    scores = {
        "roc_auc": reference.roc_auc_score,
        "log_loss": reference.log_loss,
        "calibration_in_the_large": lambda y, p: p.mean() - y.mean(),
        "base_rate": lambda y, p: y.mean(),
    }
    for metric, score in scores.items():
        row = figure(frame, "device", "tv", metric)
        expected = score(labels[own], probabilities[own])
        assert row["value"] == pytest.approx(expected, abs=1e-12)
        assert row["gap"] == pytest.approx(expected - score(labels[other], probabilities[other]), abs=1e-12)
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert row["gap_low"] < row["gap"] < row["gap_high"]
    assert (row["rows_count"], row["users_count"], row["positive_count"]) == (
        own.sum(),
        len(set(users[own])),
        labels[own].sum(),
    )
    assert set(frame["estimator"]) == {"forest"}


def test_a_planted_fault_of_one_group_is_told_apart_from_chance(world) -> None:
    labels, probabilities, users, device = world
    table = made(labels, users, device=device)
    frame = slices("forest", table, probabilities, seed=1)
    phone = figure(frame, "device", "phone", "calibration_in_the_large")
    assert phone["ci_low"] < 0.15 < phone["ci_high"]
    assert phone["gap_low"] > 0
    for device_name in ("tv", "web"):
        row = figure(frame, "device", device_name, "calibration_in_the_large")
        assert row["ci_low"] < 0 < row["ci_high"]
        assert row["gap_high"] < 0


def test_weighted_figures_equal_scikit_learn_with_weights(world) -> None:
    """Users counted 0 to 3 times; two rows of one thousandth of the ranking may count as tied."""
    labels, probabilities, users, device = world
    times = np.random.default_rng(3).integers(0, 4, 200).astype(float)
    rows = TestRows(labels, probabilities, users)
    grouping = Grouping(rows, pl.Series(device))
    figures = grouping.resampled(times[None, :])[..., 0]
    for place, name in enumerate(["phone", "tv", "web"]):
        for side, chosen in enumerate([device == name, device != name]):
            y, p, w = labels[chosen], probabilities[chosen], times[users[chosen]]
            expected = [
                reference.roc_auc_score(y, p, sample_weight=w),
                reference.log_loss(y, p, sample_weight=w),
                np.average(p, weights=w) - np.average(y, weights=w),
                np.average(y, weights=w),
            ]
            assert figures[1:, side, place] == pytest.approx(expected[1:], abs=1e-12)
            assert figures[0, side, place] == pytest.approx(expected[0], abs=1e-4)


def test_intervals_are_as_wide_as_users_alone_make_them() -> None:
    """All five rows of a user have one label: the error of a rate is that of so many users, not rows."""
    users = np.repeat(np.arange(240), 5)
    labels = np.repeat((np.random.default_rng(2).random(240) < 0.6).astype(float), 5)
    table = made(labels, users, half=np.where(users % 2, "odd", "even"))
    row = figure(slices("forest", table, np.full(1200, 0.5), seed=3), "half", "even", "base_rate")
    errors = [np.sqrt(rate * (1 - rate) / 120) for rate in (row["value"], row["value"] - row["gap"])]
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * errors[0], rel=0.2)
    assert row["gap_high"] - row["gap_low"] == pytest.approx(2 * 1.96 * np.hypot(*errors), rel=0.2)


def test_small_parts_keep_their_counts_and_have_no_figures() -> None:
    """49 rows of a; 60 rows of b by 19 users; 60 rows of one class; and enough rows, whose slice is null."""
    sizes = {"a": 49, "b": 60, "c": 60, None: 300}
    names = [name for name, size in sizes.items() for _ in range(size)]
    users = np.arange(len(names))
    users[49:109] = 1000 + np.arange(60) % 19
    labels = np.tile([1.0, 0.0], len(names))[: len(names)]
    labels[109:169] = 1
    table = made(labels, users, kind=names)
    frame = slices("forest", table, np.linspace(0.1, 0.9, len(names)), seed=0)
    for name, (rows, users_count, positive) in {
        "a": (49, 49, 25),
        "b": (60, 19, 30),
        "c": (60, 60, 60),
    }.items():
        row = figure(frame, "kind", name, "roc_auc")
        assert (row["rows_count"], row["users_count"], row["positive_count"]) == (rows, users_count, positive)
        assert all(
            np.isnan(row[column]) for column in ("value", "ci_low", "ci_high", "gap", "gap_low", "gap_high")
        )
    unknown = figure(frame, "kind", "not known", "roc_auc")
    assert unknown["rows_count"] == 300
    assert np.isfinite([unknown[name] for name in ("value", "ci_low", "gap", "gap_low")]).all()


def test_users_are_seen_when_the_model_was_fitted_on_their_rows() -> None:
    """Users 0 to 29 have a row in training, known before the test; users 30 to 59 only one of the test."""
    labels = np.tile([1.0, 0.0], 75)
    split = np.repeat(["train", "test"], [30, 120])
    users = np.concatenate([np.arange(30), np.arange(120) // 2])
    frame = slices("forest", make_table({"a": labels}, labels, split, users), np.linspace(0.1, 0.9, 150), 0)
    counts = frame.filter(slice="user", metric="base_rate").select("slice_value", "rows_count", "users_count")
    assert counts.rows() == [("seen", 60, 30), ("unseen", 60, 30)]


def test_equal_input_gives_equal_figures_and_another_seed_other_intervals(world) -> None:
    labels, probabilities, users, device = world
    table = made(labels, users, device=device)
    first, again, other = (slices("forest", table, probabilities, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert first.select("value", "gap").equals(other.select("value", "gap"))
