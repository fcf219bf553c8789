"""Broken lines against scikit-learn's linear splines, and by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import SplineTransformer

from ml.broken_lines import BrokenLines


def test_pieces_by_hand() -> None:
    lines = BrokenLines(pieces=2).fit(np.array([[0.0], [1.0], [2.0], [4.0], [10.0]]))
    # Quantiles 0, 2 and 10: the middle of the second piece is 6.
    asked = np.array([[-5.0], [1.0], [2.0], [6.0], [99.0]])
    expected = [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1]]
    np.testing.assert_allclose(lines.transform(asked), expected)


def test_a_line_through_them_is_one_through_linear_splines() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.gamma(2.0, size=(500, 3))
    wanted = np.sin(matrix).sum(axis=1)
    asked = rng.gamma(3.0, size=(200, 3))
    splines = SplineTransformer(n_knots=5, degree=1, knots="quantile", extrapolation="constant").fit(matrix)
    fits = [
        LinearRegression().fit(lines.transform(matrix), wanted).predict(lines.transform(asked))
        for lines in (BrokenLines(pieces=4).fit(matrix), splines)
    ]
    np.testing.assert_allclose(fits[0], fits[1], atol=1e-9)


def test_missing_values_take_the_median_and_are_flagged_where_training_has_some() -> None:
    matrix = np.array([[0.0, np.nan], [1.0, 3.0], [2.0, 5.0], [3.0, 7.0]])
    lines = BrokenLines(pieces=1).fit(matrix)
    found = lines.transform(np.array([[np.nan, np.nan], [3.0, 3.0]]))
    # First feature: median 1.5 of 0 to 3, no flag; second: median 5 of 3 to 7, flagged.
    np.testing.assert_allclose(found, [[0.5, 0.5, 1.0], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_has_no_piece(value: float) -> None:
    lines = BrokenLines().fit(np.full((5, 1), value))
    assert lines.transform(np.array([[value], [8.0]])).shape == (2, 0)
