"""Model files: written whole or not at all, and read without running anything they contain."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from common.errors import UserError
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
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(skops.io.dumps(parts))
        unfinished.replace(path)
    except OSError as error:
        raise UserError(f"can't write the model to {path} ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)


def load_model(path: Path) -> StoredModel:
    """Read a model that `save_model` wrote.

    Raises:
        UserError: the file is missing, is no model file, or names any type beyond `TRUSTED_TYPES` and those
            of scikit-learn and NumPy that skops trusts. Nothing of such a file is built.
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
    return stored
