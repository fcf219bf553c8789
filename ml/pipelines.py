"""The estimators as pipelines of scikit-learn, from the columns of a feature mart to probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ml.broken_lines import BrokenLines
from ml.features import FeatureTable

LOGISTIC_PARAMETERS = {"C": 0.1, "max_iter": 500}
# Small trees: on simulated logs, larger ones fit no better on later rows.
BOOSTING_PARAMETERS = {
    "learning_rate": 0.1,
    "max_iter": 500,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 60,
    "l2_regularization": 2.0,
    "early_stopping": True,
    "n_iter_no_change": 10,
}
FOREST_PARAMETERS = {"n_estimators": 200, "min_samples_leaf": 10, "max_features": "sqrt"}
# Bands of the baseline's one feature, and training rows in each at least.
BASELINE_PARAMETERS = {"max_leaf_nodes": 8, "min_samples_leaf": 100}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "baseline": BASELINE_PARAMETERS,
    "logistic": LOGISTIC_PARAMETERS,
    "boosting": BOOSTING_PARAMETERS,
    "forest": FOREST_PARAMETERS,
}


def make_pipeline_of(
    estimator: str, table: FeatureTable, parameters: Mapping[str, Any], seed: int
) -> Pipeline:
    """An estimator that was not fitted yet.

    Args:
        estimator: 'baseline', 'logistic', 'boosting' or 'forest'.
        table: whose columns it reads; the levels of its categories are learnt from its training rows.
        parameters: of the estimator; what is not named is as in `PARAMETERS`.
        seed: of whatever is random in it.

    Returns:
        steps `encode` and `model`; takes frames with the columns of `table.features`.
    """
    settings = {**PARAMETERS[estimator], **parameters}
    encode = {"baseline": _one_column, "logistic": _broken_lines}.get(estimator, _ordered_codes)(table)
    model: ClassifierMixin
    if estimator == "baseline":
        # The training rate in bands of one feature.
        model = DecisionTreeClassifier(random_state=seed, **settings)
    elif estimator == "logistic":
        model = LogisticRegression(random_state=seed, **settings)
    elif estimator == "boosting":
        # Gradient-boosted trees (Ke et al. 2017). Missing values go where the loss is lower.
        model = HistGradientBoostingClassifier(random_state=seed, **settings)
    else:
        model = RandomForestClassifier(random_state=seed, **settings)
    return Pipeline([("encode", encode), ("model", model)])


def _one_column(table: FeatureTable) -> ColumnTransformer:
    name = table.task.baseline_feature
    return ColumnTransformer(
        [("numeric", "passthrough", [name] if name in table.numeric else table.numeric[:1])]
    )


def _broken_lines(table: FeatureTable) -> Pipeline:
    """A broken line a number, one column a category."""
    columns = ColumnTransformer(
        [
            ("numeric", BrokenLines(), table.numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False), table.categorical),
        ]
    )
    return make_pipeline(columns, StandardScaler())


def _ordered_codes(table: FeatureTable) -> ColumnTransformer:
    """Categories as codes in the order of their training rate, so that trees may treat them as numbers.

    With a binary label, the best split of the values into two groups is a cut of this order (Breiman et al.
    1984, Classification and Regression Trees, theorem 4.5). Values that training never met are missing.
    """
    codes = OrdinalEncoder(
        categories=[table.levels(name) for name in table.categorical],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    return ColumnTransformer(
        [("numeric", "passthrough", table.numeric), ("categorical", codes, table.categorical)]
    )
