"""Who is still there, and how often they will come: the BG/NBD model by maximum likelihood.

Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). A user comes at
a rate that is Gamma(r, alpha) among users and, after each time, leaves for good with a probability that is
Beta(a, b) among them; the first time is where their clock starts. Of a user it takes the frequency x (times
after the first), the recency t_x (from the first to the last of them) and the age T (from the first until
now), in one unit of time; here a time is an active day and the unit a day, so that x is
`active_days_count` - 1, t_x `recency_days` and T `tenure_days` of `feat_user_churn`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaincinv, digamma, expit, gammaln, hyp2f1
from threadpoolctl import threadpool_limits

from common.errors import UserError

# Below these the likelihood is too flat to tell four parameters apart.
MINIMUM_USERS = 50
MINIMUM_RETURNING = 20
# Of all four parameters, by their logarithm, time in units of the greatest age.
BOUNDS = (-9.0, 9.0)
STARTS = ((-0.5, -1.5, -0.5, 0.5), (0.5, 0.0, -1.0, 1.0))
# The expectation has a gap at a = 1, where its limit is finite: so near, rounding would show.
AROUND_ONE = 1e-5
# Of the probability to leave, where the expectation is a mean over them.
QUANTILES = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BgNbd:
    """The four parameters, alpha in the unit of time, and what they were fitted to."""

    r: float
    alpha: float
    a: float
    b: float
    users: int
    log_likelihood: float

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """(n,) probabilities that the users have not left yet.

        It is 1 for those who came once only: in this model nobody leaves before their second time. So it is
        no score of churn; 1 less `p_returns` is.

        Raises:
            UserError: a history is impossible.
        """
        x, t_x, t = _checked(frequency, recency, age)
        return expit(self._log_odds_alive(x, t_x, t))

    def p_returns(self, horizon: float, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """(n,) probabilities that the users come within `horizon` units of time from now.

        Raises:
            UserError: a history is impossible, or the horizon is not 0 or more.
        """
        x, t_x, t = _checked(frequency, recency, age)
        # Whoever is there has a rate of Gamma(r + x, alpha + T).
        silence = (self.r + x) * np.log1p(_checked_horizon(horizon) / (self.alpha + t))
        return -np.expm1(-silence) * expit(self._log_odds_alive(x, t_x, t))

    def expected_returns(
        self, horizon: float, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
    ) -> Floats:
        """(n,) expected times that the users come within `horizon` units of time from now.

        Raises:
            UserError: a history is impossible, or the horizon is not 0 or more.
        """
        x, t_x, t = _checked(frequency, recency, age)
        horizon = _checked_horizon(horizon)
        a = self.a if abs(self.a - 1) > AROUND_ONE else 1 + AROUND_ONE
        share = horizon / (self.alpha + t + horizon)
        # The paper's 2F1 after Euler's transformation: its arguments don't grow with x.
        series = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, share)
        with np.errstate(invalid="ignore", over="ignore"):
            if_alive = (a + self.b + x - 1) / (a - 1) * (1 - (1 - share) ** (a - 1) * series)
        is_lost = ~np.isfinite(if_alive)
        if is_lost.any():
            if_alive[is_lost] = self._returns_by_quadrature(horizon, x[is_lost], t[is_lost])
        return np.maximum(if_alive, 0) * expit(self._log_odds_alive(x, t_x, t))

    def _returns_by_quadrature(self, horizon: float, x: Floats, t: Floats) -> Floats:
        """Returns of users who are there, where 2F1 has no number: a mean over quantiles of leaving."""
        quantiles = (np.arange(QUANTILES) + 0.5) / QUANTILES
        leaving = np.maximum(betaincinv(self.a, self.b + x[:, None], quantiles), 1e-300)
        shorter = (self.r + x[:, None]) * np.log1p(leaving * horizon / (self.alpha + t[:, None]))
        return (-np.expm1(-shorter) / leaving).mean(axis=1)

    def _log_odds_alive(self, x: Floats, t_x: Floats, t: Floats) -> Floats:
        returning = np.maximum(x, 1)
        silence = (self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t_x))
        return np.where(x > 0, np.log(self.b + returning - 1) - np.log(self.a) - silence, np.inf)


def fit_bg_nbd(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> BgNbd:
    """The parameters under which the users' histories are likeliest.

    Fit it to everybody who ever came, not to those lately active alone: these are the ones who stay.

    Args:
        frequency, recency, age: (n,) x, t_x and T of each user.

    Raises:
        UserError: fewer than 50 users, fewer than 20 who came again, or a history is impossible.
    """
    x, t_x, t = _checked(frequency, recency, age)
    returning = int((x > 0).sum())
    if len(x) < MINIMUM_USERS or returning < MINIMUM_RETURNING:
        raise UserError(
            f"BG/NBD: {len(x):,} users, {returning:,} of them seen again: it takes {MINIMUM_USERS} and "
            f"{MINIMUM_RETURNING} to fit it"
        )
    unit = t.max()
    histories, counts = np.unique(np.column_stack([x, t_x / unit, t / unit]), axis=0, return_counts=True)

    def loss(logs: Floats) -> tuple[float, Floats]:
        value, slope = _log_likelihood(np.exp(logs), *histories.T, counts)
        return -value / len(x), -slope * np.exp(logs) / len(x)

    # Of several threads, sums would have other last digits.
    with threadpool_limits(1):
        fits = [
            minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[BOUNDS] * 4, options={"ftol": 1e-13})
            for start in STARTS
        ]
    best = min(fits, key=lambda fit: fit.fun)
    r, alpha, a, b = np.exp(best.x)
    # In the caller's unit each of the x times has a density that is smaller by it.
    return BgNbd(
        float(r),
        float(alpha * unit),
        float(a),
        float(b),
        len(x),
        float(-best.fun * len(x) - x.sum() * np.log(unit)),
    )


def _log_likelihood(
    parameters: Floats, x: Floats, t_x: Floats, t: Floats, counts: NDArray[np.int64]
) -> tuple[float, Floats]:
    """The logarithm of the paper's equation 6, `counts` users a history, and its slope by r, alpha, a, b."""
    r, alpha, a, b = parameters
    never_left = -(r + x) * np.log(alpha + t)
    with np.errstate(divide="ignore"):
        left = np.where(
            x > 0, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf
        )
    either = np.logaddexp(never_left, left)
    value = (
        gammaln(r + x)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        + gammaln(b + x)
        - gammaln(b)
        - gammaln(a + b + x)
        + either
    )
    is_left = np.exp(left - either)
    is_there = 1 - is_left
    slopes = (
        digamma(r + x)
        - digamma(r)
        + np.log(alpha)
        - is_there * np.log(alpha + t)
        - is_left * np.log(alpha + t_x),
        r / alpha - (r + x) * (is_there / (alpha + t) + is_left / (alpha + t_x)),
        digamma(a + b) - digamma(a + b + x) + is_left / a,
        digamma(a + b)
        + digamma(b + x)
        - digamma(b)
        - digamma(a + b + x)
        - is_left / (b + np.maximum(x, 1) - 1),
    )
    return float(counts @ value), np.array([counts @ slope for slope in slopes])


def _checked_horizon(horizon: float) -> float:
    if not 0 <= horizon < np.inf:
        raise UserError(f"BG/NBD: a horizon of {horizon}: it is 0 or more")
    return horizon


def _checked(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    try:
        x, t_x, t = (np.atleast_1d(np.asarray(values, dtype=float)) for values in (frequency, recency, age))
    except (TypeError, ValueError):
        raise UserError("BG/NBD: frequency, recency or age holds what is no number") from None
    if not x.shape == t_x.shape == t.shape or x.ndim != 1:
        raise UserError("BG/NBD: frequency, recency and age are not of the same users")
    is_possible = np.isfinite(x + t_x + t) & (x >= 0) & (x == np.floor(x)) & (t_x >= 0) & (t_x <= t)
    is_possible &= np.where(x == 0, t_x == 0, t_x > 0)
    if not is_possible.all():
        place = int(np.argmin(is_possible))
        raise UserError(
            f"BG/NBD: frequency {x[place]:g}, recency {t_x[place]:g}, age {t[place]:g} is no user's history "
            f"(row {place + 1}): whole returns, 0 <= recency <= age, and recency 0 without returns alone"
        )
    return x, t_x, t
