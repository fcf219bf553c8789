"""Model files: written whole or not at all, and read without running anything they contain."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

from common.errors import UserError
from common.files import write_whole
from ml.calibration import Isotonic, Sigmoid
from ml.estimators import Calibrated

# The one class of a fitted HistGradientBoostingClassifier that skops doesn't trust by itself. It holds
# arrays of tree nodes.
TRUSTED_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
CALIBRATORS: dict[str, type[Sigmoid] | type[Isotonic]] = {"sigmoid": Sigmoid, "isotonic": Isotonic}


@dataclass(frozen=True)
class StoredModel:
    """A model as its file holds it.

    Attributes:
        model: predicts from a matrix whose columns are `description["feature_names"]`.
        description: run and task, feature names, levels of the categories by code, training window, seed
            and library versions.
    """

    model: Calibrated
    description: dict[str, Any]

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) features to (n,) calibrated probabilities."""
        return self.model.predict(matrix)


def save_model(path: Path, model: Calibrated, description: dict[str, Any]) -> None:
    """Write `model` to `path`, replacing a file of that name only once the new one is complete."""
    parts = {
        "classifier": model.classifier,
        "calibrator": asdict(model.calibrator),
        "description": description,
    }
    try:
        write_whole(path, skops.io.dumps(parts))
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
        calibrator = CALIBRATORS[parts["calibrator"]["method"]](**parts["calibrator"])
        stored = StoredModel(Calibrated(parts["classifier"], calibrator), parts["description"])
    except Exception as error:
        raise not_a_model from error
    if not isinstance(stored.model.classifier, HistGradientBoostingClassifier):
        raise not_a_model
    classifier = stored.model.classifier
    # Compiled code follows the trees and checks nothing: it would read anywhere, or walk in circles.
    try:
        is_sound = _is_sound(classifier)
        if is_sound:
            stored.predict(np.zeros((1, classifier.n_features_in_)))
    except Exception as error:
        raise not_a_model from error
    if not is_sound:
        raise UserError(f"{path} was refused, its trees lead astray: run `python -m ml.train`")
    return stored


def _is_sound(classifier: HistGradientBoostingClassifier) -> bool:
    """Whether every way through every tree ends in a leaf of it, by features that there are."""
    trees = [tree for trees in classifier._predictors for tree in trees]
    return classifier.is_categorical_ is None and all(
        _is_tree(tree.nodes, classifier.n_features_in_) for tree in trees
    )


def _is_tree(nodes: NDArray[np.void], features_count: int) -> bool:
    """Whether all splits of a tree lead on, to later nodes of it, by numbers of features that there are."""
    if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not nodes.size:
        return False
    places = np.flatnonzero(nodes["is_leaf"] == 0)
    splits = nodes[places]
    children, features = np.stack([splits["left"], splits["right"]]), splits["feature_idx"]
    return bool(
        np.all((children > places) & (children < nodes.size))
        and np.all((features >= 0) & (features < features_count))
        and not splits["is_categorical"].any()
    )
