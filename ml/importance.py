"""What the chosen model leans on, and whether one feature alone gives the label away."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from ml.estimators import ProbabilityModel
from ml.features import FeatureTable
from ml.tasks import Task

REPEATS = 5
# Held-out rows that are shuffled: more would cost time and hardly narrow the result.
MAX_ROWS = 5000
# A feature that ranks the labels this well by itself does not predict them, it contains them.
CIRCULAR_ROC_AUC = 0.9999


def permutation_importance(
    model: ProbabilityModel, task: Task, table: FeatureTable, seed: int
) -> dict[str, tuple[float, float]]:
    """How much ROC AUC falls on test rows when one feature's values are shuffled among them.

    Args:
        model: to explain; `task`, `table`: what it was fitted on; `seed`: of the sample and the shuffles.

    Returns:
        feature -> mean and standard deviation (n - 1) of the fall over five shuffles, on at most 5,000
        test rows (Breiman 2001, Random Forests, section 10). Features that stand in for one another share
        the fall.
    """
    generator = np.random.default_rng(seed)
    rows = table.labelled("test")
    if len(rows) > MAX_ROWS:
        rows = np.sort(generator.choice(rows, MAX_ROWS, replace=False))
    matrix, labels = table.matrix[rows], table.labels[rows]
    if labels.min() == labels.max():
        return dict.fromkeys(task.features, (0.0, 0.0))
    unshuffled = roc_auc_score(labels, model.predict(matrix))
    falls = {}
    for column, name in enumerate(
        tqdm(task.features, desc="importance", unit="feature", disable=None, leave=False)
    ):
        orders = [generator.permutation(len(rows)) for _ in range(REPEATS)]
        shuffled = np.tile(matrix, (REPEATS, 1))
        shuffled[:, column] = np.concatenate([matrix[order, column] for order in orders])
        scores = model.predict(shuffled).reshape(REPEATS, -1)
        losses = [unshuffled - roc_auc_score(labels, row) for row in scores]
        falls[name] = (float(np.mean(losses)), float(np.std(losses, ddof=1)))
    return falls


def circular_features(task: Task, table: FeatureTable) -> list[str]:
    """Features that alone rank the test labels with a ROC AUC of at least 0.9999, in either direction.

    Missing values are tried as the lowest and as the highest value.
    """
    rows = table.labelled("test")
    labels = table.labels[rows]
    found = []
    for column, name in enumerate(task.features):
        values = table.matrix[rows, column]
        if max(_separation(values, labels, fill) for fill in (-np.inf, np.inf)) >= CIRCULAR_ROC_AUC:
            found.append(name)
    return found


def _separation(values: NDArray[np.float64], labels: NDArray[np.float64], fill: float) -> float:
    """ROC AUC of (n,) values as a score, or of their reverse; NaN counts as `fill`."""
    ranks = np.unique(np.where(np.isnan(values), fill, values), return_inverse=True)[1]
    roc_auc = roc_auc_score(labels, ranks)
    return float(max(roc_auc, 1 - roc_auc))
