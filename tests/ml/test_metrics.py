"""Metrics against scikit-learn, by hand, and intervals against what is known of them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from ml.metrics import RESAMPLES, ScoredRows, compare_with_oracle, evaluate, interval


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with many ties, and clusters of 400 rows."""
    rng = np.random.default_rng(3)
    probabilities = np.round(rng.beta(3, 2, 400), 2)
    labels = (rng.random(400) < probabilities).astype(float)
    return labels, probabilities, rng.integers(0, 40, 400)


@pytest.mark.parametrize("is_weighted", [False, True], ids=["unweighted", "weighted"])
def test_metrics_equal_scikit_learn(rows, is_weighted: bool) -> None:
    labels, probabilities, clusters = rows
    cluster_weights = np.random.default_rng(1).integers(0, 4, 40) if is_weighted else np.ones(40)
    assert not is_weighted or (cluster_weights == 0).any()
    weights = cluster_weights[clusters]
    computed = ScoredRows(labels, probabilities, clusters, 40).metrics(cluster_weights[None, :].astype(float))
    predicted = probabilities >= 0.5
    expected = {
        "roc_auc": reference.roc_auc_score(labels, probabilities, sample_weight=weights),
        "average_precision": reference.average_precision_score(labels, probabilities, sample_weight=weights),
        "accuracy": reference.accuracy_score(labels, predicted, sample_weight=weights),
        "precision": reference.precision_score(labels, predicted, sample_weight=weights),
        "recall": reference.recall_score(labels, predicted, sample_weight=weights),
        "f1": reference.f1_score(labels, predicted, sample_weight=weights),
        "log_loss": reference.log_loss(labels, probabilities, sample_weight=weights),
        "brier": reference.brier_score_loss(labels, probabilities, sample_weight=weights),
        "rmse": reference.root_mean_squared_error(labels, probabilities, sample_weight=weights),
    }
    assert {name: computed[name][0] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_ece_is_the_mean_distance_of_bins_from_the_diagonal() -> None:
    labels = np.array([1.0, 0.0, 1.0, 1.0])
    probabilities = np.array([0.12, 0.18, 0.95, 1.0])
    ece = ScoredRows(labels, probabilities, np.arange(4), 4).metrics(np.ones((1, 4)))["ece"][0]
    # Bin 0.1-0.2: |0.5 - 0.15| over half the rows; bin 0.9-1.0: |1 - 0.975| over the other half.
    assert ece == pytest.approx(0.5 * 0.35 + 0.5 * 0.025)


def test_precision_and_f1_are_zero_when_nothing_is_predicted_positive() -> None:
    computed = ScoredRows(np.array([1.0, 0.0]), np.array([0.2, 0.1]), np.arange(2), 2).metrics(
        np.ones((1, 2))
    )
    assert (computed["precision"][0], computed["recall"][0], computed["f1"][0]) == (0.0, 0.0, 0.0)


def test_intervals_widen_with_the_likeness_of_a_users_rows() -> None:
    rng = np.random.default_rng(5)
    users, views, rate = 400, 10, 0.7
    clusters = np.repeat(np.arange(users), views)
    alike = np.repeat((rng.random(users) < rate).astype(float), views)
    probabilities = {"any": np.full(users * views, rate)}
    _, low, high = interval(evaluate(alike, probabilities, clusters, seed=1)["any"]["base_rate"])
    share = alike.mean()
    expected_width = 2 * 1.96 * np.sqrt(share * (1 - share) / users)
    assert high - low == pytest.approx(expected_width, rel=0.15)


def test_intervals_cover_the_true_rate_about_95_times_in_100() -> None:
    rng = np.random.default_rng(11)
    clusters = np.repeat(np.arange(60), 3)
    covered = 0
    for world in range(100):
        user_rates = np.repeat(rng.beta(4, 2, 60), 3)
        labels = (rng.random(180) < user_rates).astype(float)
        values = evaluate(labels, {"any": np.full(180, 0.5)}, clusters, seed=world)["any"]["base_rate"]
        _, low, high = interval(values)
        covered += low <= 4 / 6 <= high
    assert 88 <= covered <= 100


def test_differences_are_paired_within_resamples(rows) -> None:
    labels, probabilities, clusters = rows
    nearly = np.clip(probabilities + 0.001, 0, 1)
    evaluated = evaluate(
        labels, {"baseline": np.full(400, 0.6), "boosting": nearly, "oracle": probabilities}, clusters, seed=2
    )
    compared = compare_with_oracle(evaluated)["boosting"]
    assert compared["roc_auc_minus_oracle"].shape == (RESAMPLES + 1,)
    _, low, high = interval(compared["log_loss_minus_oracle"])
    _, alone_low, alone_high = interval(evaluated["boosting"]["log_loss"])
    assert high - low < (alone_high - alone_low) / 20
    assert interval(compared["share_of_oracle_gain"])[0] == pytest.approx(1.0, abs=0.02)


def test_resamples_with_one_class_are_left_out_of_the_interval() -> None:
    labels = np.array([1.0, 1.0, 0.0])
    values = evaluate(labels, {"any": np.array([0.9, 0.8, 0.1])}, np.arange(3), seed=0)["any"]["roc_auc"]
    assert np.isnan(values).any()
    assert interval(values) == (1.0, 1.0, 1.0)
