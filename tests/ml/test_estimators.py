"""What each estimator does, on tables small enough to know the answer."""

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from ml.estimators import BASELINE_MIN_ROWS, ProbabilityModel, fit_estimators
from ml.features import FeatureTable
from ml.tasks import Task

TASK = Task(
    name="small",
    source="viewing",
    feature_model="marts.feat_small",
    key="id",
    cluster="user_id",
    numeric=("step", "count"),
    categorical=("device",),
    baseline_feature="step",
)


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """Rate 0.9 at step 1, 0.3 at step 2; step 3 is rare; `count` grows with time and means nothing."""
    rng = np.random.default_rng(0)
    size = 3000
    step = np.repeat([1.0, 2.0], size // 2)
    step[:20] = 3.0
    split = np.resize(["train", "train", "validation", "test"], size)
    count = np.select([split == "train", split == "validation"], [10.0, 20.0], 1000.0) + rng.normal(size=size)
    device = rng.integers(0, 2, size).astype(float)
    device[rng.random(size) < 0.1] = np.nan
    return FeatureTable(
        rows=pl.DataFrame({"split": split}),
        matrix=np.column_stack([step, count, device]),
        labels=(rng.random(size) < np.where(step == 2, 0.3, 0.9)).astype(float),
        clusters=np.arange(size) % 200,
        oracle=None,
        levels={"device": ["phone", "web"]},
    )


@pytest.fixture(scope="module")
def models(table: FeatureTable) -> dict[str, ProbabilityModel]:
    with threadpool_limits(1):
        return fit_estimators(TASK, table, seed=42)


def test_the_baseline_is_the_training_rate_at_each_value(models, table: FeatureTable) -> None:
    rows = table.labelled("train")
    is_second = table.matrix[rows, 0] == 2
    overall_rate = table.labels[rows].mean()
    asked = np.array([[2.0, 0, 0], [3.0, 0, 0], [7.0, 0, 0], [np.nan, 0, 0]])
    # Step 3 has too few rows for a rate of its own, 7 and a missing value have none.
    assert (table.matrix[rows, 0] == 3).sum() < BASELINE_MIN_ROWS
    expected = [table.labels[rows][is_second].mean(), overall_rate, overall_rate, overall_rate]
    assert models["baseline"].predict(asked) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_models_hold_where_a_growing_count_leaves_the_training_range(
    name: str, models, table: FeatureTable
) -> None:
    rows = table.labelled("test")
    predicted = models[name].predict(table.matrix[rows])
    is_second = table.matrix[rows, 0] == 2
    assert predicted[is_second].mean() == pytest.approx(0.3, abs=0.05)
    assert predicted[~is_second].mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_models_take_missing_values_and_values_never_met(name: str, models) -> None:
    predicted = models[name].predict(np.array([[np.nan, np.nan, np.nan], [99.0, -1e9, np.nan]]))
    assert np.isfinite(predicted).all() and (predicted > 0).all() and (predicted < 1).all()
