"""Maps a model's probabilities to calibrated ones, by strictly increasing curves: no rank is lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

FOLDS = 5


@dataclass(frozen=True)
class Sigmoid:
    """p -> sigmoid(slope * logit(p) + intercept) (Platt 1999, on the log odds)."""

    slope: float
    intercept: float
    method: str = "sigmoid"

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) raw to (n,) calibrated probabilities."""
        return 1 / (1 + np.exp(-(self.slope * _logit(probabilities) + self.intercept)))


@dataclass(frozen=True)
class Isotonic:
    """Piecewise linear through the centres of the isotonic regression's steps.

    Plain isotonic regression ties whole ranges of probabilities, which costs ROC AUC; joining the steps'
    centres does not (Oron and Flournoy 2017, centered isotonic regression).
    """

    raw: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    method: str = "isotonic"

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) raw to (n,) calibrated probabilities."""
        return np.interp(probabilities, self.raw, self.calibrated)


Calibrator = Sigmoid | Isotonic


def fit_calibrator(
    probabilities: NDArray[np.float64], labels: NDArray[np.float64], clusters: NDArray[np.int64]
) -> Calibrator:
    """Fit on the n rows of a slice that the model was not fitted on.

    The sigmoid, with its two parameters, is kept unless isotonic regression has the lower log loss on
    clusters left out, by more than one standard error over five folds.
    """
    gains = []
    for fold in range(FOLDS):
        held_out = clusters % FOLDS == fold
        if len(np.unique(labels[~held_out])) < 2 or not held_out.any():
            continue
        losses = [
            _log_loss(
                labels[held_out],
                fit(probabilities[~held_out], labels[~held_out]).apply(probabilities[held_out]),
            )
            for fit in (fit_sigmoid, fit_isotonic)
        ]
        gains.append(losses[0] - losses[1])
    is_isotonic_better = len(gains) > 1 and np.mean(gains) > np.std(gains, ddof=1) / np.sqrt(len(gains))
    return (fit_isotonic if is_isotonic_better else fit_sigmoid)(probabilities, labels)


def fit_sigmoid(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> Sigmoid:
    """Maximum likelihood, without penalty. Labels must have both classes."""
    model = LogisticRegression(C=np.inf).fit(_logit(probabilities)[:, None], labels)
    return Sigmoid(float(model.coef_[0, 0]), float(model.intercept_[0]))


def fit_isotonic(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> Isotonic:
    """Isotonic regression, its steps replaced by their centres and kept off 0 and 1."""
    fitted = IsotonicRegression().fit_transform(probabilities, labels)
    steps, members = np.unique(fitted, return_inverse=True)
    centres = np.bincount(members, probabilities) / np.bincount(members)
    # A step of equal labels would promise certainty: no surer than one case in twice the rows.
    steps = np.clip(steps, 0.5 / len(labels), 1 - 0.5 / len(labels))
    raw = np.concatenate([[0.0], centres, [1.0]])
    calibrated = np.concatenate([[steps[0] / 2], steps, [(1 + steps[-1]) / 2]])
    return Isotonic(raw, calibrated)


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    smallest = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, smallest, 1 - smallest)
    return np.log(clipped) - np.log1p(-clipped)


def _log_loss(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> float:
    return float(-np.mean(np.log(np.where(labels == 1, probabilities, 1 - probabilities))))
