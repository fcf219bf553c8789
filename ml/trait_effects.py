"""What a binary trait does to conversion: the plain difference, and two estimates that heed confounders.

All take n sessions, which the trait and the covariates precede, and give the average over these sessions of
P(converts) with the trait less P(converts) without it. The second and third are that only if, the covariates
held fixed, the trait is as good as random. What comes after the trait (a session's events, earlier
conversions) is no covariate: it may be how the trait works. Sessions of one user are alike, so intervals go
by users: t quantiles with one degree of freedom less than users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from threadpoolctl import threadpool_limits

from common.errors import UserError
from common.quoting import quote_identifier

LEVEL = 0.95
FOLDS = 5
# Ways to cut the users into folds: one in which all of a rare kind fall into one fold must not decide.
CUTS = 3
# Users with and without the trait, each, below which an interval says nothing: a fifth of them is a fold.
MINIMUM_USERS = 20
# A probability of the trait nearer to 0 or 1 counts as this: one session never weighs more than 50.
MINIMUM_PROPENSITY = 0.02
# Penalties on squared coefficients, of standardised covariates. The first is nothing, unless no finite
# estimate exists; the second keeps a model of few sessions from being sure of what it saw.
RIDGE = 1e-6
NUISANCE_RIDGE = 1.0
NEWTON_STEPS = 50

Floats = NDArray[np.float64]


SESSIONS = """
    select sessions.user_id, sessions.has_converted, users.{trait} = ? as has_trait {covariates}
    from marts.fct_sessions as sessions
    inner join marts.dim_users as users on sessions.source = users.source and sessions.user_id = users.user_id
    where sessions.source = ? and sessions.has_converted is not null and users.{trait} is not null
    order by sessions.user_id, sessions.started_at, sessions.session_id, sessions.is_own_session
"""


@dataclass(frozen=True)
class TraitEffect:
    """A difference in P(session converts), with its 95 % interval, and what it was taken of."""

    estimator: str
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    rows_count: int
    users_count: int


def trait_effects(
    outcome: NDArray, trait: NDArray, covariates: NDArray, clusters: NDArray, seed: int
) -> list[TraitEffect]:
    """All three estimates of the same sessions.

    Args:
        outcome: (n,) whether the session converts.
        trait: (n,) whether its user has the trait.
        covariates: (n, k) what was so before the trait; categories as columns of 0 and 1.
        clusters: (n,) the session's user.
        seed: of the folds.

    Raises:
        UserError: an input has missing or infinite values or another length, the outcome or the trait is the
            same everywhere, or fewer than 20 users have the trait, or have it not.
    """
    # Of several threads, sums would have other last digits.
    with threadpool_limits(1):
        return [
            naive_difference(outcome, trait, clusters),
            logistic_marginal_effect(outcome, trait, covariates, clusters),
            doubly_robust_effect(outcome, trait, covariates, clusters, seed),
        ]


def session_trait_effects(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    trait: str,
    value: str,
    covariates: Sequence[str],
    seed: int,
) -> list[TraitEffect]:
    """What a trait of the users does to all sessions of a source.

    Args:
        source: an event log in which sessions convert.
        trait: column of marts.dim_users; users without any value of it are left out.
        value: the value that counts as having the trait; all others as not having it.
        covariates: columns of marts.dim_users, held fixed as categories.
        seed: of the folds.

    Raises:
        UserError: the source has no such sessions, or as for `trait_effects`.
    """
    chosen = "".join(f", users.{quote_identifier(name)}" for name in covariates)
    query = SESSIONS.format(trait=quote_identifier(trait), covariates=chosen)
    rows = connection.execute(query, [value, source]).fetchall()
    if not rows:
        raise UserError(
            f"trait effect: {source} has no session that could convert, of a user whose {trait} is known"
        )
    user, outcome, has_trait, *others = (np.array(column, object) for column in zip(*rows, strict=True))
    held_fixed = category_columns(*others) if others else np.zeros((len(rows), 0))
    return trait_effects(outcome, has_trait, held_fixed, user.astype(str), seed)


def naive_difference(outcome: NDArray, trait: NDArray, clusters: NDArray) -> TraitEffect:
    """The difference of the two rates: the trait's effect, and whatever else those who have it share."""
    y, t, _, users = _checked(outcome, trait, np.zeros((len(outcome), 0)), clusters)
    rates = [y[t == 0].mean(), y[t == 1].mean()]
    residual = np.where(t == 1, (y - rates[1]) / t.mean(), -(y - rates[0]) / (1 - t.mean()))
    return _effect("naive", rates[1] - rates[0], residual, users)


def logistic_marginal_effect(
    outcome: NDArray, trait: NDArray, covariates: NDArray, clusters: NDArray
) -> TraitEffect:
    """The average marginal effect of the trait in a logistic regression on it and the covariates.

    Right where the logit is a sum of them. Sandwich covariance over users, with the usual correction for
    few of them; the effect's error by the delta method, covariates taken as they are.
    """
    y, t, x, users = _checked(outcome, trait, covariates, clusters)
    design = np.column_stack([np.ones(len(y)), t, _standardised(x)])
    coefficients = _fit_logistic(design, y)
    with_trait, without = design.copy(), design.copy()
    with_trait[:, 1], without[:, 1] = 1, 0
    p1, p0 = expit(with_trait @ coefficients), expit(without @ coefficients)
    slope = ((p1 * (1 - p1))[:, None] * with_trait - (p0 * (1 - p0))[:, None] * without).mean(axis=0)
    fitted = expit(design @ coefficients)
    information = (design * (fitted * (1 - fitted))[:, None]).T @ design
    scores = _cluster_sums(design * (y - fitted)[:, None], users)
    half = scores @ np.linalg.solve(information + RIDGE * np.eye(len(slope)), slope)
    count, (n, k) = len(scores), design.shape
    error = np.sqrt((half**2).sum() * count / (count - 1) * (n - 1) / (n - k))
    return _interval("logistic", (p1 - p0).mean(), error, users)


def doubly_robust_effect(
    outcome: NDArray, trait: NDArray, covariates: NDArray, clusters: NDArray, seed: int
) -> TraitEffect:
    """Augmented inverse probability weighting, cross-fitted over users (Chernozhukov et al. 2018).

    Right where either the logistic model of the trait or those of the outcome, one for each value of the
    trait, are. Each session is predicted by models of other users' sessions. The variance is that of the
    estimate's own influence function, summed by user; estimate and variance are medians over 3 cuts of the
    users into 5 folds, the variance with the square of the cut's own distance.
    """
    y, t, x, users = _checked(outcome, trait, covariates, clusters)
    design = np.column_stack([np.ones(len(y)), _standardised(x)])
    random = np.random.default_rng(seed)
    cuts = []
    for _ in range(CUTS):
        influence = _cross_fitted(y, t, design, _folds(users, t, random)[users])
        cuts.append(_effect("doubly_robust", influence.mean(), influence - influence.mean(), users))
    estimates = np.array([cut.estimate for cut in cuts])
    estimate = float(np.median(estimates))
    squares = np.array([cut.standard_error**2 for cut in cuts]) + (estimates - estimate) ** 2
    return _interval("doubly_robust", estimate, np.sqrt(np.median(squares)), users)


def _cross_fitted(y: Floats, t: Floats, design: Floats, fold: NDArray[np.int64]) -> Floats:
    """(n,) summands whose mean is the estimate, each by models of the other folds."""
    influence = np.empty(len(y))
    for number in range(FOLDS):
        held, rest = fold == number, fold != number
        propensity = expit(design[held] @ _fit_logistic(design[rest], t[rest], NUISANCE_RIDGE))
        propensity = np.clip(propensity, MINIMUM_PROPENSITY, 1 - MINIMUM_PROPENSITY)
        with_trait, without = (
            expit(design[held] @ _fit_logistic(design[arm], y[arm], NUISANCE_RIDGE))
            for arm in (rest & (t == 1), rest & (t == 0))
        )
        influence[held] = (
            with_trait
            - without
            + t[held] * (y[held] - with_trait) / propensity
            - (1 - t[held]) * (y[held] - without) / (1 - propensity)
        )
    return influence


def category_columns(*categories: NDArray) -> Floats:
    """(n, k) columns of 0 and 1: one for each value, missing among them, of each category but its commonest.

    Args:
        categories: of each category (n,) texts, None where missing.
    """
    columns: list[Floats] = []
    for category in categories:
        texts = np.array(["" if value is None or value != value else f"={value}" for value in category])
        values, counts = np.unique(texts, return_counts=True)
        columns += [(texts == value).astype(float) for value in np.delete(values, counts.argmax())]
    return np.column_stack(columns) if columns else np.zeros((len(categories[0]), 0))


def _checked(
    outcome: NDArray, trait: NDArray, covariates: NDArray, clusters: NDArray
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """All as numbers, users as codes from 0."""
    try:
        y, t, x = (np.asarray(values, dtype=float) for values in (outcome, trait, covariates))
    except (TypeError, ValueError):
        raise UserError("trait effect: outcome, trait or covariates hold what is no number") from None
    if x.ndim != 2 or not len(y) == len(t) == len(x) == len(clusters):
        raise UserError("trait effect: outcome, trait, covariates and users are not of the same sessions")
    for name, values in (("outcome", y), ("trait", t)):
        if not np.isin(values, (0, 1)).all():
            raise UserError(f"trait effect: the {name} has values other than 0 and 1")
        if len(np.unique(values)) < 2:
            raise UserError(f"trait effect: the {name} is the same in all {len(y):,} sessions")
    if not np.isfinite(x).all():
        raise UserError("trait effect: a covariate has missing or infinite values: fill them or leave it out")
    users = np.unique(np.asarray(clusters), return_inverse=True)[1]
    for value, told in ((1, "with"), (0, "without")):
        count = len(np.unique(users[t == value]))
        if count < MINIMUM_USERS:
            raise UserError(
                f"trait effect: {count} users {told} the trait, and an interval needs {MINIMUM_USERS}"
            )
    return y, t, x, users


def _standardised(covariates: Floats) -> Floats:
    """Around 0, on the scale of 1; what never varies becomes 0."""
    centred = covariates - covariates.mean(axis=0)
    scale = centred.std(axis=0)
    return centred / np.where(scale > 0, scale, 1)


def _fit_logistic(design: Floats, y: Floats, ridge: float = RIDGE) -> Floats:
    """Coefficients by Newton's method, steps halved where they overshoot; the first column is 1."""
    coefficients = np.zeros(design.shape[1])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = RIDGE

    def loss(values: Floats) -> float:
        logit = design @ values
        return float(np.logaddexp(0, logit).sum() - logit @ y + penalty @ values**2 / 2)

    current = loss(coefficients)
    for _ in range(NEWTON_STEPS):
        fitted = expit(design @ coefficients)
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, design.T @ (fitted - y) + penalty * coefficients)
        scale = 1.0
        while loss(coefficients - scale * step) > current and scale > 1e-6:
            scale /= 2
        coefficients = coefficients - scale * step
        before, current = current, loss(coefficients)
        if abs(before - current) <= 1e-10 * (abs(current) + 1):
            break
    return coefficients


def _folds(users: NDArray[np.int64], trait: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each user; those who ever had the trait and those who never had are spread alike."""
    has_trait = np.bincount(users, trait) > 0
    order = np.lexsort((random.random(len(has_trait)), has_trait))
    folds = np.empty(len(has_trait), np.int64)
    folds[order] = np.arange(len(order)) % FOLDS
    return folds


def _cluster_sums(values: Floats, users: NDArray[np.int64]) -> Floats:
    """(users, ...) sums of (n, ...) values."""
    sums = np.zeros((users.max() + 1, *values.shape[1:]))
    np.add.at(sums, users, values)
    return sums


def _effect(estimator: str, estimate: float, influence: Floats, users: NDArray[np.int64]) -> TraitEffect:
    """With the error of a mean whose summands are alike within a user."""
    sums = _cluster_sums(influence, users)
    count = len(sums)
    error = np.sqrt((sums**2).sum() * count / (count - 1)) / len(influence)
    return _interval(estimator, estimate, error, users)


def _interval(estimator: str, estimate: float, error: float, users: NDArray[np.int64]) -> TraitEffect:
    count = int(users.max()) + 1
    half = stats.t.ppf(0.5 + LEVEL / 2, count - 1) * error
    ends = float(estimate - half), float(estimate + half)
    return TraitEffect(estimator, float(estimate), float(error), *ends, len(users), count)
