"""Metrics against scikit-learn, by hand, and intervals against what is known of them."""

from collections.abc import Iterator

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics as reference

from ml.evaluation.calibration_error import CalibrationBins
from ml.evaluation.metrics import (
    MINIMUM_CLUSTERS,
    RESAMPLES,
    ScoredRows,
    compare_with,
    evaluate,
    interval,
)


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


def test_the_calibration_error_of_bins_by_hand() -> None:
    """Ten bins of two rows; in the first, two users of a bin promised 0.1 and 0.1 both have the event."""
    probabilities = np.repeat(np.arange(1, 11) / 10 - 0.05, 2)
    labels = np.tile([0.0, 1.0], 10)
    labels[:2] = 1.0
    error = CalibrationBins(labels, probabilities, np.arange(20), 20).error(np.ones((1, 20)))[0]
    # Bin k: gap 0.5 - p, each of its rows 0.5 from the bin's mean: noise 2 * 0.25 / 4; none in the first bin.
    p = np.arange(2, 11) / 10 - 0.05
    expected = ((0.95**2) + ((0.5 - p) ** 2 - 0.125).sum()) / 10
    assert error == pytest.approx(np.sqrt(expected))


def worlds(error: float, count: int) -> Iterator[tuple[float, float, float]]:
    """Calibration errors with intervals, of probabilities that are `error` too high throughout; rows of a
    user are alike."""
    rng = np.random.default_rng(17)
    for world in range(count):
        truth = np.clip(rng.beta(3, 3, 1500), 0.02, 0.9)
        clusters = np.arange(1500) // 5
        luck = np.repeat(rng.random(300), 5)
        labels = (np.where(rng.random(1500) < 0.3, luck, rng.random(1500)) < truth).astype(float)
        yield interval(evaluate(labels, {"any": truth + error}, clusters, seed=world)["any"]["ece"])


def test_intervals_of_the_calibration_error_hold_the_truth() -> None:
    """With noise left in, they held it in none of a hundred worlds where it is 0."""
    for error in (0.0, 0.08):
        held = [low <= error <= high for _, low, high in worlds(error, 40)]
        assert np.mean(held) >= 0.85
    values = [value for value, _, _ in worlds(0.08, 40)]
    assert np.mean(values) == pytest.approx(0.08, abs=0.005)


def test_slope_and_intercept_equal_those_of_a_logistic_regression(rows) -> None:
    labels, probabilities, clusters = rows
    probabilities = np.clip(probabilities, 0.02, 0.98)
    found = ScoredRows(labels, probabilities, clusters, 40).metrics(np.ones((1, 40)))
    scores = np.log(probabilities / (1 - probabilities))
    line = sm.Logit(labels, sm.add_constant(scores)).fit(disp=0)
    assert found["calibration_slope"][0] == pytest.approx(line.params[1], abs=1e-6)
    shift = sm.GLM(labels, np.ones(400), family=sm.families.Binomial(), offset=scores).fit()
    assert found["calibration_intercept"][0] == pytest.approx(shift.params[0], abs=1e-6)


def test_the_slopes_interval_is_that_of_a_bootstrap_with_refits(rows) -> None:
    labels, probabilities, clusters = rows
    probabilities = np.clip(probabilities, 0.02, 0.98)
    values = evaluate(labels, {"any": probabilities}, clusters, seed=4)["any"]["calibration_slope"]
    scores = np.log(probabilities / (1 - probabilities))
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(200):
        weights = rng.multinomial(40, np.full(40, 1 / 40))[clusters].astype(float)
        model = sm.GLM(labels, sm.add_constant(scores), family=sm.families.Binomial(), freq_weights=weights)
        slopes.append(model.fit().params[1])
    assert np.std(values[1:]) == pytest.approx(np.std(slopes), rel=0.25)


def test_too_few_users_give_no_interval(rows) -> None:
    labels, probabilities, _ = rows
    few = np.arange(400) % (MINIMUM_CLUSTERS - 1)
    value, low, high = interval(evaluate(labels, {"any": probabilities}, few, seed=1)["any"]["roc_auc"])
    assert value > 0.5 and np.isnan(low) and np.isnan(high)
    enough = np.arange(400) % MINIMUM_CLUSTERS
    assert np.isfinite(
        interval(evaluate(labels, {"any": probabilities}, enough, seed=1)["any"]["roc_auc"])
    ).all()


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
    compared = compare_with("oracle", evaluated)["boosting"]
    assert compared["roc_auc_minus_oracle"].shape == (RESAMPLES + 1,)
    _, low, high = interval(compared["log_loss_minus_oracle"])
    _, alone_low, alone_high = interval(evaluated["boosting"]["log_loss"])
    assert high - low < (alone_high - alone_low) / 20
    assert interval(compared["share_of_oracle_gain"])[0] == pytest.approx(1.0, abs=0.02)


def test_resamples_with_one_class_are_left_out_of_the_interval() -> None:
    labels = np.append(np.ones(19), 0.0)
    probabilities = np.append(np.linspace(0.5, 0.9, 19), 0.1)
    values = evaluate(labels, {"any": probabilities}, np.arange(20), seed=0)["any"]["roc_auc"]
    assert np.isnan(values).any()
    assert interval(values) == (1.0, 1.0, 1.0)
