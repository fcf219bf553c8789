"""Curves by hand, and thinned ones against scikit-learn's areas."""

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score
from tables import make_table

from ml.evaluation.curves import MAXIMUM_POINTS, curves


def points(frame, estimator: str, curve: str) -> list[tuple]:
    chosen = frame.filter(estimator=estimator, curve=curve).sort("point")
    return chosen.select("point", "threshold", "x", "y").rows()


def test_curves_of_four_rows() -> None:
    """By descending probability the labels are 1, 0, 1, 0; rows of training don't count."""
    labels, split = np.array([1, 0, 1, 0, 0, np.nan]), np.array([*["test"] * 4, "train", "test"])
    table = make_table({"a": np.zeros(6)}, labels, split)
    frame = curves(table, {"forest": np.array([0.9, 0.7, 0.6, 0.2, 0.95, 0.99])})
    assert points(frame, "forest", "roc") == [
        (1, None, 0.0, 0.0),
        (2, 0.9, 0.0, 0.5),
        (3, 0.7, 0.5, 0.5),
        (4, 0.6, 0.5, 1.0),
        (5, 0.2, 1.0, 1.0),
    ]
    # Nothing taken for positive, then 1 of 1, 1 of 2, 2 of 3, 2 of 4.
    assert points(frame, "forest", "pr") == [
        (1, None, 0.0, 1.0),
        (2, 0.9, 0.5, 1.0),
        (3, 0.7, 0.5, 0.5),
        (4, 0.6, 1.0, pytest.approx(2 / 3)),
        (5, 0.2, 1.0, 0.5),
    ]


@pytest.mark.parametrize(
    ("rows", "rate", "skill"),
    [(24_000, 0.7, 1.0), (24_000, 0.03, 0.0), (3_000, 0.5, 0.0), (9_000, 0.01, 2.0)],
)
def test_a_thinned_curve_keeps_its_area(rows: int, rate: float, skill: float) -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(rows) < rate).astype(float)
    probabilities = 1 / (1 + np.exp(-(rng.normal(size=rows) + skill * labels)))
    frame = curves(
        make_table({"a": np.zeros(rows)}, labels, np.full(rows, "test")), {"forest": probabilities}
    )
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    whole = {"roc": roc_auc_score(labels, probabilities), "pr": auc(recall, precision)}
    for curve, area in whole.items():
        kept = np.array(points(frame, "forest", curve), float)
        assert len(kept) <= MAXIMUM_POINTS
        assert auc(kept[:, 2], kept[:, 3]) == pytest.approx(area, abs=2e-4)
        assert (np.diff(kept[:, 2]) >= 0).all()
        assert (kept[0, 2], kept[-1, 2]) == (0.0, 1.0)


def test_an_estimator_is_drawn_on_the_rows_that_it_is_known_for() -> None:
    """The ceiling is known of two rows; of a third estimator's rows, one class alone is left."""
    table = make_table({"a": np.zeros(4)}, np.array([1.0, 0, 1, 0]), np.full(4, "test"))
    nan = np.nan
    frame = curves(
        table,
        {"ceiling": np.array([0.8, 0.4, nan, nan]), "oracle": np.array([0.8, nan, 0.7, nan])},
    )
    assert points(frame, "ceiling", "roc") == [(1, None, 0.0, 0.0), (2, 0.8, 0.0, 1.0), (3, 0.4, 1.0, 1.0)]
    assert set(frame["estimator"]) == {"ceiling"}
