"""What each estimator does, and which is kept, on tables small enough to know the answer."""

import numpy as np
import pandas as pd
import pytest
from tables import make_table
from threadpoolctl import threadpool_limits

from ml.features import FeatureTable
from ml.fitting import FittedModel, fit_models
from ml.pipelines import PARAMETERS


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """Rate 0.9 at step 1, 0.3 at step 2; `count` grows with time and means nothing."""
    rng = np.random.default_rng(0)
    size = 3000
    step = np.repeat([1.0, 2.0], size // 2)
    split = np.resize(["train", "train", "validation", "test"], size)
    within = 10 * rng.random(size)
    count = np.select([split == "train", split == "validation"], [within, 10 + within], 1000 + within)
    device = rng.choice(np.array(["phone", "web", None], object), size, p=[0.45, 0.45, 0.1])
    return make_table(
        {"step": step, "count": count, "device": device},
        (rng.random(size) < np.where(step == 2, 0.3, 0.9)).astype(float),
        split,
        clusters=np.arange(size) % 200,
        candidates={"logistic": {}, "boosting": {}, "forest": {"n_estimators": 20, "max_features": None}},
    )


@pytest.fixture(scope="module")
def models(table: FeatureTable) -> dict[str, FittedModel]:
    with threadpool_limits(1):
        return fit_models(table, seed=42)


CANDIDATES = ["logistic", "boosting", "forest"]


def ask(step: float, count: float = 10.0, device: str | None = "phone") -> pd.DataFrame:
    return pd.DataFrame({"step": [step], "count": [count], "device": np.array([device], object)})


def test_the_baseline_is_the_rate_in_bands_of_one_feature(models, table: FeatureTable) -> None:
    rows = table.known_before_test()
    is_second = (table.features["step"].to_numpy() == 2)[rows]
    assert (~is_second).sum() > PARAMETERS["baseline"]["min_samples_leaf"] > 20
    for step, rate in (
        (2.0, table.labels[rows][is_second].mean()),
        (1.0, table.labels[rows][~is_second].mean()),
    ):
        assert models["baseline"].predict(ask(step))[0] == pytest.approx(rate, abs=0.04)
        # Nothing but the step counts.
        assert models["baseline"].predict(ask(step, -5.0, None)) == models["baseline"].predict(ask(step))


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_models_hold_where_a_growing_count_leaves_the_training_range(
    name: str, models, table: FeatureTable
) -> None:
    rows = table.labelled("test")
    predicted = models[name].predict(table.features.iloc[rows])
    is_second = table.features["step"].to_numpy()[rows] == 2
    assert predicted[is_second].mean() == pytest.approx(0.3, abs=0.07)
    assert predicted[~is_second].mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("name", CANDIDATES)
def test_models_take_missing_values_and_values_never_met(name: str, models) -> None:
    for row in (ask(np.nan, np.nan, None), ask(99.0, -1e9, "fridge")):
        [predicted] = models[name].predict(row)
        assert 0 < predicted < 1


def test_the_candidate_with_the_lowest_log_loss_on_validation_comes_first(models) -> None:
    losses = [models[name].validation_log_loss for name in models if name != "baseline"]
    assert losses == sorted(losses) and len(losses) == 3
    assert list(models)[-1] == "baseline"


def test_the_kept_model_is_fitted_on_validation_rows_too() -> None:
    """Only validation knows of a device on which it always happens."""
    rng = np.random.default_rng(1)
    split = np.repeat(["train", "validation", "test"], 2000)
    device = rng.choice(np.array(["a", "b"], object), 6000)

    device[2000:2500] = "c"
    labels = (rng.random(6000) < 0.5).astype(float)
    labels[2000:2500] = 1.0
    table = make_table(
        {"step": rng.normal(size=6000), "count": np.zeros(6000), "device": device},
        labels,
        split,
        candidates={"logistic": {}},
    )
    fitted = fit_models(table, seed=0)["logistic"]
    known, unknown = fitted.predict(ask(0.0, 0.0, "c"))[0], fitted.predict(ask(0.0, 0.0, "a"))[0]
    assert known > unknown + 0.2


def test_boosting_is_refitted_with_the_trees_that_validation_chose(models) -> None:
    assert models["boosting"].parameters["early_stopping"] is False
    trees = models["boosting"].parameters["max_iter"]
    assert 1 <= trees < PARAMETERS["boosting"]["max_iter"]


def test_a_constant_feature_does_no_harm() -> None:
    rng = np.random.default_rng(2)
    step = rng.integers(1, 3, 900).astype(float)
    labels = (rng.random(900) < step / 3).astype(float)
    table = make_table(
        {"step": step, "count": np.full(900, 7.0), "device": np.array(["phone"] * 900, object)},
        labels,
        np.resize(["train", "validation", "test"], 900),
    )
    for fitted in fit_models(table, seed=0).values():
        assert fitted.predict(ask(2.0))[0] > fitted.predict(ask(1.0))[0] + 0.2
