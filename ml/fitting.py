"""Fits the candidates of a study, chooses one on validation, refits on all that was known before the test."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from ml.blocks import to_block
from ml.calibration import Model, calibrate, scores_of
from ml.features import FeatureTable
from ml.pipelines import make_pipeline_of
from ml.scorers import scorer_of

BASELINE = "baseline"
# Of users, to calibrate by.
FOLDS = 3


@dataclass(frozen=True)
class FittedModel:
    """A calibrated estimator.

    Attributes:
        estimator: 'baseline', 'logistic', 'boosting' or 'forest'.
        model: takes frames with the features' columns.
        parameters: of the estimator in `model`.
        validation_log_loss: of the fit on the training rows alone.
    """

    estimator: str
    model: Model
    parameters: Mapping[str, Any]
    validation_log_loss: float

    def predict(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """(n, k) features to (n,) calibrated probabilities of label 1, by the digits that scoring has."""
        return scorer_of(self.model).predict(to_block(features))


def fit_models(table: FeatureTable, seed: int) -> dict[str, FittedModel]:
    """Fit the baseline and each candidate of the task; the chosen candidate comes first.

    Args:
        table: only rows with a known label are used, and none of the test.
        seed: of whatever is random in an estimator.
    """
    wanted = {**table.task.candidates, BASELINE: {}}
    progress = tqdm(wanted.items(), desc=f"fit {table.study.label}", unit="model", disable=None, leave=False)
    fitted = [_fit(table, name, parameters, seed) for name, parameters in progress]
    fitted.sort(key=lambda one: (one.estimator == BASELINE, one.validation_log_loss))
    return {one.estimator: one for one in fitted}


def _fit(table: FeatureTable, name: str, parameters: Mapping[str, Any], seed: int) -> FittedModel:
    """Fit on training rows, for the loss on validation and the number of trees; then on all known before the
    test.

    Calibrated is the second fit, by scores that fits without them give the users' validation rows: the first
    one's scores would tell of a model that knows less of the time before the test.
    """
    train, validation = table.labelled("train"), table.labelled("validation")
    known = table.known_before_test()
    first = make_pipeline_of(name, table, parameters, seed)
    _fit_on(first, table, train, validation)
    loss = log_loss(table.labels[validation], first.predict_proba(table.features.iloc[validation])[:, 1])
    settled = {**parameters, **_stopped(first)}

    def fit(rows: NDArray[np.intp]) -> Pipeline:
        pipeline = make_pipeline_of(name, table, settled, seed)
        return pipeline.fit(table.features.iloc[rows], table.labels[rows])

    scores = np.empty(len(validation))
    for fold in range(FOLDS):
        held_out = table.clusters[validation] % FOLDS == fold
        if held_out.any():
            others = known[table.clusters[known] % FOLDS != fold]
            scores[held_out] = scores_of(fit(others), table.features.iloc[validation[held_out]])
    model = calibrate(fit(known), scores, table.labels[validation])
    return FittedModel(name, model, settled, float(loss))


def _fit_on(
    pipeline: Pipeline, table: FeatureTable, train: NDArray[np.intp], validation: NDArray[np.intp]
) -> None:
    """Fit on training rows. Boosting adds trees until the validation rows have gained nothing from ten."""
    features, labels = table.features.iloc[train], table.labels[train]
    encode, model = pipeline["encode"], pipeline["model"]
    matrix = encode.fit_transform(features)
    if getattr(model, "early_stopping", False):
        held_out = encode.transform(table.features.iloc[validation])
        model.fit(matrix, labels, X_val=held_out, y_val=table.labels[validation])
    else:
        model.fit(matrix, labels)


def _stopped(pipeline: Pipeline) -> dict[str, Any]:
    """The number of trees at which boosting stopped, for a fit that has no validation rows left."""
    model = pipeline["model"]
    if not getattr(model, "early_stopping", False):
        return {}
    return {"max_iter": int(model.n_iter_), "early_stopping": False}
