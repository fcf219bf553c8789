"""BG/NBD against its paper, integrals done by brute force, and users drawn from it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from common.errors import UserError
from ml.bg_nbd import BgNbd, _log_likelihood, fit_bg_nbd

# What the paper fits to CDNOW, in weeks.
CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, users=2357, log_likelihood=-9582.4)
HISTORIES = [(0, 0.0, 38.86), (1, 3.0, 30.0), (2, 30.43, 38.86), (7, 5.0, 38.0), (29, 35.0, 36.0)]


def integral(model: BgNbd, weigh: Callable[[NDArray, NDArray], NDArray]) -> float:
    """Of `weigh`(rate, leaving) over both priors, each by its quantiles: densities have no bound near 0."""
    nodes, weights = np.polynomial.legendre.leggauss(600)
    quantiles, weights = (nodes + 1) / 2, weights / 2
    rate = stats.gamma(model.r, scale=1 / model.alpha).ppf(quantiles)
    leaving = stats.beta(model.a, model.b).ppf(quantiles)
    return float(weights @ weigh(rate[:, None], leaving[None, :]) @ weights)


def never_left(x: int, t: float) -> Callable[[NDArray, NDArray], NDArray]:
    return lambda rate, p: (1 - p) ** x * rate**x * np.exp(-rate * t)


def likelihood(x: int, t_x: float, t: float) -> Callable[[NDArray, NDArray], NDArray]:
    there = never_left(x, t)
    return lambda rate, p: (
        there(rate, p) + (p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x) if x else 0.0)
    )


@pytest.mark.parametrize(("x", "t_x", "t"), HISTORIES[:4])
def test_likelihood_alive_and_expectation_are_those_of_integrals_by_brute_force(
    x: int, t_x: float, t: float
) -> None:
    total = integral(CDNOW, likelihood(x, t_x, t))
    there = never_left(x, t)
    alive = integral(CDNOW, there)
    # Given rate and leaving: the times until the one after which the user leaves, within 39 weeks.
    returns = integral(CDNOW, lambda rate, p: there(rate, p) * -np.expm1(-rate * p * 39) / p)
    parameters = np.array([CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b])
    value, _ = _log_likelihood(parameters, *(np.array([float(one)]) for one in (x, t_x, t)), np.array([1]))
    assert value == pytest.approx(np.log(total), abs=2e-4)
    assert CDNOW.p_alive(x, t_x, t)[0] == pytest.approx(alive / total, rel=1e-3)
    assert CDNOW.expected_returns(39, x, t_x, t)[0] == pytest.approx(returns / total, rel=1e-3)


def test_the_papers_worked_example() -> None:
    """Customer 1 of its spreadsheet: 2 repeat purchases, the last in week 30.43 of 38.86; 39 weeks ahead."""
    assert CDNOW.expected_returns(39, 2, 30.43, 38.86)[0] == pytest.approx(1.226, abs=0.001)


def test_the_slope_is_that_of_the_likelihood() -> None:
    x, t_x, t = (np.array(column, float) for column in zip(*HISTORIES, strict=True))
    counts, parameters = np.array([3, 1, 4, 1, 5]), np.array([0.3, 4.0, 0.9, 2.0])
    _, slope = _log_likelihood(parameters, x, t_x, t, counts)
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-6
        up, down = (_log_likelihood(parameters + sign * step, x, t_x, t, counts)[0] for sign in (1, -1))
        assert slope[place] == pytest.approx((up - down) / 2e-6, rel=1e-5)


def draw(users: int, weeks: float, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Times (users, 200) of each user's returns, infinite after they left; ages when observed."""
    random = np.random.default_rng(seed)
    rate = random.gamma(CDNOW.r, 1 / CDNOW.alpha, users)
    leaving = random.beta(CDNOW.a, CDNOW.b, users)
    gaps = random.exponential(1, (users, 200)) / np.maximum(rate, 1e-300)[:, None]
    stays = random.random((users, 200)) >= leaving[:, None]
    comes = np.hstack([np.ones((users, 1), bool), np.cumprod(stays, axis=1)[:, :-1].astype(bool)])
    left = (stays.argmin(axis=1), stays.all(axis=1))
    times = np.where(comes, gaps.cumsum(axis=1), np.inf)
    leaves_at = np.where(left[1], np.inf, np.take_along_axis(times, left[0][:, None], axis=1)[:, 0])
    return times, leaves_at, random.uniform(weeks * 0.7, weeks, users)


def summary(times: NDArray, age: NDArray) -> tuple[NDArray, NDArray]:
    seen = times <= age[:, None]
    return seen.sum(axis=1), np.where(seen, times, 0).max(axis=1)


def test_parameters_of_users_drawn_from_the_model_are_found() -> None:
    times, _, age = draw(8_000, 39, seed=1)
    x, t_x = summary(times, age)
    fitted = fit_bg_nbd(x, t_x, age)
    truth, _ = _log_likelihood(np.array([0.243, 4.414, 0.793, 2.426]), x, t_x, age, np.ones(len(x)))
    # Twice the gain in likelihood is chi-square of four degrees.
    assert 0 <= 2 * (fitted.log_likelihood - truth) < stats.chi2(4).ppf(0.99)
    assert (fitted.r, fitted.alpha) == (pytest.approx(0.243, rel=0.06), pytest.approx(4.414, rel=0.1))
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(0.793 / 3.219, abs=0.025)
    # Days for weeks is the same model.
    in_days = fit_bg_nbd(x, 7 * t_x, 7 * age)
    assert (in_days.r, in_days.alpha) == (
        pytest.approx(fitted.r, rel=1e-3),
        pytest.approx(7 * fitted.alpha, rel=1e-3),
    )
    later = in_days.expected_returns(70, x, 7 * t_x, 7 * age), fitted.expected_returns(10, x, t_x, age)
    assert later[0] == pytest.approx(later[1], rel=1e-3)


def test_those_predicted_to_be_there_are_and_come_as_often_as_expected() -> None:
    times, leaves_at, age = draw(20_000, 39, seed=2)
    x, t_x = summary(times, age)
    alive, expected = CDNOW.p_alive(x, t_x, age), CDNOW.expected_returns(20, x, t_x, age)
    returns = CDNOW.p_returns(20, x, t_x, age)
    came = ((times > age[:, None]) & (times <= age[:, None] + 20)).sum(axis=1)
    is_there = leaves_at > age
    for group in [x == 0, x == 1, (x > 1) & (alive < 0.5), (x > 1) & (alive >= 0.5), x > 5]:
        n = group.sum()
        assert n > 200
        assert abs(is_there[group].mean() - alive[group].mean()) < 4 * np.sqrt(0.25 / n)
        assert abs((came[group] > 0).mean() - returns[group].mean()) < 4 * np.sqrt(0.25 / n)
        assert abs(came[group].mean() - expected[group].mean()) < 4 * came[group].std() / np.sqrt(n)


def test_extremes_have_numbers() -> None:
    x = np.array([0, 0, 1, 1, 900, 900, 5000])
    t_x = np.array([0.0, 0.0, 1e-9, 899.0, 900.0, 1.0, 5000.0])
    t = np.array([0.0, 1e6, 1e6, 900.0, 900.0, 900.0, 5000.0])
    for a, b in ((0.01, 5.0), (1.0, 1.0), (1 + 1e-7, 0.5), (8.0, 0.05), (0.5, 5000.0)):
        model = BgNbd(0.5, 3.0, a, b, 1, 0.0)
        alive, returns = model.p_alive(x, t_x, t), model.expected_returns(28, x, t_x, t)
        assert ((alive >= 0) & (alive <= 1)).all() and (alive[:2] == 1).all()
        assert np.isfinite(returns).all() and (returns >= 0).all()
        assert ((model.p_returns(28, x, t_x, t) >= 0) & (model.p_returns(28, x, t_x, t) <= alive)).all()
        assert model.expected_returns(0, x, t_x, t) == pytest.approx(0, abs=1e-9)
    # The two ways to the same number, where both have one.
    model = BgNbd(0.5, 3.0, 0.8, 2.0, 1, 0.0)
    by_quadrature = model._returns_by_quadrature(28, np.array([0.0, 3, 90]), np.array([1.0, 30, 100]))
    closed = model.expected_returns(28, [0, 3, 90], [0, 30, 100], [1, 30, 100])
    there = model.p_alive([0, 3, 90], [0, 30, 100], [1, 30, 100])
    assert by_quadrature * there == pytest.approx(closed, rel=1e-3)
    near, at = (BgNbd(0.5, 3.0, a, 2.0, 1, 0.0).expected_returns(28, 3, 20.0, 30.0) for a in (1.001, 1.0))
    assert at == pytest.approx(near, rel=1e-3)


def test_a_horizon_is_not_negative() -> None:
    for horizon in (-1.0, np.nan, np.inf):
        with pytest.raises(UserError, match="horizon"):
            CDNOW.p_returns(horizon, 1, 1, 2)
        with pytest.raises(UserError, match="horizon"):
            CDNOW.expected_returns(horizon, 1, 1, 2)


@pytest.mark.parametrize(
    ("frequency", "recency", "age", "told"),
    [
        ([1] * 49, [1] * 49, [2] * 49, "49 users, 49 of them seen again"),
        ([0] * 60, [0] * 60, [2] * 60, "60 users, 0 of them seen again"),
        ([1, 2], [1, 5], [2, 4], r"recency 5, age 4 is no user's history \(row 2\)"),
        ([0.5], [1], [2], "no user's history"),
        ([0], [1], [2], "no user's history"),
        ([1], [np.nan], [2], "no user's history"),
        ([1], [1], [np.inf], "no user's history"),
        ([1], ["x"], [2], "no number"),
        ([1, 2], [1], [2], "not of the same users"),
    ],
)
def test_histories_that_tell_nothing_are_one_line(frequency, recency, age, told) -> None:
    with pytest.raises(UserError, match=told):
        fit_bg_nbd(frequency, recency, age)
