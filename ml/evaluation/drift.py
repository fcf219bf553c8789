"""How far the features, and the scores, of one set of rows are from those of another."""

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from ml.features import FeatureTable

SCORE = "score"
BINS = 10
# Rows of either side below which chance alone makes a stability index of 0.1 with ten bins: it is about
# (bins - 1) * (1 / reference rows + 1 / current rows) (Yurdakul and Naranjo 2020).
MINIMUM_ROWS = 200
# Of either side, drawn at random: more would cost time and hardly change a figure.
MAXIMUM_ROWS = 20_000
# What is added to each bin's count (Krichevsky and Trofimov 1981), so that an empty one has a logarithm.
SMOOTHING = 0.5

SCHEMA = {
    "comparison": pl.String,
    "feature": pl.String,
    "reference_rows_count": pl.Int64,
    "current_rows_count": pl.Int64,
    "psi": pl.Float64,
    "jensen_shannon": pl.Float64,
}

Rows = NDArray[np.intp]


def drift(table: FeatureTable, probabilities: NDArray[np.float64], seed: int) -> pl.DataFrame:
    """Distances between sets of rows, by feature.

    Args:
        table: whose features are compared; every comparison that it has rows for.
        probabilities: (n,) of all rows of `table`, compared as feature 'score'.
        seed: of the samples that stand for more than 20,000 rows.

    Returns:
        `comparison`, `feature`, `reference_rows_count` and `current_rows_count` (rows that were compared),
        `psi` (population stability index, in nats) and `jensen_shannon` (divergence in bits, 0 to 1); both
        null where one side has fewer than 200 rows. Comparisons are 'train_to_test', 'test_to_open' (the rows
        that are scored now), and, with times, 'first_to_last_as_of': the quarter of all rows with the
        earliest `as_of` against the quarter with the latest.
    """
    features = table.features.assign(**{SCORE: probabilities})
    generator = np.random.default_rng(seed)
    rows = []
    for comparison, pair in _comparisons(table).items():
        sides = [_sample(side, generator) for side in pair]
        counts = [len(side) for side in sides]
        for name in features.columns:
            values = features[name]
            distances: tuple[float | None, float | None] = (None, None)
            if min(counts) >= MINIMUM_ROWS:
                distances = distances_of(*bin_counts(*(values.iloc[side] for side in sides)))
            rows.append((comparison, name, *counts, *distances))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _comparisons(table: FeatureTable) -> dict[str, tuple[Rows, Rows]]:
    """Name -> numbers of the reference's rows, and of the current ones."""
    split = table.rows["split"].to_numpy()
    of_split = {name: np.flatnonzero(split == name) for name in ("train", "test", "open")}
    pairs = {
        "train_to_test": (of_split["train"], of_split["test"]),
        "test_to_open": (of_split["test"], of_split["open"]),
    }
    times = table.rows["as_of"].cast(pl.Int64).to_numpy()
    if not table.rows["as_of"].has_nulls():
        first, last = np.quantile(times, 0.25, method="lower"), np.quantile(times, 0.75, method="higher")
        if first < last:
            pairs["first_to_last_as_of"] = (np.flatnonzero(times <= first), np.flatnonzero(times >= last))
    return {name: pair for name, pair in pairs.items() if all(len(side) for side in pair)}


def _sample(rows: Rows, generator: np.random.Generator) -> Rows:
    return rows if len(rows) <= MAXIMUM_ROWS else generator.choice(rows, MAXIMUM_ROWS, replace=False)


def bin_counts(reference: pd.Series, current: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of each side in each bin.

    Args:
        reference, current: values of one feature, missing where it is unknown.

    Returns:
        two (b,) arrays. Bins are the values of the reference where they are text, or at most ten numbers,
        and one for all others; else its deciles, with what is above the last. The last bin is that of
        missing values.
    """
    known = reference.dropna()
    values = known.unique()
    if reference.dtype == object or len(values) <= BINS:
        places = {value: place for place, value in enumerate(values)}
        codes = [side.map(places).fillna(len(values)) for side in (reference, current)]
        last = len(values) + 1
    else:
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        codes = [pd.Series(np.searchsorted(cuts, side), side.index) for side in (reference, current)]
        last = len(cuts) + 1
    counts = [
        np.bincount(code.mask(side.isna(), last).astype(np.int64), minlength=last + 1).astype(np.float64)
        for code, side in zip(codes, (reference, current), strict=True)
    ]
    return counts[0], counts[1]


def distances_of(reference: NDArray[np.float64], current: NDArray[np.float64]) -> tuple[float, float]:
    """Population stability index and Jensen-Shannon divergence of two (b,) counts.

    The index is the sum over bins of (p - q) * ln(p / q), of shares with half a row added to each bin that
    either side has rows in. The divergence is base 2, of the shares as they are.
    """
    is_used = reference + current > 0
    shares = [
        (counts[is_used] + SMOOTHING) / (counts[is_used] + SMOOTHING).sum() for counts in (reference, current)
    ]
    psi = ((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum()
    return float(psi), float(jensenshannon(reference, current, base=2) ** 2)
