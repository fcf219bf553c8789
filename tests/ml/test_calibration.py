"""Calibration brings probabilities back to rates and keeps every rank."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.calibration import Isotonic, Sigmoid, fit_calibrator, fit_isotonic, fit_sigmoid


def draw(seed: int, count: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True probabilities, labels and clusters."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(3, 1.5, count)
    return truth, (rng.random(count) < truth).astype(float), rng.integers(0, 500, count)


def overconfident(truth: np.ndarray) -> np.ndarray:
    """Twice the log odds, plus one: undone by a sigmoid with slope 0.5 and intercept -0.5."""
    log_odds = np.log(truth / (1 - truth))
    return 1 / (1 + np.exp(-(2 * log_odds + 1)))


def test_sigmoid_undoes_a_stretch_of_the_log_odds() -> None:
    truth, labels, _ = draw(1)
    fitted = fit_sigmoid(overconfident(truth), labels)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.5, -0.5), abs=0.05)
    assert np.abs(fitted.apply(overconfident(truth)) - truth).max() < 0.02


def test_isotonic_follows_any_increasing_curve() -> None:
    truth, labels, _ = draw(2)
    raw = np.where(truth < 0.6, truth / 3, 0.2 + 2 * (truth - 0.6))
    assert np.abs(fit_isotonic(raw, labels).apply(raw) - truth).mean() < 0.015


@pytest.mark.parametrize("fit", [fit_sigmoid, fit_isotonic])
def test_no_rank_is_lost(fit) -> None:
    truth, labels, _ = draw(3, count=2000)
    other_truth, other_labels, _ = draw(4, count=2000)
    calibrated = fit(truth, labels).apply(other_truth)
    assert len(np.unique(calibrated)) == len(np.unique(other_truth))
    expected = roc_auc_score(other_labels, other_truth)
    assert roc_auc_score(other_labels, calibrated) == pytest.approx(expected, abs=1e-12)
    assert calibrated.min() > 0 and calibrated.max() < 1


def test_the_sigmoid_is_kept_where_isotonic_is_no_better() -> None:
    truth, labels, clusters = draw(5)
    assert isinstance(fit_calibrator(overconfident(truth), labels, clusters), Sigmoid)


def test_isotonic_is_taken_where_the_sigmoid_cannot_follow() -> None:
    truth, labels, clusters = draw(6)
    bent = np.where(truth < 0.6, truth / 6, 0.1 + 2 * (truth - 0.6))
    assert isinstance(fit_calibrator(bent, labels, clusters), Isotonic)
