"""Calibrates a pipeline on rows that it was not fitted on, and never turns its ranks round."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

# Of each class: with fewer, scikit-learn's folds lack one, and a curve of two parameters fits chance.
MINIMUM_OF_A_CLASS = 10

Model = CalibratedClassifierCV | Pipeline


def calibrate(pipeline: Pipeline, features: pd.DataFrame, labels: NDArray[np.float64]) -> Model:
    """p -> sigmoid(slope * log odds + intercept), by maximum likelihood (Platt 1999).

    Args:
        pipeline: fitted on other rows.
        features, labels: n held-out rows; labels are 0.0 or 1.0.

    Returns:
        the calibrated pipeline; or `pipeline` itself where the slope would not be positive (of rare events
        that the model can't rank, about half are), or one class has fewer than ten rows.
    """
    if min(labels.sum(), (1 - labels).sum()) < MINIMUM_OF_A_CLASS:
        return pipeline
    calibrated = CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid").fit(features, labels)
    [pair] = calibrated.calibrated_classifiers_
    [curve] = pair.calibrators
    # scikit-learn's sigmoid is 1 / (1 + exp(a * score + b)).
    return calibrated if curve.a_ < 0 else pipeline


def move_calibration(model: Model, refitted: Pipeline) -> Model:
    """The curve of `model` over a pipeline that was fitted on more rows, the curve's own among them."""
    if isinstance(model, Pipeline):
        return refitted
    [pair] = model.calibrated_classifiers_
    pair.estimator = FrozenEstimator(refitted)
    return model


def pipeline_of(model: Model) -> Pipeline:
    """The pipeline without the curve."""
    return model if isinstance(model, Pipeline) else model.calibrated_classifiers_[0].estimator.estimator


def method_of(model: Model) -> str:
    """'sigmoid', or 'none'."""
    return "none" if isinstance(model, Pipeline) else "sigmoid"
