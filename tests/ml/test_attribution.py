"""SHAP values against their definition: every coalition of features, walked tree by tree."""

from collections.abc import Callable
from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from tables import make_table

from ml.calibration import calibrate, method_of, scores_of
from ml.evaluation.attribution import explain_rows, shap_values
from ml.evaluation.tree_shapley import boosted_nodes, boxes_of, forest_nodes, shapley_values
from ml.features import FeatureTable
from ml.fitting import FittedModel
from ml.pipelines import make_pipeline_of
from ml.store import load_model, save_model

ESTIMATORS = ("logistic", "boosting", "forest")
SMALL = {"boosting": {"max_iter": 20}, "forest": {"n_estimators": 12}}


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """1,200 rows: numbers with missing values, text, a multi-hot pair, and one feature without values."""
    rng = np.random.default_rng(0)
    known = np.float32(rng.normal(size=(1200, 2))).astype(float)
    level = np.where(rng.random(1200) < 0.2, np.nan, known[:, 0])
    device = rng.choice(["phone", "tv", "web"], 1200).astype(object)
    genres = rng.integers(0, 2, (1200, 2)).astype(float)
    log_odds = np.nan_to_num(level, nan=0.7) * (1 + genres[:, 0]) + known[:, 1] - (device == "phone")
    device[rng.random(1200) < 0.1] = None
    return make_table(
        {
            "level": level,
            "other": known[:, 1],
            "genre_drama": genres[:, 0],
            "empty": np.full(1200, np.nan),
            "genre_music": genres[:, 1],
            "device": device,
        },
        (rng.random(1200) < 1 / (1 + np.exp(-log_odds))).astype(float),
        np.repeat(["train", "validation", "test"], [700, 200, 300]),
        groups={"genre": "genre_"},
    )


@pytest.fixture(scope="module")
def pipelines(table: FeatureTable) -> dict[str, Pipeline]:
    fitted = {}
    for name in ESTIMATORS:
        pipeline = make_pipeline_of(name, table, {"early_stopping": False} if name == "boosting" else {}, 1)
        pipeline["model"].set_params(**SMALL.get(name, {}))
        train = table.labelled("train")
        fitted[name] = pipeline.fit(table.features.iloc[train], table.labels[train])
    return fitted


def by_definition(value: Callable[[frozenset], float], players: int) -> np.ndarray:
    """Shapley values (1953) of a game, from all its coalitions."""
    values = np.zeros(players)
    for player in range(players):
        others = [one for one in range(players) if one != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - 1 - size) / factorial(players)
            for coalition in map(frozenset, combinations(others, size)):
                values[player] += weight * (value(coalition | {player}) - value(coalition))
    return values


def expected_value(tree: dict[str, np.ndarray], row: np.ndarray, known: frozenset, node: int = 0) -> float:
    """Of one tree when only some features are known (Lundberg et al. 2020, algorithm 1)."""
    left, right = int(tree["left"][node]), int(tree["right"][node])
    if tree["is_leaf"][node]:
        return float(tree["value"][node])
    feature = int(tree["feature"][node])
    if feature in known:
        goes_left = row[feature] <= tree["threshold"][node]
        if np.isnan(row[feature]):
            goes_left = tree["missing_left"][node]
        return expected_value(tree, row, known, left if goes_left else right)
    parts = [tree["cover"][child] * expected_value(tree, row, known, child) for child in (left, right)]
    return float(sum(parts) / tree["cover"][node])


def trees_of(model: HistGradientBoostingClassifier | RandomForestClassifier) -> list[dict[str, np.ndarray]]:
    """What scikit-learn holds of each tree."""
    if isinstance(model, HistGradientBoostingClassifier):
        names = {"feature": "feature_idx", "threshold": "num_threshold", "missing_left": "missing_go_to_left"}
        names |= {"cover": "count"} | {name: name for name in ("left", "right", "is_leaf", "value")}
        return [{ours: tree.nodes[name] for ours, name in names.items()} for [tree] in model._predictors]
    return [
        {
            "left": one.tree_.children_left,
            "right": one.tree_.children_right,
            "is_leaf": one.tree_.children_left < 0,
            "feature": one.tree_.feature,
            "threshold": one.tree_.threshold,
            "missing_left": one.tree_.missing_go_to_left,
            "cover": one.tree_.weighted_n_node_samples,
            "value": one.tree_.value[:, 0, 1] / len(model.estimators_),
        }
        for one in model.estimators_
    ]


@pytest.mark.parametrize("estimator", ["boosting", "forest"])
def test_values_of_trees_are_those_of_every_coalition(pipelines, table: FeatureTable, estimator: str) -> None:
    encode, model = pipelines[estimator]["encode"], pipelines[estimator]["model"]
    matrix = encode.transform(table.features.iloc[900:908])
    matrix[0, 0], matrix[1, 1] = np.nan, 1e30
    matrix[2] = np.nan
    nodes = boosted_nodes(model) if estimator == "boosting" else forest_nodes(model)
    boxes = boxes_of(nodes)
    found = shapley_values(boxes, matrix)
    trees = trees_of(model)
    # Paths that ask one feature several times are among them.
    assert any(np.unique(tree["feature"], return_counts=True)[1].max() > 1 for tree in trees)
    for row, values in zip(matrix, found, strict=True):
        expected = by_definition(
            lambda known, row=row: sum(expected_value(tree, row, known) for tree in trees), matrix.shape[1]
        )
        assert values == pytest.approx(expected, abs=1e-12)
    nothing_known = sum(expected_value(tree, matrix[0], frozenset()) for tree in trees)
    assert boxes.expected == pytest.approx(nothing_known + nodes.constant, abs=1e-12)


def test_values_of_one_tree_by_hand() -> None:
    """Half the rows are above 0 in a; of those, half are above 0 in b, and they alone have label 1."""
    a, b = np.array([-1.0, -1, 1, 1] * 100), np.array([-1.0, 1, -1, 1] * 100)
    model = RandomForestClassifier(n_estimators=1, bootstrap=False, max_features=None, random_state=0)
    model.fit(np.column_stack([a, b]), (a > 0) & (b > 0))
    boxes = boxes_of(forest_nodes(model))
    # Known alone, either makes 1/4 to 1/2, and both 1: 1/2 (1/4 + 1/2) each.
    assert boxes.expected == pytest.approx(0.25)
    assert shapley_values(boxes, np.array([[1.0, 1.0]])) == pytest.approx(np.array([[0.375, 0.375]]))
    # a makes 1/4 to 1/2, b to 0: 1/2 (1/4 + 0 - 0) and 1/2 (-1/4 - 1/2).
    assert shapley_values(boxes, np.array([[1.0, -1.0]])) == pytest.approx(np.array([[0.125, -0.375]]))


def test_trees_without_a_split_give_nothing_to_anything() -> None:
    model = RandomForestClassifier(n_estimators=3, max_depth=1, random_state=0)
    model.fit(np.zeros((40, 2)), np.arange(40) % 2)
    boxes = boxes_of(forest_nodes(model))
    assert (shapley_values(boxes, np.zeros((2, 2))) == 0).all()
    assert boxes.expected == pytest.approx(model.predict_proba(np.zeros((1, 2)))[0, 1])


def wide(explained: pl.DataFrame) -> pl.DataFrame:
    return explained.pivot("feature", index="row", values="shap_value").drop("row")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parts_add_up_to_the_log_odds_of_the_pipeline(pipelines, table, estimator: str) -> None:
    features = table.features.iloc[900:]
    explained = explain_rows(pipelines[estimator], features, table.task.groups)
    sums = explained.group_by("row", maintain_order=True).agg(
        pl.col("shap_value").sum() + pl.col("expected_log_odds").first()
    )
    probabilities = np.clip(pipelines[estimator].predict_proba(features)[:, 1], 0.001, 0.999)
    assert sums["shap_value"].to_numpy() == pytest.approx(
        np.log(probabilities / (1 - probabilities)), abs=1e-10
    )


def test_logistic_parts_are_what_a_feature_changes_on_average(pipelines, table: FeatureTable) -> None:
    """The log odds less their mean with that feature's value taken from each training row in turn."""
    train = table.features.iloc[table.labelled("train")]
    rows = table.features.iloc[900:905]
    pipeline = pipelines["logistic"]
    found = wide(explain_rows(pipeline, rows, {}))
    assert found.columns == list(table.features.columns)
    for place in range(len(rows)):
        row = rows.iloc[[place]]
        at_row = pipeline.decision_function(row)[0]
        for name in found.columns:
            exchanged = pd.concat([row] * len(train), ignore_index=True)
            exchanged[name] = train[name].reset_index(drop=True)
            expected = at_row - pipeline.decision_function(exchanged).mean()
            assert found[name][place] == pytest.approx(expected, abs=1e-9), name


def test_a_group_is_told_as_one_by_the_names_of_what_is_set(pipelines, table: FeatureTable) -> None:
    features = table.features.iloc[900:904].copy()
    features[["genre_drama", "genre_music"]] = [[1, 1], [0, 1], [0, 0], [np.nan, 1]]
    apart = explain_rows(pipelines["boosting"], features, {})
    together = explain_rows(pipelines["boosting"], features, table.task.groups)
    assert together["feature"].unique(maintain_order=True).to_list() == [
        "level",
        "other",
        "genre",
        "empty",
        "device",
    ]
    genre = together.filter(feature="genre")
    assert genre["feature_value"].to_list() == ["drama, music", "music", "none", "music"]
    summed = wide(apart).select(pl.sum_horizontal("genre_drama", "genre_music")).to_series()
    assert genre["shap_value"].to_numpy() == pytest.approx(summed.to_numpy(), abs=1e-12)
    assert summed.abs().max() > 0.01


def test_values_are_told_as_text_and_an_unused_feature_has_no_part(pipelines, table: FeatureTable) -> None:
    features = table.features.iloc[900:902].copy()
    features["level"], features["other"] = [np.nan, 0.1], [3.0, -0.25]
    features["device"] = pd.Series([None, "console"], features.index, dtype=object)
    for estimator in ESTIMATORS:
        explained = explain_rows(pipelines[estimator], features, table.task.groups)
        told = explained.pivot("feature", index="row", values="feature_value")
        assert told["level"].to_list() == [None, "0.1"]
        assert told["other"].to_list() == ["3", "-0.25"]
        assert told["device"].to_list() == [None, "console"]
        assert explained.filter(feature="empty")["shap_value"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_read_from_its_file_is_explained_by_itself(
    pipelines, table: FeatureTable, estimator: str, tmp_path: Path
) -> None:
    """Calibrated, too: the curve is no part of the explanation."""
    validation = table.labelled("validation")
    features = table.features.iloc[validation]
    scores = scores_of(pipelines[estimator], features)
    model = calibrate(pipelines[estimator], scores, table.labels[validation])
    assert method_of(model) == "sigmoid"
    description = {"numeric": list(table.task.numeric), "categorical": list(table.task.categorical)}
    save_model(tmp_path / "model.skops", model, description)
    stored = load_model(tmp_path / "model.skops")
    expected = explain_rows(pipelines[estimator], features, table.task.groups)
    assert explain_rows(stored.model, features, table.task.groups).equals(expected)
    alone = explain_rows(stored.model, features.iloc[[7]], table.task.groups)
    assert alone.drop("row", "shap_value").equals(expected.filter(row=7).drop("row", "shap_value"))
    assert alone["shap_value"].to_numpy() == pytest.approx(
        expected.filter(row=7)["shap_value"].to_numpy(), abs=1e-12
    )


def test_a_sample_of_test_rows_is_explained(pipelines, table: FeatureTable, monkeypatch) -> None:
    monkeypatch.setattr("ml.evaluation.attribution.MAXIMUM_ROWS", 40)
    fitted = FittedModel("logistic", pipelines["logistic"], {}, 0.5)
    first, again, other = (shap_values(fitted, table, seed) for seed in (1, 1, 2))
    entities = first["entity_id"].unique(maintain_order=True).to_list()
    assert len(entities) == 40
    assert set(entities) <= {str(number) for number in range(900, 1200)}
    assert first.equals(again)
    assert not first.equals(other)
    row = int(entities[3])
    alone = explain_rows(pipelines["logistic"], table.features.iloc[[row]], table.task.groups)
    explained = first.filter(entity_id=entities[3])
    assert explained["shap_value"].to_numpy() == pytest.approx(alone["shap_value"].to_numpy())
    assert explained["feature_value"].to_list() == alone["feature_value"].to_list()
    assert first.columns == ["entity_id", "feature", "feature_value", "shap_value", "expected_log_odds"]
