"""The form that scores: scikit-learn's probabilities, and of a row the same digits whatever is beside it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from ml.blocks import Block, Texts, to_block
from ml.calibration import Model, calibrate, pipeline_of, scores_of
from ml.features import FeatureTable
from ml.pipelines import make_pipeline_of
from ml.scorers import AdditiveScorer, scorer_of
from ml.tasks import BY_TIME, Study, Task

TASK = Task(
    name="small",
    source="viewing",
    feature_model="marts.feat_small",
    key="id",
    cluster="user_id",
    numeric=("count", "rate", "flag", "constant", "never"),
    categorical=("device", "kind"),
    baseline_feature="rate",
    candidates={},
)
SMALL = {"boosting": {"max_iter": 30, "early_stopping": False}, "forest": {"n_estimators": 7}}


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """Ties, missing values, a constant, a feature without values, a category of None; half the rows train."""
    rng = np.random.default_rng(0)
    size = 1200
    rate = np.where(rng.random(size) < 0.2, np.nan, rng.random(size))
    features = pd.DataFrame(
        {
            "count": rng.poisson(1.0, size).astype(float),
            "rate": rate.astype(np.float32).astype(float),
            "flag": (rng.random(size) < 0.3).astype(float),
            "constant": np.full(size, 3.0),
            "never": np.full(size, np.nan),
            "device": pd.Series(rng.choice(["phone", "web", "tv"], size), dtype=object),
            "kind": pd.Series([None if x < 0.1 else "a" for x in rng.random(size)], dtype=object),
        }
    )
    log_odds = features["count"] - 2 * np.nan_to_num(rate) + (features["device"] == "web") - 0.5
    labels = (rng.random(size) < 1 / (1 + np.exp(-log_odds))).to_numpy(float)
    split = np.where(np.arange(size) < size // 2, "train", "validation")
    rows = pl.DataFrame({"entity_id": np.arange(size).astype(str), "split": split})
    return FeatureTable(Study(TASK, "viewing", BY_TIME), rows, features, labels, np.arange(size), None)


def fitted(table: FeatureTable, estimator: str, *, is_calibrated: bool) -> Model:
    train, validation = table.labelled("train"), table.labelled("validation")
    with threadpool_limits(1):
        pipeline = make_pipeline_of(estimator, table, SMALL.get(estimator, {}), seed=1)
        pipeline.fit(table.features.iloc[train], table.labels[train])
        scores = scores_of(pipeline, table.features.iloc[validation])
    return calibrate(pipeline, scores, table.labels[validation]) if is_calibrated else pipeline


@pytest.fixture(scope="module")
def new_rows(table: FeatureTable) -> pd.DataFrame:
    """Rows as training had them, values at and beyond its range, categories it never met, and all missing."""
    strange = pd.DataFrame(
        {
            "count": [-5.0, 1e9, np.nan, 0.0, 1.0, 6.5],
            "rate": [-1e30, 3.4e38, np.nan, 0.5, np.nan, 1.0],
            "flag": [0.0, 1.0, np.nan, 0.5, 1.0, 0.0],
            "constant": [3.0, 2.0, np.nan, 4.0, 3.0, 3.0],
            "never": [1.0, np.nan, np.nan, -1.0, 0.0, 2.0],
            "device": pd.Series(["phone", "watch", None, "", "tv", "web"], dtype=object),
            "kind": pd.Series(["a", None, None, "b", "A", "a"], dtype=object),
        }
    )
    return pd.concat([table.features, strange], ignore_index=True)


def row(block: Block, number: int) -> Block:
    """One row of a block, its texts looked up among themselves as a single request has them."""
    texts = {
        name: Texts(np.zeros(1, np.int64), [column.values[column.codes[number]], None])
        for name, column in block.texts.items()
    }
    return Block(1, {name: values[[number]] for name, values in block.numbers.items()}, texts)


@pytest.mark.parametrize("is_calibrated", [True, False], ids=["sigmoid", "none"])
@pytest.mark.parametrize("estimator", ["logistic", "boosting", "forest", "baseline"])
def test_probabilities_are_the_pipelines(table, new_rows, estimator: str, is_calibrated: bool) -> None:
    model = fitted(table, estimator, is_calibrated=is_calibrated)
    with threadpool_limits(1):
        expected = model.predict_proba(new_rows)[:, 1]
        block = to_block(new_rows)
        found = scorer_of(model).predict(block)
        one_by_one = [
            scorer_of(model).predict(row(block, number))[0] for number in range(1190, block.rows_count)
        ]
    assert np.unique(found).size >= 4
    if estimator == "logistic":
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[1190:], one_by_one)


def test_contributions_sum_to_the_log_odds_and_are_0_on_average(table: FeatureTable) -> None:
    pipeline = fitted(table, "logistic", is_calibrated=False)
    scorer = scorer_of(pipeline)
    assert isinstance(scorer, AdditiveScorer)
    block = to_block(table.features)
    contributions = scorer.contributions(block)
    assert list(contributions) == ["count", "rate", "flag", "constant", "device", "kind"]
    total = scorer.mean + sum(contributions.values())
    np.testing.assert_allclose(total, pipeline.decision_function(table.features), rtol=0, atol=1e-12)
    train = table.labelled("train")
    assert max(abs(values[train].mean()) for values in contributions.values()) < 1e-12
    assert (contributions["constant"] == 0).all()


def test_equal_models_give_equal_forms(table: FeatureTable) -> None:
    block = to_block(table.features)
    first, second = (fitted(table, "logistic", is_calibrated=True) for _ in range(2))
    np.testing.assert_array_equal(scorer_of(first).predict(block), scorer_of(second).predict(block))
    assert pipeline_of(first) is not pipeline_of(second)
