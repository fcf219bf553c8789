"""Numbers as broken lines: a linear model that bends, and holds where a number leaves the training range."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin


class BrokenLines(TransformerMixin, BaseEstimator):
    """Each feature as pieces between its training quantiles, and a flag for missing values where training
    has some.

    A piece rises from 0 to 1 between its two quantiles and is level outside: counts that grow with the log
    leave the training range by the time they are scored, and a straight line would follow them out. These
    are linear splines with constant extrapolation; scikit-learn's SplineTransformer has the same span, is
    some ten times as slow, and holds functions, which no model file should.

    Args:
        pieces: at most so many a feature; quantiles that coincide give fewer.

    Attributes:
        features_, starts_, widths_: (p,) of each piece: its feature, where it starts to rise, and for how
            long.
        medians_: (k,) what stands for a missing value.
        flagged_: features that have missing values in training.
    """

    def __init__(self, pieces: int = 4) -> None:
        self.pieces = pieces

    def fit(self, matrix: ArrayLike, labels: object = None) -> "BrokenLines":
        """(n, k) numbers, each feature with a value somewhere."""
        values = np.asarray(matrix, np.float64)
        knots = np.nanquantile(values, np.linspace(0, 1, self.pieces + 1), axis=0)
        widths = np.diff(knots, axis=0)
        self.features_, place = np.nonzero(widths.T > 0)
        self.starts_, self.widths_ = knots[place, self.features_], widths[place, self.features_]
        self.medians_ = np.nanmedian(values, axis=0)
        self.flagged_ = np.flatnonzero(np.isnan(values).any(axis=0))
        return self

    def transform(self, matrix: ArrayLike) -> NDArray[np.float64]:
        """(n, k) to (n, pieces + flags)."""
        values = np.asarray(matrix, np.float64)
        is_missing = np.isnan(values)
        filled = np.where(is_missing, self.medians_, values)
        pieces = filled[:, self.features_]
        pieces -= self.starts_
        pieces /= self.widths_
        np.clip(pieces, 0.0, 1.0, out=pieces)
        return np.hstack([pieces, is_missing[:, self.flagged_]])
