"""Drift by hand, against scipy, and of rows whose distribution is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon
from tables import make_table

from ml.evaluation.drift import bin_counts, distances_of, drift
from ml.tasks import BY_USER


def test_distances_by_hand() -> None:
    """Shares 3/4, 1/4 against 1/4, 3/4, half a row added to each of two bins of 7 and 15 rows."""
    psi, divergence = distances_of(np.array([300.0, 100.0]), np.array([100.0, 300.0]))
    p, q = 300.5 / 401, 100.5 / 401
    assert psi == pytest.approx(2 * (p - q) * np.log(p / q))
    assert psi == pytest.approx(np.log(3), rel=0.01)
    # Against the even mixture: 3/4 log2(3/2) + 1/4 log2(1/2) bits, on either side.
    assert divergence == pytest.approx(0.75 * np.log2(1.5) - 0.25)


def test_divergence_is_the_square_of_scipys_distance_and_1_at_most() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.integers(0, 50, (2, 11)).astype(float)
    expected = jensenshannon(reference / reference.sum(), current / current.sum(), base=2) ** 2
    assert distances_of(reference, current)[1] == pytest.approx(expected, abs=1e-12)
    psi, divergence = distances_of(np.array([500.0, 0.0]), np.array([0.0, 500.0]))
    assert divergence == pytest.approx(1.0)
    assert psi == pytest.approx(2 * (500 / 501) * np.log(1001))


@pytest.mark.parametrize(
    ("reference", "current", "expected"),
    [
        pytest.param(
            np.arange(1, 101.0),
            np.r_[np.full(30, 1000.0), np.full(7, np.nan), -5.0],
            ([10] * 10 + [0], [1] + [0] * 8 + [30, 7]),
            id="deciles of the reference, and missing values",
        ),
        pytest.param(
            np.r_[np.zeros(6), np.ones(4)],
            np.r_[np.ones(3), 2.0, 2.0, np.nan],
            ([6, 4, 0, 0], [0, 3, 2, 1]),
            id="few numbers are their own bins, a new one has another",
        ),
        pytest.param(
            np.ones(5),
            np.zeros(5),
            ([5, 0, 0], [0, 5, 0]),
            id="a constant that became another",
        ),
        pytest.param(
            np.full(4, np.nan),
            np.r_[1.0, np.nan],
            ([0, 4], [1, 1]),
            id="never known before",
        ),
        pytest.param(
            np.array(["a", "a", "b", None], object),
            np.array(["b", "c", None, None], object),
            ([2, 1, 0, 1], [0, 1, 1, 2]),
            id="text",
        ),
    ],
)
def test_bins(reference: np.ndarray, current: np.ndarray, expected: tuple[list, list]) -> None:
    counts = bin_counts(pd.Series(reference), pd.Series(current))
    assert tuple(side.tolist() for side in counts) == expected


def row_of(frame: pl.DataFrame, comparison: str, feature: str) -> dict:
    return frame.row(
        by_predicate=(pl.col("comparison") == comparison) & (pl.col("feature") == feature), named=True
    )


@pytest.fixture(scope="module")
def moved() -> pl.DataFrame:
    """9,000 rows in time order; `still` stays, `moved` is one standard deviation higher in the test,
    `kind` is b in open rows alone; the score moves in the open rows."""
    rng = np.random.default_rng(6)
    split = np.repeat(["train", "test", "open"], 3000)
    table = make_table(
        {
            "still": rng.normal(size=9000),
            "moved": rng.normal(size=9000) + (split == "test"),
            "kind": np.where(split == "open", "b", "a").astype(object),
        },
        np.r_[np.tile([1.0, 0.0], 3000), np.full(3000, np.nan)],
        split,
    )
    return drift(table, np.where(split == "open", 0.9, 0.2) + rng.uniform(0, 0.1, 9000), seed=0)


def test_what_moved_is_told_and_what_stayed_is_not(moved: pl.DataFrame) -> None:
    assert row_of(moved, "train_to_test", "moved")["psi"] > 0.25
    for comparison in ("train_to_test", "test_to_open", "first_to_last_as_of"):
        assert row_of(moved, comparison, "still")["psi"] < 0.02
    assert row_of(moved, "test_to_open", "kind")["jensen_shannon"] == pytest.approx(1.0)
    # Above the last decile there is a tenth of the one side, all of the other, 0.55 of both.
    expected = (0.9 + 0.1 * np.log2(0.1 / 0.55) + np.log2(1 / 0.55)) / 2
    assert row_of(moved, "test_to_open", "score")["jensen_shannon"] == pytest.approx(expected)
    assert row_of(moved, "train_to_test", "score")["psi"] < 0.02
    # Gaussians one standard deviation apart: the mean of both divergences is 1/2, and PSI their sum, a little
    # less over ten bins.
    assert row_of(moved, "train_to_test", "moved")["psi"] == pytest.approx(0.92, abs=0.12)


def test_as_of_compares_the_earliest_quarter_of_rows_with_the_latest(moved: pl.DataFrame) -> None:
    """Of 9,000 rows in time order; the last 3,000 alone are of kind b."""
    row = row_of(moved, "first_to_last_as_of", "kind")
    assert (row["reference_rows_count"], row["current_rows_count"]) == (2250, 2250)
    assert row["jensen_shannon"] == pytest.approx(1.0)


def test_without_times_or_open_rows_there_is_one_comparison_and_few_rows_have_no_figure() -> None:
    labels, numbers = np.tile([1.0, 0.0], 300), np.arange(600.0)
    for train, has_figures in ((401, False), (400, True)):
        split = np.repeat(["train", "test"], [train, 600 - train])
        table = make_table({"a": numbers}, labels, split, splitter=BY_USER)
        table = replace(table, rows=table.rows.with_columns(as_of=pl.lit(None, pl.Datetime("us"))))
        frame = drift(table, numbers / 600, seed=0)
        assert frame.select("comparison", "feature").rows() == [
            ("train_to_test", "a"),
            ("train_to_test", "score"),
        ]
        assert frame.select("reference_rows_count", "current_rows_count").row(0) == (train, 600 - train)
        assert (frame.select("psi", "jensen_shannon").null_count().row(0) == (0, 0)) == has_figures
