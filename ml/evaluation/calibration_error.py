"""How far probabilities are from the rates they promise, free of the error that noise alone would show."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

BINS = 10

Floats = NDArray[np.float64]


def log_odds(probabilities: Floats) -> Floats:
    """Of probabilities, 0 and 1 kept finite."""
    smallest = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, smallest, 1 - smallest)
    return np.log(clipped) - np.log1p(-clipped)


class CalibrationBins:
    """The calibration error over ten bins that hold as many rows each: the root of the mean, over rows, of
    their bin's squared (label rate - mean probability), less what chance adds to it (Kumar, Liang and Ma
    2019, "Verified Uncertainty Calibration", with the variance between users in place of that between rows).

    Without that correction the error of a perfect model is positive, and an interval never holds its 0.

    Args:
        labels, probabilities: (n,).
        clusters: (n,) codes, 0 to `cluster_count` - 1.
    """

    def __init__(
        self, labels: Floats, probabilities: Floats, clusters: NDArray[np.int64], cluster_count: int
    ) -> None:
        cuts = np.unique(np.quantile(probabilities, np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = np.searchsorted(cuts, probabilities, side="right")
        cells = clusters * BINS + bins
        shape = (cluster_count, BINS)
        self._rows = np.bincount(cells, minlength=cluster_count * BINS).reshape(shape).astype(np.float64)
        self._errors = np.bincount(cells, labels - probabilities, cluster_count * BINS).reshape(shape)

    def error(self, weights: Floats) -> Floats:
        """(b, c) weights of the clusters to (b,) errors.

        A resample carries the sample's noise and its own: twice is taken off where the weights aren't all
        one.
        """
        rows, errors = weights @ self._rows, weights @ self._errors
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps = np.where(rows > 0, errors / rows, 0.0)
            squares = (
                weights @ self._errors**2
                - 2 * gaps * (weights @ (self._errors * self._rows))
                + gaps**2 * (weights @ self._rows**2)
            )
            noise = np.where(rows > 0, squares / rows**2, 0.0)
        layers = np.where((weights == 1).all(axis=1), 1.0, 2.0)[:, None]
        shares = rows / rows.sum(axis=1, keepdims=True)
        return np.sqrt(np.maximum((shares * (gaps**2 - layers * noise)).sum(axis=1), 0.0))


class CalibrationLine:
    """Slope and intercept of the labels' log odds on the probabilities' (Cox 1958).

    A slope below 1 says that probabilities are too extreme. The intercept is that of slope 1, calibration in
    the
    large: above 0, probabilities are too low on the whole (Van Calster et al. 2019).

    Args: as `CalibrationBins`.
    """

    def __init__(
        self, labels: Floats, probabilities: Floats, clusters: NDArray[np.int64], cluster_count: int
    ) -> None:
        scores = log_odds(probabilities)
        self._is_defined = len(np.unique(labels)) == 2 and np.ptp(scores) > 0
        if not self._is_defined:
            return
        model = LogisticRegression(C=np.inf).fit(scores[:, None], labels)
        self._at = float(model.coef_[0, 0])
        fitted = model.predict_proba(scores[:, None])[:, 1]
        self._offset, shifted = _shift(scores, labels)

        def sums(values: Floats) -> Floats:
            return np.bincount(clusters, values, cluster_count)

        spread = fitted * (1 - fitted)
        self._scores = np.column_stack([sums((labels - fitted) * scores), sums(labels - fitted)])
        self._curves = np.column_stack([sums(spread * scores**2), sums(spread * scores), sums(spread)])
        self._shift = np.column_stack([sums(labels - shifted), sums(shifted * (1 - shifted))])

    def fit(self, weights: Floats) -> dict[str, Floats]:
        """(b, c) weights of the clusters to (b,) slopes and intercepts.

        Away from weights of one by a single Newton step from their fit (the one-step bootstrap, Davison and
        Hinkley 1997, section 2.7); NaN where there is but one probability or one class.
        """
        if not self._is_defined:
            nothing = np.full(len(weights), np.nan)
            return {"calibration_slope": nothing, "calibration_intercept": nothing}
        gradient, curve, shift = weights @ self._scores, weights @ self._curves, weights @ self._shift
        with np.errstate(divide="ignore", invalid="ignore"):
            determinant = curve[:, 0] * curve[:, 2] - curve[:, 1] ** 2
            step = (curve[:, 2] * gradient[:, 0] - curve[:, 1] * gradient[:, 1]) / determinant
            return {
                "calibration_slope": self._at + step,
                "calibration_intercept": self._offset + shift[:, 0] / shift[:, 1],
            }


def _shift(scores: Floats, labels: Floats) -> tuple[float, Floats]:
    """What to add to log odds so that probabilities add up to the labels, and these probabilities."""
    offset = 0.0
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-(scores + offset)))
        step = (labels - fitted).sum() / max((fitted * (1 - fitted)).sum(), np.finfo(np.float64).tiny)
        offset += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-12:
            break
    return offset, 1 / (1 + np.exp(-(scores + offset)))
