"""How well a model does in parts of the test rows, and how far each part is from all others."""

from itertools import islice

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from ml.evaluation.calibration_error import log_odds
from ml.evaluation.metrics import BLOCK, MINIMUM_CLUSTERS, interval, resampled_weights
from ml.features import FeatureTable

# Of a group's rows; it also needs both classes, and as many users as an interval does.
MINIMUM_ROWS = 50
RESAMPLES = 200
# Steps of the ROC curves of resamples, of as many test rows each: two rows in one step are as good as tied,
# which moves an area by about one in a million. Point values rank all rows.
STEPS = 1000
METRICS = ("roc_auc", "log_loss", "calibration_in_the_large", "base_rate")
SCHEMA = {
    "slice_value": pl.String,
    "rows_count": pl.Int64,
    "users_count": pl.Int64,
    "positive_count": pl.Int64,
    "metric": pl.String,
    **dict.fromkeys(("value", "ci_low", "ci_high", "gap", "gap_low", "gap_high"), pl.Float64),
}

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def slices(estimator: str, table: FeatureTable, probabilities: Floats, seed: int) -> pl.DataFrame:
    """Figures of one estimator on the labelled test rows of each group, with 95 % intervals over users.

    Args:
        estimator: that `probabilities` are of.
        table: whose slices are told, and 'user': 'seen' where the model was fitted on rows of the user.
        probabilities: (n,) of all rows of `table`.
        seed: of the resampling, which draws the same users for all groups.

    Returns:
        `estimator`, `slice`, `slice_value` ('not known' for null), `rows_count`, `users_count`,
        `positive_count`, `metric`, `value` and its interval, and `gap`, the value less that of all other
        test rows, with its paired interval. `calibration_in_the_large` is the mean probability less the
        label rate. Figures are NaN for groups of fewer than 50 rows, 20 users or two classes; gaps also where
        that holds for the other rows.
    """
    test = table.labelled("test")
    rows = TestRows(table.labels[test], probabilities[test], table.clusters[test])
    groupings = {name: Grouping(rows, values) for name, values in _groups(table, test).items()}
    figures: dict[str, list[Floats]] = {name: [one.exact()] for name, one in groupings.items()}
    for weights in islice(resampled_weights(rows.users_count, seed), RESAMPLES // BLOCK):
        for name, grouping in groupings.items():
            figures[name].append(grouping.resampled(weights))
    return pl.concat(
        grouping.told(np.concatenate(figures[name], axis=-1)).select(
            pl.lit(estimator).alias("estimator"), pl.lit(name).alias("slice"), pl.all()
        )
        for name, grouping in groupings.items()
    )


def _groups(table: FeatureTable, test: NDArray[np.intp]) -> dict[str, pl.Series]:
    """Slice -> its value of each test row."""
    is_seen = np.isin(table.clusters[test], table.clusters[table.known_before_test()])
    named = {name: table.rows[f"slice_{name}"].gather(test) for name in table.task.slices}
    named["user"] = pl.Series(np.where(is_seen, "seen", "unseen"))
    return {name: values.fill_null("not known") for name, values in named.items()}


class TestRows:
    """The n labelled test rows.

    Args:
        labels, probabilities, clusters: (n,).
    """

    def __init__(self, labels: Floats, probabilities: Floats, clusters: Codes) -> None:
        self.labels, self.probabilities = labels, probabilities
        present, self.users = np.unique(clusters, return_inverse=True)
        self.users_count = len(present)
        ranking = np.sort(probabilities)
        self.steps = np.searchsorted(ranking, probabilities) * STEPS // len(ranking)
        scores = log_odds(probabilities)
        self.losses = np.logaddexp(0.0, np.where(labels == 1, -scores, scores))

    def have_enough(self, chosen: NDArray[np.bool_]) -> bool:
        """Whether figures of the chosen rows mean anything."""
        labels = self.labels[chosen]
        return (
            len(labels) >= MINIMUM_ROWS
            and 0 < labels.sum() < len(labels)
            and len(np.unique(self.users[chosen])) >= MINIMUM_CLUSTERS
        )

    def figures(self, chosen: NDArray[np.bool_]) -> list[float]:
        """`METRICS` of the chosen rows; NaN where they are too few."""
        if not self.have_enough(chosen):
            return [np.nan] * len(METRICS)
        labels, probabilities = self.labels[chosen], self.probabilities[chosen]
        return [
            float(roc_auc_score(labels, probabilities)),
            float(self.losses[chosen].mean()),
            float(probabilities.mean() - labels.mean()),
            float(labels.mean()),
        ]


class Grouping:
    """The test rows parted into groups; those with enough rows, g of them, prepared for many weightings.

    Args:
        rows: n test rows; values: (n,) the group that each is in.
    """

    def __init__(self, rows: TestRows, values: pl.Series) -> None:
        self._rows = rows
        self._names = values.unique().sort().to_list()
        members = {name: (values == name).to_numpy() for name in self._names}
        self._counts = [
            (
                int(chosen.sum()),
                len(np.unique(rows.users[chosen])),
                int(rows.labels[chosen].sum()),
            )
            for chosen in members.values()
        ]
        self._members = [chosen for chosen in members.values() if rows.have_enough(chosen)]
        self._told_names = [name for name in self._names if rows.have_enough(members[name])]
        # The rows of all groups that are too small are one more.
        self._codes = np.full(len(values), len(self._members))
        for code, chosen in enumerate(self._members):
            self._codes[chosen] = code
        ones = np.ones_like(rows.labels)
        columns = {"rows": ones, "label": rows.labels, "probability": rows.probabilities, "loss": rows.losses}
        self._sums = {name: self._by_user(self._codes, column) for name, column in columns.items()}
        cells = (self._codes * 2 + rows.labels.astype(np.int64)) * STEPS + rows.steps
        self._ranked = self._by_user(cells, ones, 2 * STEPS)

    def _by_user(self, codes: Codes, values: Floats, cells: int = 1) -> csr_array:
        """((g + 1) * cells, c) sums of `values` by code and user."""
        shape = ((len(self._members) + 1) * cells, self._rows.users_count)
        return csr_array((values, (codes, self._rows.users)), shape=shape)

    def exact(self) -> Floats:
        """(metrics, 2, g, 1) figures of each group, and of all other rows."""
        figures = [[self._rows.figures(rows) for rows in (own, ~own)] for own in self._members]
        return np.array(figures).reshape(len(self._members), 2, len(METRICS)).T[..., None]

    def resampled(self, weights: Floats) -> Floats:
        """(b, c) weights of the users to (metrics, 2, g, b) figures; NaN where one class is left."""
        sums = {name: _beside_others(matrix @ weights.T) for name, matrix in self._sums.items()}
        ranked = (self._ranked @ weights.T).reshape(len(self._members) + 1, 2, STEPS, len(weights))
        negative, positive = np.moveaxis(_beside_others(ranked), 2, 0)
        below = np.cumsum(negative, axis=2) - negative / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            area = (positive * below).sum(axis=2) / (positive.sum(axis=2) * negative.sum(axis=2))
            loss, probability, label = (
                sums[name] / sums["rows"] for name in ("loss", "probability", "label")
            )
        return np.stack([area, loss, probability - label, label])

    def told(self, figures: Floats) -> pl.DataFrame:
        """(metrics, 2, g, 1 + b) figures as a row a group and metric; NaN for groups that are too small."""
        rows = []
        for name, counts in zip(self._names, self._counts, strict=True):
            for place, metric in enumerate(METRICS):
                own = other = np.full(1, np.nan)
                if name in self._told_names:
                    own, other = figures[place, :, self._told_names.index(name)]
                gap = own - other if np.isfinite(other[0]) else np.full(1, np.nan)
                rows.append((name, *counts, metric, *interval(own), *interval(gap)))
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _beside_others(sums: Floats) -> Floats:
    """(g + 1, ...) sums of groups, the last of them all that are too small, to (2, g, ...): own, others'."""
    return np.stack([sums[:-1], sums.sum(axis=0) - sums[:-1]])
