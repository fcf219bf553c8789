"""Calibrates a pipeline by scores of rows that it was not fitted on, and never turns its ranks round."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

# Of each class: with fewer, scikit-learn's folds lack one, and a curve of two parameters fits chance.
MINIMUM_OF_A_CLASS = 10

Model = CalibratedClassifierCV | Pipeline


class _Given(ClassifierMixin, BaseEstimator):
    """Stands for the models that gave the scores, while a curve is fitted to these."""

    def fit(self, scores: NDArray[np.float64], labels: NDArray[np.float64]) -> "_Given":
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores[:, 0]

    def predict(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return (scores[:, 0] > 0).astype(np.float64)


def scores_of(pipeline: Pipeline, features: pd.DataFrame) -> NDArray[np.float64]:
    """(n,) scores that a curve is fitted to: log odds, or the probability of an estimator that has none."""
    if hasattr(pipeline, "decision_function"):
        return pipeline.decision_function(features)
    return pipeline.predict_proba(features)[:, 1]


def calibrate(pipeline: Pipeline, scores: NDArray[np.float64], labels: NDArray[np.float64]) -> Model:
    """p = sigmoid(slope * score + intercept), by maximum likelihood (Platt 1999).

    Args:
        pipeline: to be calibrated.
        scores: (n,) as `scores_of` gives them, by pipelines of the same making that were not fitted on these
            rows.
        labels: (n,) 0.0 or 1.0.

    Returns:
        the calibrated pipeline; or `pipeline` itself where the slope would not be positive (of rare events
        that can't be ranked, about half are), or one class has fewer than ten rows.
    """
    if min(labels.sum(), (1 - labels).sum()) < MINIMUM_OF_A_CLASS:
        return pipeline
    calibrated = CalibratedClassifierCV(FrozenEstimator(_Given().fit(scores, labels)), method="sigmoid").fit(
        scores[:, None], labels
    )
    [pair] = calibrated.calibrated_classifiers_
    [curve] = pair.calibrators
    # scikit-learn's sigmoid is 1 / (1 + exp(a * score + b)).
    if curve.a_ >= 0:
        return pipeline
    calibrated.estimator = pair.estimator = FrozenEstimator(pipeline)
    return calibrated


def pipeline_of(model: Model) -> Pipeline:
    """The pipeline without the curve."""
    return model if isinstance(model, Pipeline) else model.calibrated_classifiers_[0].estimator.estimator


def method_of(model: Model) -> str:
    """'sigmoid', or 'none'."""
    return "none" if isinstance(model, Pipeline) else "sigmoid"
