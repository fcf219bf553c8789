"""Calibration brings probabilities back to rates and keeps every rank."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from ml.calibration import calibrate, method_of, pipeline_of, scores_of


def fitted(slope: float, intercept: float) -> Pipeline:
    """A pipeline that says sigmoid(slope * score + intercept)."""
    pipeline = Pipeline(
        [("encode", ColumnTransformer([("n", "passthrough", ["score"])])), ("model", LogisticRegression())]
    )
    pipeline.fit(pd.DataFrame({"score": [-1.0, 1.0]}), [0, 1])
    pipeline["model"].coef_, pipeline["model"].intercept_ = np.array([[slope]]), np.array([intercept])
    return pipeline


def draw(seed: int, count: int = 20_000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Log odds, true probabilities and labels."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(3, 1.5, count)
    scores = pd.DataFrame({"score": np.log(truth / (1 - truth))})
    return scores, truth, (rng.random(count) < truth).astype(float)


def test_a_stretch_of_the_log_odds_is_undone() -> None:
    scores, truth, labels = draw(1)
    pipeline = fitted(2.0, 1.0)
    calibrated = calibrate(pipeline, scores_of(pipeline, scores), labels)
    assert method_of(calibrated) == "sigmoid"
    assert np.abs(calibrated.predict_proba(scores)[:, 1] - truth).max() < 0.02


def test_no_rank_is_lost() -> None:
    scores, truth, labels = draw(3, count=2000)
    pipeline = fitted(0.3, 0.0)
    probabilities = calibrate(pipeline, scores_of(pipeline, scores), labels).predict_proba(scores)[:, 1]
    assert len(np.unique(probabilities)) == len(np.unique(truth))
    assert roc_auc_score(labels, probabilities) == pytest.approx(roc_auc_score(labels, truth), abs=1e-12)


def test_ranks_are_never_turned_round() -> None:
    """Of rare events that a model can't rank, a free slope is negative on about half of all slices."""
    scores, _, labels = draw(4, count=2000)
    upside_down = fitted(-1.0, 0.0)
    model = calibrate(upside_down, scores_of(upside_down, scores), labels)
    assert method_of(model) == "none"
    expected = upside_down.predict_proba(scores)
    np.testing.assert_array_equal(model.predict_proba(scores), expected)


def test_too_few_of_a_class_fit_no_curve() -> None:
    scores, _, labels = draw(5, count=200)
    labels[:] = 0.0
    labels[:9] = 1.0
    assert method_of(calibrate(fitted(1.0, 0.0), scores["score"].to_numpy(), labels)) == "none"


def test_a_curve_fitted_to_the_scores_of_others_is_put_on_the_pipeline() -> None:
    scores, _, labels = draw(6)
    pipeline = fitted(4.0, 2.0)
    calibrated = calibrate(pipeline, scores_of(fitted(2.0, 1.0), scores), labels)
    # Half of twice as much: the curve takes the log odds by 0.5 and adds -0.5.
    log_odds = 0.5 * (4 * scores["score"] + 2) - 0.5
    expected = 1 / (1 + np.exp(-log_odds))
    assert np.abs(calibrated.predict_proba(scores)[:, 1] - expected).max() < 0.03
    assert pipeline_of(calibrated) is pipeline
