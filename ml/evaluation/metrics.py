"""Scores of probabilities against labels, as point values and with user-clustered bootstrap intervals.

Point value and resample go through the same code: a metric is computed from one weight a cluster, all
weights being 1 for the point value.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml.evaluation.calibration_error import CalibrationBins, CalibrationLine

DECISION_THRESHOLD = 0.5
RESAMPLES = 500
# Users below which resampling them tells nothing of how another sample would have come out: no interval.
MINIMUM_CLUSTERS = 20
# Resamples held in memory at once: bounds memory at this many times the rows.
BLOCK = 20

# What the true probability is the best possible score of, in expectation. Precision and recall are no such
# scores, predicting everything has a recall of 1; nor is `ece`, which a constant may win.
COMPARED_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "rmse", "accuracy")

Weights = NDArray[np.float64]
Values = dict[str, NDArray[np.float64]]


class ScoredRows:
    """n rows with label and probability, prepared for evaluation under many weightings of their clusters.

    Args:
        labels: (n,) 0.0 or 1.0.
        probabilities: (n,) of label 1.
        clusters: (n,) codes, 0 to `cluster_count` - 1.
        cluster_count: number of clusters, c.
    """

    def __init__(
        self,
        labels: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        clusters: NDArray[np.int64],
        cluster_count: int,
    ) -> None:
        order = np.argsort(-probabilities, kind="stable")
        self._labels = labels[order]
        self._clusters = clusters[order]
        # Rows with equal probability can't be told apart: the curves step over each such group at once.
        self._group_ends = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
        self._sums = _cluster_sums(labels, probabilities, clusters, cluster_count)
        self._bins = CalibrationBins(labels, probabilities, clusters, cluster_count)
        self._line = CalibrationLine(labels, probabilities, clusters, cluster_count)

    def metrics(self, weights: Weights) -> Values:
        """Every metric under each of b weightings.

        Args:
            weights: (b, c), how often each cluster counts.

        Returns:
            metric name -> (b,) values; NaN where a weighting leaves one class only.

        `accuracy`, `precision`, `recall` and `f1` are at probability 0.5; `ece` and the calibration line, see
        `CalibrationBins` and `CalibrationLine`.
        """
        totals = {name: weights @ column for name, column in self._sums.items()}
        rows = totals["rows"]
        with np.errstate(divide="ignore", invalid="ignore"):
            roc_auc, average_precision = self._ranking_metrics(weights)
            precision = _ratio(totals["true_positives"], totals["predicted_positives"])
            recall = _ratio(totals["true_positives"], totals["positives"])
            return {
                "roc_auc": roc_auc,
                "average_precision": average_precision,
                "accuracy": totals["correct"] / rows,
                "precision": precision,
                "recall": recall,
                "f1": _ratio(2 * precision * recall, precision + recall),
                "log_loss": totals["log_loss"] / rows,
                "brier": totals["brier"] / rows,
                "rmse": np.sqrt(totals["brier"] / rows),
                "base_rate": totals["positives"] / rows,
                "ece": self._bins.error(weights),
                **self._line.fit(weights),
            }

    def _ranking_metrics(self, weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ROC AUC (trapezoidal) and average precision, as scikit-learn defines them, from one sort."""
        row_weights = weights[:, self._clusters]
        true_positives = np.cumsum(row_weights * self._labels, axis=1)[:, self._group_ends]
        all_positives = np.cumsum(row_weights, axis=1)[:, self._group_ends]
        false_positives = all_positives - true_positives
        steps_up = np.diff(true_positives, axis=1, prepend=0.0)
        steps_right = np.diff(false_positives, axis=1, prepend=0.0)
        area = (steps_right * (true_positives - steps_up / 2)).sum(axis=1)
        precision = np.divide(
            true_positives, all_positives, out=np.zeros_like(true_positives), where=all_positives > 0
        )
        positives = true_positives[:, -1]
        return area / (positives * false_positives[:, -1]), (steps_up * precision).sum(axis=1) / positives


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """`part / whole`, and 0 where there is no whole: scikit-learn's convention for precision."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)


def _cluster_sums(
    labels: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    clusters: NDArray[np.int64],
    cluster_count: int,
) -> dict[str, NDArray[np.float64]]:
    """Per cluster, the (c,) sums that the metrics other than the ranking ones are ratios of."""
    # A probability of exactly 0 or 1 would cost infinitely much when wrong; scikit-learn clips alike.
    smallest = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, smallest, 1 - smallest)
    predicted = (probabilities >= DECISION_THRESHOLD).astype(np.float64)
    row_values = {
        "rows": np.ones_like(labels),
        "positives": labels,
        "predicted_positives": predicted,
        "true_positives": predicted * labels,
        "correct": (predicted == labels).astype(np.float64),
        "log_loss": -np.where(labels == 1, np.log(clipped), np.log1p(-clipped)),
        "brier": (labels - probabilities) ** 2,
    }
    return {name: np.bincount(clusters, values, cluster_count) for name, values in row_values.items()}


def resampled_weights(cluster_count: int, seed: int) -> Iterator[Weights]:
    """Blocks of (at most `BLOCK`, c) weights: how often each cluster is drawn when c are drawn with
    replacement, `RESAMPLES` times over (the cluster bootstrap; Davison and Hinkley 1997, section 3.8)."""
    generator = np.random.default_rng(seed)
    even = np.full(cluster_count, 1 / cluster_count)
    for start in range(0, RESAMPLES, BLOCK):
        yield generator.multinomial(cluster_count, even, min(BLOCK, RESAMPLES - start)).astype(np.float64)


def evaluate(
    labels: NDArray[np.float64],
    probabilities: dict[str, NDArray[np.float64]],
    clusters: NDArray[np.int64],
    seed: int,
) -> dict[str, Values]:
    """Metrics of several estimators on the same n rows and the same resamples, so that they can be paired.

    Args:
        labels: (n,) 0.0 or 1.0.
        probabilities: estimator -> (n,).
        clusters: (n,) any integer codes.
        seed: of the resampling.

    Returns:
        estimator -> metric -> (1 + `RESAMPLES`,): the point value, then the resamples' values; the point
        value alone where there are fewer users than an interval needs.
    """
    present, codes = np.unique(clusters, return_inverse=True)
    prepared = {
        name: ScoredRows(labels, values, codes, len(present)) for name, values in probabilities.items()
    }
    blocks: dict[str, list[Values]] = {
        name: [rows.metrics(np.ones((1, len(present))))] for name, rows in prepared.items()
    }
    resamples = resampled_weights(len(present), seed) if len(present) >= MINIMUM_CLUSTERS else iter(())
    with tqdm(total=RESAMPLES, desc="bootstrap", unit="resample", disable=None, leave=False) as progress:
        for weights in resamples:
            for name, rows in prepared.items():
                blocks[name].append(rows.metrics(weights))
            progress.update(len(weights))
    return {
        name: {metric: np.concatenate([block[metric] for block in parts]) for metric in parts[0]}
        for name, parts in blocks.items()
    }


def compare_with(best: str, evaluated: dict[str, Values]) -> dict[str, Values]:
    """Paired differences of each estimator to the best score possible, and the share of its gain that is
    reached.

    Args:
        best: 'oracle' or 'ceiling'.
        evaluated: as `evaluate` returns it, with `baseline` and `best` among the estimators.

    Returns:
        estimator -> `<metric>_minus_<best>` and `share_of_<best>_gain` -> (1 + b,) values. The share is the
        log loss saved against the baseline over what the best saves.
    """
    reference, baseline = evaluated[best], evaluated["baseline"]
    gain = baseline["log_loss"] - reference["log_loss"]
    compared = {}
    for name, values in evaluated.items():
        if name in ("oracle", "ceiling"):
            continue
        compared[name] = {
            f"{metric}_minus_{best}": values[metric] - reference[metric] for metric in COMPARED_METRICS
        }
        compared[name][f"share_of_{best}_gain"] = (baseline["log_loss"] - values["log_loss"]) / gain
    return compared


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Point value and 95 % percentile interval of (1 + b,) values as `evaluate` returns them."""
    resamples = values[1:][np.isfinite(values[1:])]
    if resamples.size == 0:
        return float(values[0]), float("nan"), float("nan")
    low, high = np.percentile(resamples, [2.5, 97.5])
    return float(values[0]), float(low), float(high)
