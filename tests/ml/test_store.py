"""Model files: the same model comes back, and a file that holds anything else is refused."""

import copy
import functools
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from common.errors import UserError
from ml.calibration import Calibrator, Isotonic, Sigmoid
from ml.estimators import Calibrated
from ml.store import load_model, save_model


class Hostile:
    """Would run a command when unpickled."""

    def __reduce__(self):
        return os.system, ("touch run",)


@pytest.fixture(scope="module")
def classifier() -> HistGradientBoostingClassifier:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 3))
    with threadpool_limits(1):
        return HistGradientBoostingClassifier(max_iter=20).fit(matrix, matrix[:, 0] > 0)


@pytest.mark.parametrize(
    "calibrator",
    [Sigmoid(0.9, -0.1), Isotonic(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.4, 0.9]))],
    ids=["sigmoid", "isotonic"],
)
def test_a_loaded_model_predicts_the_same(tmp_path: Path, classifier, calibrator: Calibrator) -> None:
    model = Calibrated(classifier, calibrator)
    save_model(tmp_path / "models" / "a.skops", model, {"feature_names": ["x", "y", "z"], "seed": 42})
    loaded = load_model(tmp_path / "models" / "a.skops")
    matrix = np.random.default_rng(1).normal(size=(1000, 3))
    matrix[::7, 1] = np.nan
    np.testing.assert_array_equal(loaded.predict(matrix), model.predict(matrix))
    assert loaded.description == {"feature_names": ["x", "y", "z"], "seed": 42}
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["a.skops"]


@pytest.mark.parametrize(
    "planted",
    [Hostile(), os.system, Path("x"), functools.partial(os.system, "touch run")],
    ids=["reduce", "function", "path", "partial"],
)
def test_a_file_with_any_other_type_is_refused(tmp_path: Path, classifier, planted: object) -> None:
    path = tmp_path / "hostile.skops"
    parts = {"classifier": classifier, "calibrator": {"method": "sigmoid"}, "description": {"x": planted}}
    path.write_bytes(skops.io.dumps(parts))
    with pytest.raises(UserError, match=r"refused, it holds .+: run `python -m ml.train`"):
        load_model(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        skops.io.dumps({"classifier": 1, "calibrator": asdict(Sigmoid(1.0, 0.0)), "description": {}}),
        skops.io.dumps({"a": 1}),
        skops.io.dumps([1, 2]),
        skops.io.dumps({"a": 1})[:-20],
    ],
    ids=["empty", "text", "other classifier", "other parts", "other type", "cut short"],
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
def test_trees_that_lead_astray_are_refused(tmp_path: Path, classifier, tamper) -> None:
    """Predicting with them would read beyond the arrays, which ends the process, or never end."""
    changed = copy.deepcopy(classifier)
    tree = changed._predictors[3][0]
    tree.nodes = tamper(tree.nodes)
    save_model(tmp_path / "a.skops", Calibrated(changed, Sigmoid(1.0, 0.0)), {})
    with pytest.raises(
        UserError, match=r"a\.skops was refused, its trees lead astray: run `python -m ml.train`"
    ):
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
def test_a_classifier_that_was_tampered_with_is_refused(tmp_path: Path, classifier, name, value) -> None:
    changed = copy.deepcopy(classifier)
    setattr(changed, name, value)
    save_model(tmp_path / "a.skops", Calibrated(changed, Sigmoid(1.0, 0.0)), {})
    with pytest.raises(UserError, match=r"a\.skops (was refused|is no model file)"):
        load_model(tmp_path / "a.skops")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model file at .+: run `python -m ml.train`"):
        load_model(tmp_path / "none.skops")


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path: Path, classifier, monkeypatch) -> None:
    path = tmp_path / "a.skops"
    save_model(path, Calibrated(classifier, Sigmoid(1.0, 0.0)), {})
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UserError, match="No space left on device"):
        save_model(path, Calibrated(classifier, Sigmoid(2.0, 0.0)), {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.skops"]
