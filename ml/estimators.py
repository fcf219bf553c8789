"""The estimators of every task: a plain baseline, logistic regression, gradient boosting; calibrated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from tqdm import tqdm

from ml.calibration import Calibrator, fit_calibrator
from ml.features import FeatureTable
from ml.tasks import Task

# The estimator whose scores and model file are kept.
CHOSEN = "boosting"
# A baseline rate needs this many training rows; values with fewer get the rate of all rows.
BASELINE_MIN_ROWS = 100
LOGISTIC_PARAMETERS = {"C": 0.1, "max_iter": 500}
# Broken lines, level outside the training range: counts that grow with the log leave that range by the
# time of the test rows, and a straight line would follow them out.
SPLINE_PARAMETERS = {"n_knots": 5, "degree": 1, "knots": "quantile", "extrapolation": "constant"}
# Small trees: on simulated logs, larger ones fit no better on later rows.
BOOSTING_PARAMETERS = {
    "learning_rate": 0.1,
    "max_iter": 500,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 60,
    "l2_regularization": 2.0,
    "early_stopping": True,
    "n_iter_no_change": 10,
}


class ProbabilityModel(Protocol):
    """Anything that gives each row of a feature matrix its probability of label 1."""

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) features to (n,) probabilities."""


@dataclass(frozen=True)
class RateTable:
    """The baseline: the training rate of the label at each value of one feature, uncalibrated."""

    column: int
    values: NDArray[np.float64]
    rates: NDArray[np.float64]
    overall_rate: float

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) features to (n,) probabilities; the rate of all rows for values not in the table."""
        places = np.searchsorted(self.values, matrix[:, self.column])
        places = np.minimum(places, len(self.values) - 1)
        is_known = self.values[places] == matrix[:, self.column]
        return np.where(is_known, self.rates[places], self.overall_rate)


@dataclass(frozen=True)
class Calibrated:
    """A fitted classifier of scikit-learn and the curve that calibrates it."""

    classifier: HistGradientBoostingClassifier | Pipeline
    calibrator: Calibrator

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) features to (n,) calibrated probabilities."""
        return self.calibrator.apply(self.classifier.predict_proba(matrix)[:, 1])


def fit_estimators(task: Task, table: FeatureTable, seed: int) -> dict[str, ProbabilityModel]:
    """Fit all estimators on the training rows and calibrate them on the validation rows.

    Args:
        task: what is predicted, from which features.
        table: rows of the feature mart; only those with a known label are used.
        seed: of whatever is random in an estimator.

    Returns:
        estimator -> model: `baseline`, `logistic` and `boosting`.
    """
    fits: dict[str, Callable[[Task, FeatureTable, int], ProbabilityModel]] = {
        "baseline": _fit_baseline,
        "logistic": _fit_logistic,
        "boosting": _fit_boosting,
    }
    progress = tqdm(fits.items(), desc="fit", unit="estimator", disable=None, leave=False)
    return {name: fit(task, table, seed) for name, fit in progress}


def _fit_baseline(task: Task, table: FeatureTable, seed: int) -> RateTable:
    rows = table.labelled("train")
    column = task.features.index(task.baseline_feature)
    values, members = np.unique(table.matrix[rows, column], return_inverse=True)
    counts = np.bincount(members)
    overall_rate = float(table.labels[rows].mean())
    rates = np.where(
        counts >= BASELINE_MIN_ROWS, np.bincount(members, table.labels[rows]) / counts, overall_rate
    )
    return RateTable(column, values, rates, overall_rate)


def _fit_logistic(task: Task, table: FeatureTable, seed: int) -> Calibrated:
    """Ridge logistic regression: broken lines, a flag for missing values, one column a category."""
    numeric = list(range(len(task.numeric)))
    categorical = list(range(len(task.numeric), len(task.features)))
    median = SimpleImputer(strategy="median", keep_empty_features=True)
    columns = ColumnTransformer(
        [
            ("numeric", make_pipeline(median, SplineTransformer(**SPLINE_PARAMETERS)), numeric),
            ("missing", MissingIndicator(features="all"), numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
        ]
    )
    model = make_pipeline(
        columns, StandardScaler(), LogisticRegression(random_state=seed, **LOGISTIC_PARAMETERS)
    )
    rows = table.labelled("train")
    model.fit(table.matrix[rows], table.labels[rows])
    return _calibrate(model, table)


def _fit_boosting(task: Task, table: FeatureTable, seed: int) -> Calibrated:
    """Gradient-boosted trees (Ke et al. 2017). Missing values go where the loss is lower; categories are
    codes in the order of their rate. Trees are added until the validation rows, later in time than all
    training rows, have gained nothing from ten."""
    train, validation = table.labelled("train"), table.labelled("validation")
    model = HistGradientBoostingClassifier(random_state=seed, **BOOSTING_PARAMETERS)
    model.fit(
        table.matrix[train],
        table.labels[train],
        X_val=table.matrix[validation],
        y_val=table.labels[validation],
    )
    return _calibrate(model, table)


def _calibrate(model: HistGradientBoostingClassifier | Pipeline, table: FeatureTable) -> Calibrated:
    rows = table.labelled("validation")
    raw = model.predict_proba(table.matrix[rows])[:, 1]
    return Calibrated(model, fit_calibrator(raw, table.labels[rows], table.clusters[rows]))
