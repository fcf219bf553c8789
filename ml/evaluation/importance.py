"""How much a model's ranking suffers when one feature's values are shuffled."""

import numpy as np
import polars as pl
from sklearn.inspection import permutation_importance

from ml.features import FeatureTable
from ml.fitting import FittedModel

REPEATS = 5
# Held-out rows that are shuffled: more would cost time and hardly narrow the result.
MAXIMUM_ROWS = 5000


def importances(fitted: FittedModel, table: FeatureTable, seed: int) -> pl.DataFrame:
    """How much ROC AUC falls on test rows when one feature's values are shuffled among them.

    Args:
        fitted: to explain; `table`: what it was fitted on; `seed`: of the sample and the shuffles.

    Returns:
        a row a feature: `estimator`, `feature`, mean and standard deviation of the fall over five shuffles,
        on at most 5,000 test rows (Breiman 2001, Random Forests, section 10). Features that stand in for one
        another share the fall.
    """
    rows = table.labelled("test")
    if len(rows) > MAXIMUM_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAXIMUM_ROWS, replace=False))
    features, labels = table.features.iloc[rows], table.labels[rows]
    names = list(features.columns)
    means = deviations = np.zeros(len(names))
    if labels.min() < labels.max():
        falls = permutation_importance(
            fitted.model, features, labels, scoring="roc_auc", n_repeats=REPEATS, random_state=seed
        )
        means, deviations = falls.importances_mean, falls.importances.std(axis=1, ddof=1)
    columns = {"feature": names, "importance_mean": means, "importance_sd": deviations}
    return pl.DataFrame(columns).select(pl.lit(fitted.estimator).alias("estimator"), pl.all())
