"""ROC and precision-recall curves, thinned to what a chart can show."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from ml.features import FeatureTable

MAXIMUM_POINTS = 200
SCHEMA = {
    "estimator": pl.String,
    "curve": pl.String,
    "point": pl.Int64,
    "threshold": pl.Float64,
    "x": pl.Float64,
    "y": pl.Float64,
}

Floats = NDArray[np.float64]


def curves(table: FeatureTable, predicted: Mapping[str, Floats]) -> pl.DataFrame:
    """Of each estimator on the labelled test rows, scikit-learn's curves.

    Args:
        table: rows and labels.
        predicted: estimator -> (n,) probabilities of all rows of `table`, NaN where there is none.

    Returns:
        `estimator`; `curve`, 'roc' (x false positive rate, y true positive rate) or 'pr' (x recall, y
        precision); `point`, from 1 in the order of x; `threshold`, rows from which on are taken for
        positive, null where none is; x; y. At most 200 points a curve. An estimator without rows of both
        classes has no curve.
    """
    test = table.labelled("test")
    frames = [pl.DataFrame(schema=SCHEMA)]
    for estimator, probabilities in predicted.items():
        rows = test[~np.isnan(probabilities[test])]
        if len(np.unique(table.labels[rows])) < 2:
            continue
        for curve, points in _curves_of(table.labels[rows], probabilities[rows]).items():
            frame = pl.DataFrame(dict(zip(("threshold", "x", "y"), points, strict=True)))
            frames.append(
                frame.select(
                    pl.lit(estimator).alias("estimator"),
                    pl.lit(curve).alias("curve"),
                    pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("point"),
                    pl.when(pl.col("threshold").is_finite()).then("threshold").alias("threshold"),
                    "x",
                    "y",
                )
            )
    return pl.concat(frames)


def _curves_of(labels: Floats, probabilities: Floats) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Curve -> thresholds, x and y of the points that are kept, x rising."""
    false_rate, true_rate, roc_thresholds = roc_curve(labels, probabilities)
    precision, recall, pr_thresholds = precision_recall_curve(labels, probabilities, drop_intermediate=True)
    whole = {
        "roc": (roc_thresholds, false_rate, true_rate),
        # The last point of scikit-learn's, where nothing is taken for positive, has no threshold.
        "pr": (np.append(pr_thresholds, np.inf)[::-1], recall[::-1], precision[::-1]),
    }
    kept = {name: thinned(x, y) for name, (_, x, y) in whole.items()}
    return {name: tuple(values[kept[name]] for values in parts) for name, parts in whole.items()}


def thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Numbers of at most 200 points whose line is about that of all n, and so is its area.

    Of the stretches between kept points, the one with the largest area between line and chord is parted
    where the line is farthest from the chord (Douglas and Peucker 1973, the worst stretch first).

    Args:
        x: (n,) not falling; y: (n,).
    """
    kept = [0, len(x) - 1]
    worst = [_farthest(x, y, 0, len(x) - 1)]
    while len(kept) < MAXIMUM_POINTS:
        place = max(range(len(worst)), key=lambda stretch: worst[stretch][0])
        area, middle = worst[place]
        if area <= 0:
            break
        kept.insert(place + 1, middle)
        start, end = kept[place], kept[place + 2]
        worst[place : place + 1] = [_farthest(x, y, start, middle), _farthest(x, y, middle, end)]
    return np.array(kept)


def _farthest(x: Floats, y: Floats, start: int, end: int) -> tuple[float, int]:
    """The area between a stretch of a line and its chord, and the point that is farthest from the chord."""
    if end - start < 2:
        return 0.0, start
    run, rise = x[start : end + 1] - x[start], y[start : end + 1] - y[start]
    if run[-1] == 0:
        return 0.0, start
    distances = np.abs(rise - run * (rise[-1] / run[-1]))
    area = float((np.diff(run) * (distances[1:] + distances[:-1]) / 2).sum())
    inside = np.abs(run * rise[-1] - rise * run[-1])[1:-1]
    return area, start + 1 + int(np.argmax(inside))
