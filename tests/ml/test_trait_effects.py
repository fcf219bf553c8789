"""The effect of a trait, against statsmodels, in worlds where it is known, and in the clickstream."""

from dataclasses import dataclass, replace

import duckdb
import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.special import expit

from common.errors import UserError
from ingest.making.clickstream.model import load_config, simulate_clickstream
from ml.trait_effects import (
    TraitEffect,
    category_columns,
    doubly_robust_effect,
    logistic_marginal_effect,
    naive_difference,
    session_trait_effects,
    trait_effects,
)


@dataclass(frozen=True)
class World:
    outcome: NDArray
    trait: NDArray
    covariates: NDArray
    clusters: NDArray
    effect: float


def make_world(seed: int, *, users: int = 300, curved: bool = False) -> World:
    """Users with a country, an eagerness that nobody sees, and 1 to 8 sessions.

    `curved`: instead of the country a number, whose square drives the outcome, too: logistic models of the
    outcome are wrong, that of the trait is right.
    """
    random = np.random.default_rng(seed)
    country = random.choice(4, users, p=[0.4, 0.3, 0.2, 0.1])
    position = random.normal(size=users)
    has_trait = random.random(users) < np.where(
        curved, expit(1.2 * position - 0.8), np.array([0.7, 0.5, 0.25, 0.15])[country]
    )
    user = np.repeat(np.arange(users), random.integers(1, 9, users))
    pull = 1.5 * (position**2 - 1) if curved else np.array([1.0, 0.0, -1.0, -1.5])[country]
    logit = -1.0 + pull + random.normal(size=users)
    p = expit(logit[:, None] + np.array([0.0, 0.7]))[user]
    trait = has_trait[user]
    outcome = random.random(len(user)) < np.where(trait, p[:, 1], p[:, 0])
    covariates = position[user, None] if curved else category_columns(country.astype(str)[user])
    return World(outcome, trait, covariates, user, float((p[:, 1] - p[:, 0]).mean()))


def holds(effect: TraitEffect, truth: float) -> bool:
    return effect.ci_low <= truth <= effect.ci_high


def test_the_marginal_effect_and_its_error_are_those_of_statsmodels() -> None:
    world = make_world(0)
    found = logistic_marginal_effect(world.outcome, world.trait, world.covariates, world.clusters)
    design = np.column_stack([np.ones(len(world.trait)), world.trait, world.covariates]).astype(float)
    model = sm.Logit(world.outcome.astype(float), design)
    fitted = model.fit(disp=0, cov_type="cluster", cov_kwds={"groups": world.clusters})
    effects = fitted.get_margeff(at="overall", dummy=True)
    assert found.estimate == pytest.approx(effects.margeff[0], rel=1e-6)
    assert found.standard_error == pytest.approx(effects.margeff_se[0], rel=1e-5)


def test_the_naive_error_is_that_of_a_regression_with_clusters() -> None:
    world = make_world(1)
    found = naive_difference(world.outcome, world.trait, world.clusters)
    design = sm.add_constant(world.trait.astype(float))
    fitted = sm.OLS(world.outcome.astype(float), design).fit(
        cov_type="cluster", cov_kwds={"groups": world.clusters}
    )
    assert found.estimate == pytest.approx(fitted.params[1])
    assert found.standard_error == pytest.approx(fitted.bse[1], rel=1e-3)  # but for n - 1 over n - 2


def test_without_covariates_the_doubly_robust_estimate_is_nearly_the_naive_one() -> None:
    """By hand: where nothing is held fixed, rates are all that there is."""
    world = make_world(2)
    naive, _, robust = trait_effects(
        world.outcome, world.trait, np.zeros((len(world.trait), 0)), world.clusters, seed=0
    )
    assert robust.estimate == pytest.approx(naive.estimate, abs=0.005)
    assert robust.standard_error == pytest.approx(naive.standard_error, rel=0.03)


def test_intervals_hold_the_planted_effect_where_the_naive_ones_do_not() -> None:
    held = np.zeros((100, 3), bool)
    for seed in range(100):
        world = make_world(seed)
        effects = trait_effects(world.outcome, world.trait, world.covariates, world.clusters, seed)
        held[seed] = [holds(effect, world.effect) for effect in effects]
    naive, logistic, robust = held.mean(axis=0)
    assert naive < 0.25
    assert 0.90 <= logistic <= 0.99 and 0.90 <= robust <= 0.99


def test_one_of_its_two_models_is_enough_for_the_doubly_robust_estimate() -> None:
    """The logistic regression alone is wrong where the outcome is none."""
    held = np.zeros((40, 2), bool)
    for seed in range(40):
        world = make_world(seed, users=400, curved=True)
        arrays = (world.outcome, world.trait, world.covariates, world.clusters)
        held[seed] = [
            holds(effect, world.effect)
            for effect in (logistic_marginal_effect(*arrays), doubly_robust_effect(*arrays, seed))
        ]
    logistic, robust = held.mean(axis=0)
    assert robust >= 0.90 > 0.75 > logistic


def test_the_same_seed_gives_the_same_estimate_whatever_users_are_called() -> None:
    world = make_world(3)
    arrays = (world.outcome, world.trait, world.covariates)
    names = np.array([f"user {user:05d}" for user in world.clusters])
    first = doubly_robust_effect(*arrays, world.clusters, seed=1)
    assert first == doubly_robust_effect(*arrays, names, seed=1)
    other = doubly_robust_effect(*arrays, names, seed=2)
    assert first != other and other.estimate == pytest.approx(first.estimate, abs=0.01)


def test_a_user_counted_twice_tells_nothing_new() -> None:
    world = make_world(4)
    arrays = (world.outcome, world.trait, world.covariates, world.clusters)
    once = trait_effects(*arrays, seed=0)
    twice = trait_effects(*(np.concatenate([values, values]) for values in arrays), seed=0)
    for one, two in zip(once, twice, strict=True):
        assert two.estimate == pytest.approx(one.estimate, abs=2e-3)
        assert two.standard_error == pytest.approx(one.standard_error, rel=0.03)


def test_the_planted_effect_of_the_generated_clickstream_is_found() -> None:
    log = simulate_clickstream(replace(load_config(), users=2_000), seed=42)
    traits = {
        name: pl.col("properties").first().str.json_path_match(f"$.{name}") for name in ("country", "plan")
    }
    sessions = (
        log.events.sort("occurred_at", "event_id")
        .group_by("session_id", maintain_order=True)
        .agg(
            pl.col("user_id").first(), (pl.col("event_name") == "purchase").any().alias("converts"), **traits
        )
    )
    naive, logistic, robust = trait_effects(
        sessions["converts"].to_numpy(),
        (sessions["plan"] == "member").to_numpy(),
        category_columns(sessions["country"].to_numpy()),
        sessions["user_id"].to_numpy(),
        seed=0,
    )
    sizes = dict(log.effects.select("effect", "size").iter_rows())
    planted = sizes["plan_average_effect"]
    assert holds(robust, planted) and holds(logistic, planted)
    assert naive.ci_low > planted and holds(naive, sizes["plan_naive_difference"])
    assert robust.ci_high - robust.ci_low < planted < robust.ci_high and robust.ci_low > 0


def test_sessions_of_a_source_are_those_that_could_convert_of_users_whose_trait_is_known() -> None:
    world = make_world(7)
    country = world.covariates @ np.arange(1, 4)
    sessions = pl.DataFrame(
        {"user": world.clusters, "converts": world.outcome, "n": np.arange(len(world.outcome))}
    )
    users = pl.DataFrame({"user": world.clusters, "trait": world.trait, "country": country}).unique()
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.register("sessions_given", sessions.to_arrow())
        connection.register("users_given", users.to_arrow())
        connection.execute("""
            create table marts.fct_sessions as
            select
                unnest(['shop', 'blog', 'shop']) as source,
                unnest([user::varchar, user::varchar, 'nobody']) as user_id,
                unnest([converts, null, true]) as has_converted,
                n::varchar as session_id,
                true as is_own_session,
                timestamp '2025-01-01' + to_hours(n) as started_at
            from sessions_given
        """)
        connection.execute("""
            create table marts.dim_users as
            select unnest(['shop', 'blog']) as source, user::varchar as user_id,
                case when trait then 'member' else 'free' end as "the plan", country::varchar as country
            from users_given
            union all select 'shop', 'nobody', null, null
        """)
        found = session_trait_effects(connection, "shop", "the plan", "member", ["country"], seed=0)
        with pytest.raises(UserError, match="blog has no session that could convert"):
            session_trait_effects(connection, "blog", "the plan", "member", [], seed=0)
    expected = trait_effects(world.outcome, world.trait, world.covariates, world.clusters, seed=0)
    for one, other in zip(found[:2], expected[:2], strict=True):
        assert one.estimate == pytest.approx(other.estimate, abs=1e-6)
        assert one.standard_error == pytest.approx(other.standard_error, rel=1e-4)
    # Other names, so other folds.
    assert found[2].estimate == pytest.approx(expected[2].estimate, abs=0.01)


def test_a_category_that_never_converts_has_a_finite_effect() -> None:
    world = make_world(5)
    outcome = world.outcome & (world.covariates[:, 0] == 0)
    for effect in trait_effects(outcome, world.trait, world.covariates, world.clusters, seed=0):
        assert 0 < effect.standard_error < 0.1 and effect.ci_low < effect.estimate < effect.ci_high


def test_categories_become_columns_but_for_the_commonest() -> None:
    columns = category_columns(
        np.array(["a", "b", "a", None], object), np.array(["x", "x", "x", "x"], object)
    )
    assert columns.tolist() == [[0, 0], [0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outcome": np.zeros(8)}, "not of the same sessions"),
        ({"outcome": lambda world: np.zeros_like(world.outcome)}, "the outcome is the same in all"),
        ({"trait": lambda world: np.ones_like(world.trait)}, "the trait is the same in all"),
        ({"trait": lambda world: world.trait * 2}, "values other than 0 and 1"),
        ({"outcome": lambda world: np.where(world.outcome, np.nan, 0)}, "values other than 0 and 1"),
        ({"covariates": lambda world: world.covariates.astype(str)[:, :1] + "?"}, "no number"),
        ({"covariates": lambda world: np.where(world.covariates, np.inf, 0)}, "missing or infinite"),
        ({"clusters": lambda world: world.clusters % 2}, "users with the trait"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(change: dict, told: str) -> None:
    world = make_world(6)
    values = {name: made(world) if callable(made) else made for name, made in change.items()}
    world = replace(world, **values)
    with pytest.raises(UserError, match=told):
        trait_effects(world.outcome, world.trait, world.covariates, world.clusters, seed=0)
