"""What each feature adds to a row's log odds: SHAP values (Lundberg and Lee 2017), exact."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from ml.broken_lines import BrokenLines
from ml.calibration import Model, pipeline_of
from ml.evaluation.calibration_error import log_odds
from ml.evaluation.tree_shapley import Boxes, boosted_nodes, boxes_of, forest_nodes, shapley_values
from ml.features import FeatureTable
from ml.fitting import FittedModel

MAXIMUM_ROWS = 500
# Sides of the trees' boxes times rows: bounds the seconds that a large forest takes.
MAXIMUM_WORK = 5e7
# A forest's probabilities are kept this far from 0 and 1: beyond, its votes can't tell one log odds from
# another, and infinity adds up to nothing.
SMALLEST_VOTE = 0.001

Floats = NDArray[np.float64]


def shap_values(fitted: FittedModel, table: FeatureTable, seed: int) -> pl.DataFrame:
    """SHAP values of a sample of test rows.

    Args:
        fitted: to explain; `table`: what it was fitted on; `seed`: of the sample.

    Returns:
        columns of `explain_rows`, with `entity_id` for `row`, of at most 500 labelled test rows; fewer where
        trees are many and large.
    """
    model = pipeline_of(fitted.model)["model"]
    work = 1 if isinstance(model, LogisticRegression) else max(1, len(_boxes(model).feature))
    count = int(min(MAXIMUM_ROWS, max(1, MAXIMUM_WORK // work)))
    rows = table.labelled("test")
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    explained = explain_rows(fitted.model, table.features.iloc[rows], table.task.groups)
    entities = table.rows["entity_id"].gather(rows)
    return explained.select(entities.gather(explained["row"]).alias("entity_id"), pl.exclude("row"))


def explain_rows(model: Model, features: pd.DataFrame, groups: Mapping[str, str]) -> pl.DataFrame:
    """Why rows got their log odds, before calibration. The model is all that is needed to tell.

    Args:
        model: as fitted, or as read from its file.
        features: (m, k) frame with the columns that the model takes.
        groups: name -> prefix of the features that are told as one (`Task.groups`).

    Returns:
        a row per row of `features` and feature, in their order: `row` (0 to m - 1), `feature`,
        `feature_value` (text; null where missing; of a group, those of its features that are not 0),
        `shap_value` in log odds, and `expected_log_odds`, the model's mean over its training rows. A row's
        values and that mean add up to its log odds. A feature that the model does not use has 0.

    Of a logistic regression, features are independent (Štrumbelj and Kononenko 2014). Of trees, one outside
    the coalition follows the training rows down the path (Lundberg et al. 2020); of a forest, which adds up
    probabilities, the parts of the probability are scaled so that they add up to its log odds (the
    generalised rescale rule; Chen, Lundberg and Lee 2022), kept between those of 0.001 and 0.999.
    """
    pipeline = pipeline_of(model)
    values, expected = _encoded_values(pipeline, features)
    owners = _owners(_columns_of(pipeline))
    names = _told_as(list(features.columns), groups)
    places = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    of_feature = np.zeros((len(owners), len(places)))
    of_feature[np.arange(len(owners)), [places[names[owner]] for owner in owners]] = 1.0
    told = pl.DataFrame({name: _texts(features, name, names, groups) for name in places})
    shape = (len(features), len(places))
    return pl.DataFrame(
        {
            "row": np.repeat(np.arange(shape[0]), shape[1]),
            "feature": list(places) * shape[0],
            "feature_value": [value for row in told.rows() for value in row],
            "shap_value": (values @ of_feature).ravel(),
        },
        schema_overrides={"feature": pl.String, "feature_value": pl.String},
    ).with_columns(expected_log_odds=pl.lit(expected))


def _encoded_values(pipeline: Pipeline, features: pd.DataFrame) -> tuple[Floats, float]:
    """(m, c) SHAP values of the encoded columns in log odds, and the expected log odds."""
    model = pipeline["model"]
    matrix = np.asarray(pipeline["encode"].transform(features), np.float64)
    if isinstance(model, LogisticRegression):
        # The encoder ends in a scaler: each column has a mean of 0 over the training rows.
        return matrix * model.coef_[0], float(model.intercept_[0])
    boxes = _boxes(model)
    if isinstance(model, RandomForestClassifier):
        # A forest sees single precision.
        parts = shapley_values(boxes, matrix.astype(np.float32).astype(np.float64))
        return _in_log_odds(parts, boxes.expected)
    return shapley_values(boxes, matrix), boxes.expected


def _boxes(model: object) -> Boxes:
    nodes_of = forest_nodes if isinstance(model, RandomForestClassifier) else boosted_nodes
    return boxes_of(nodes_of(model))


def _in_log_odds(parts: Floats, expected: float) -> tuple[Floats, float]:
    """Parts of a probability, scaled to add up to its log odds less those of the expected one."""

    def bounded(probabilities: Floats) -> Floats:
        return log_odds(np.clip(probabilities, SMALLEST_VOTE, 1 - SMALLEST_VOTE))

    [start] = bounded(np.array([expected]))
    way = parts.sum(axis=1)
    is_still = np.abs(way) < 1e-9
    slope_at_start = 1 / (expected * (1 - expected)) if 0 < expected < 1 else 0.0
    slope = np.where(is_still, slope_at_start, (bounded(expected + way) - start) / np.where(is_still, 1, way))
    return parts * slope[:, None], float(start)


def _columns_of(pipeline: Pipeline) -> ColumnTransformer:
    encode = pipeline["encode"]
    return encode if isinstance(encode, ColumnTransformer) else encode[0]


def _owners(columns: ColumnTransformer) -> list[str]:
    """Of each encoded column, the feature that it was made of."""
    owners: list[str] = []
    for block, step, names in columns.transformers_:
        if block == "remainder" or not len(names):
            continue
        if isinstance(step, BrokenLines):
            owners += [names[place] for place in (*step.features_, *step.flagged_)]
        elif isinstance(step, OneHotEncoder):
            owners += [name for name, levels in zip(names, step.categories_, strict=True) for _ in levels]
        else:
            owners += names
    return owners


def _told_as(features: list[str], groups: Mapping[str, str]) -> dict[str, str]:
    """Feature -> the group that it is told in, or itself."""
    return {
        name: next((group for group, prefix in groups.items() if name.startswith(prefix)), name)
        for name in features
    }


def _texts(
    features: pd.DataFrame, name: str, names: Mapping[str, str], groups: Mapping[str, str]
) -> list[str | None]:
    """The values of a feature or group, as text."""
    members = [member for member, told_as in names.items() if told_as == name]
    if name not in groups:
        return [_text(value) for value in features[name]]
    is_set = features[members].fillna(0).to_numpy(np.float64) != 0
    short = np.array([member.removeprefix(groups[name]) for member in members], object)
    return [", ".join(short[row]) or "none" for row in is_set]


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return None if pd.isna(value) else f"{value:.7g}"
