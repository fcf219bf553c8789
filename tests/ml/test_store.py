"""Model files: the same model comes back, and a file that holds anything else is refused."""

import copy
import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skops.io
from tables import make_table
from threadpoolctl import threadpool_limits

from common.errors import UserError
from ml.calibration import Model, pipeline_of
from ml.features import FeatureTable
from ml.fitting import FittedModel, fit_models
from ml.store import load_model, save_model


class Hostile:
    """Would run a command when unpickled."""

    def __reduce__(self):
        return os.system, ("touch run",)


DESCRIPTION = {"numeric": ["x", "y"], "categorical": ["device"], "seed": 42}


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    rng = np.random.default_rng(0)
    x = rng.normal(size=900)
    return make_table(
        {"x": x, "y": rng.normal(size=900), "device": rng.choice(np.array(["tv", "web", None], object), 900)},
        (x + rng.normal(size=900) > 0).astype(float),
        np.resize(["train", "validation", "test"], 900),
        baseline_feature="x",
        candidates={"logistic": {}, "boosting": {}, "forest": {"n_estimators": 10}},
    )


@pytest.fixture(scope="module")
def fitted(table: FeatureTable) -> dict[str, FittedModel]:
    with threadpool_limits(1):
        return fit_models(table, seed=1)


@pytest.fixture(scope="module")
def models(fitted: dict[str, FittedModel]) -> dict[str, Model]:
    return {name: one.model for name, one in fitted.items()}


@pytest.mark.parametrize("name", ["logistic", "boosting", "forest"])
def test_a_loaded_model_predicts_the_same(tmp_path: Path, fitted, table: FeatureTable, name: str) -> None:
    save_model(tmp_path / "models" / "a.skops", fitted[name].model, DESCRIPTION)
    loaded = load_model(tmp_path / "models" / "a.skops")
    features = table.features.copy()
    features.loc[::7, "y"] = np.nan
    features.loc[::5, "device"] = "never met"
    np.testing.assert_array_equal(loaded.predict(features), fitted[name].predict(features))
    assert loaded.description == DESCRIPTION
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["a.skops"]


@pytest.mark.parametrize(
    "planted",
    [Hostile(), os.system, Path("x"), functools.partial(os.system, "touch run")],
    ids=["reduce", "function", "path", "partial"],
)
def test_a_file_with_any_other_type_is_refused(tmp_path: Path, models, planted: object) -> None:
    path = tmp_path / "hostile.skops"
    parts = {"model": models["boosting"], "description": {"x": planted}}
    path.write_bytes(skops.io.dumps(parts))
    with pytest.raises(UserError, match=r"refused, it holds .+: run `python -m ml.train`"):
        load_model(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        skops.io.dumps({"model": 1, "description": DESCRIPTION}),
        skops.io.dumps({"a": 1}),
        skops.io.dumps([1, 2]),
        skops.io.dumps({"a": 1})[:-20],
    ],
    ids=["empty", "text", "other model", "other parts", "other type", "cut short"],
)
def test_a_file_that_is_no_model_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.skops"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged\.skops is no model file"):
        load_model(path)


def change(field: str, value: float, place: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    def change_nodes(nodes: np.ndarray) -> np.ndarray:
        nodes[field][place] = value
        return nodes

    return change_nodes


TAMPERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "left out of range": change("left", 4_000_000_000),
    "right just out of range": lambda nodes: change("right", len(nodes))(nodes),
    "a circle": change("left", 0),
    "feature out of range": change("feature_idx", 3),
    "feature below 0": change("feature_idx", -1),
    "categories that are not there": change("is_categorical", 1),
    "a leaf that splits": change("is_leaf", 0, place=-1),
    "no nodes": lambda nodes: nodes[:0],
    "nodes in two dimensions": lambda nodes: nodes[None],
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_boosted_trees_that_lead_astray_are_refused(tmp_path: Path, models, tamper) -> None:
    """Predicting with them would read beyond the arrays, which ends the process, or never end."""
    changed = copy.deepcopy(models["boosting"])
    tree = pipeline_of(changed)["model"]._predictors[3][0]
    tree.nodes = tamper(tree.nodes)
    save_model(tmp_path / "a.skops", changed, DESCRIPTION)
    with pytest.raises(
        UserError, match=r"a\.skops was refused, its trees lead astray: run `python -m ml.train`"
    ):
        load_model(tmp_path / "a.skops")


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 4_000_000), ("right_child", 0), ("feature", 3), ("feature", -2), ("left_child", -7)],
)
def test_forests_that_lead_astray_are_refused(tmp_path: Path, models, field: str, value: int) -> None:
    changed = copy.deepcopy(models["forest"])
    tree = pipeline_of(changed)["model"].estimators_[2].tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    save_model(tmp_path / "a.skops", changed, DESCRIPTION)
    with pytest.raises(UserError, match=r"a\.skops was refused, its trees lead astray"):
        load_model(tmp_path / "a.skops")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_features_in_", 2),
        ("n_features_in_", None),
        ("_predictors", [[1]]),
        ("is_categorical_", np.ones(3, bool)),
    ],
)
def test_a_model_that_was_tampered_with_is_refused(tmp_path: Path, models, name, value) -> None:
    changed = copy.deepcopy(models["boosting"])
    setattr(pipeline_of(changed)["model"], name, value)
    save_model(tmp_path / "a.skops", changed, DESCRIPTION)
    with pytest.raises(UserError, match=r"a\.skops (was refused|is no model file)"):
        load_model(tmp_path / "a.skops")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model file at .+: run `python -m ml.train`"):
        load_model(tmp_path / "none.skops")


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path: Path, models, monkeypatch) -> None:
    path = tmp_path / "a.skops"
    save_model(path, models["boosting"], DESCRIPTION)
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UserError, match="No space left on device"):
        save_model(path, models["logistic"], DESCRIPTION)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.skops"]
