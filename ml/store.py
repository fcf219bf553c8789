"""Model files: written whole or not at all, and read without running anything they contain."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import skops.io
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import NODE_DTYPE, Tree

from common.errors import UserError
from common.files import write_whole
from ml.blocks import to_block
from ml.calibration import Model, pipeline_of
from ml.scorers import scorer_of

# What skops doesn't trust by itself: the trees, which hold arrays of nodes, and the parts of a calibrated
# model.
TRUSTED_TYPES = [
    "ml.broken_lines.BrokenLines",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]


@dataclass(frozen=True)
class StoredModel:
    """A model as its file holds it.

    Attributes:
        model: predicts from a frame with the columns that `description` names.
        description: run, task, source and splitter, numeric and categorical features, seed and library
            versions.
    """

    model: Model
    description: dict[str, Any]

    def predict(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """(n, k) features to (n,) calibrated probabilities."""
        return scorer_of(self.model).predict(to_block(features))


def save_model(path: Path, model: Model, description: dict[str, Any]) -> None:
    """Write `model` to `path`, replacing a file of that name only once the new one is complete."""
    try:
        write_whole(path, skops.io.dumps({"model": model, "description": description}))
    except OSError as error:
        raise UserError(f"can't write the model to {path} ({error.strerror})") from error


def models_folder(warehouse: Path) -> Path:
    """Where the models of a warehouse lie: beside it, in a folder of its name."""
    return warehouse.with_name(f"{warehouse.stem}.models")


def clear_models(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Delete the models that were written by runs which were killed before they wrote their rows.

    Call it with a connection that writes: as long as it is open, no other run can be in between.
    """
    known = {name for (name,) in connection.execute("select model_file from ml.model_runs").fetchall()}
    folder = models_folder(warehouse)
    for path in [*folder.glob("*.skops"), *folder.glob(".*.skops.*")]:
        if str(path.relative_to(warehouse.parent)) not in known:
            path.unlink(missing_ok=True)


def load_model(path: Path) -> StoredModel:
    """Read a model that `save_model` wrote.

    Raises:
        UserError: the file is missing, is no model file, or names any type beyond `TRUSTED_TYPES` and those
            of scikit-learn and NumPy that skops trusts (nothing of such a file is built); or its trees are
            not such as training makes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"no model file at {path}: run `python -m ml.train`") from error
    not_a_model = UserError(f"{path} is no model file of this project: run `python -m ml.train`")
    # A damaged or hostile file can fail to be read in any way; all of them mean the same to the user.
    try:
        strange = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    except Exception as error:
        raise not_a_model from error
    if strange:
        raise UserError(f"{path} was refused, it holds {', '.join(strange)}: run `python -m ml.train`")
    try:
        parts = skops.io.loads(data, trusted=TRUSTED_TYPES)
        stored = StoredModel(parts["model"], parts["description"])
        is_sound = _is_sound(stored.model)
        # Compiled code follows the trees and checks nothing: it would read anywhere, or walk in circles.
        if is_sound:
            stored.predict(_empty_row(stored.description))
    except Exception as error:
        raise not_a_model from error
    if not is_sound:
        raise UserError(f"{path} was refused, its trees lead astray: run `python -m ml.train`")
    return stored


def _empty_row(description: dict[str, Any]) -> pd.DataFrame:
    numbers = {name: np.zeros(1) for name in description["numeric"]}
    texts = {name: np.array([None], object) for name in description["categorical"]}
    return pd.DataFrame(numbers | texts)


def _is_sound(model: Model) -> bool:
    """Whether every way through every tree ends in a leaf of it, by features that there are.

    Raises:
        Exception: of any kind, for what is no pipeline that training makes.
    """
    if not isinstance(model, CalibratedClassifierCV | Pipeline):
        raise TypeError(type(model))
    estimator = pipeline_of(model)["model"]
    if isinstance(estimator, LogisticRegression):
        return True
    features_count = int(estimator.n_features_in_)
    if isinstance(estimator, HistGradientBoostingClassifier):
        trees = [tree for trees in estimator._predictors for tree in trees]
        return estimator.is_categorical_ is None and all(
            _is_boosted_tree(tree.nodes, features_count) for tree in trees
        )
    if isinstance(estimator, RandomForestClassifier):
        return all(_is_tree(one.tree_, features_count) for one in estimator.estimators_)
    raise TypeError(type(estimator))


def _is_boosted_tree(nodes: NDArray[np.void], features_count: int) -> bool:
    if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not nodes.size:
        return False
    places = np.flatnonzero(nodes["is_leaf"] == 0)
    splits = nodes[places]
    children = np.stack([splits["left"], splits["right"]])
    return _leads_on(places, children, splits["feature_idx"], nodes.size, features_count) and not bool(
        splits["is_categorical"].any()
    )


def _is_tree(tree: Tree, features_count: int) -> bool:
    nodes = tree.__getstate__()["nodes"]
    if nodes.dtype != NODE_DTYPE or nodes.ndim != 1 or not nodes.size:
        return False
    places = np.flatnonzero(nodes["left_child"] != -1)
    splits = nodes[places]
    children = np.stack([splits["left_child"], splits["right_child"]])
    is_whole = tree.value.shape[0] == nodes.size == tree.node_count
    return is_whole and _leads_on(places, children, splits["feature"], nodes.size, features_count)


def _leads_on(
    places: NDArray[np.intp], children: NDArray, features: NDArray, nodes_count: int, features_count: int
) -> bool:
    """Whether all splits of a tree lead on, to later nodes of it, by numbers of features that there are."""
    return bool(
        np.all((children > places) & (children < nodes_count))
        and np.all((features >= 0) & (features < features_count))
    )
