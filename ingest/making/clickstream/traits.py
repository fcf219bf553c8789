"""What users are like beside their persona, where they live and what they pay, and what that does to sales.

The country decides how probable a plan is and how easily the user goes on to a purchase; the plan does the
latter, too. So the country, which every event shows, confounds the plan's effect: members convert more than
others by more than the plan makes them.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

PLANS = ("free", "member")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Country:
    share: float
    member_probability: float
    odds_ratio: float


@dataclass(frozen=True)
class TraitConfig:
    """The planted traits; meaning and units stand in config.toml."""

    goal: str
    conversion_steps: list[list[str]]
    member_odds_ratio: float
    countries: dict[str, Country]


@dataclass(frozen=True)
class Traits:
    """One entry a user: place among the countries, and among PLANS."""

    country: Ints
    plan: Ints


def draw_traits(config: TraitConfig, random: np.random.Generator, users: int) -> Traits:
    """A country by share, and a plan by the country's probability: neither knows the persona."""
    countries = list(config.countries.values())
    country = random.choice(len(countries), users, p=[one.share for one in countries])
    is_member = random.random(users) < np.array([one.member_probability for one in countries])[country]
    return Traits(country, is_member.astype(np.int64))


def plant(config: TraitConfig, matrices: Floats, events: list[str]) -> Floats:
    """Each persona's matrix for each country and plan: (personas, countries, plans, states, states).

    The odds of each step towards the goal are multiplied; what else may follow keeps its proportions.

    Args:
        matrices: (personas, states, states), rows from (start) and the events, columns (start), the events
            and (end).
        events: names of the events, in that order.
    """
    ratios = np.array([[one.odds_ratio] for one in config.countries.values()])
    ratios = (ratios * np.array([1.0, config.member_odds_ratio]))[None, :, :, None]
    shape = (len(matrices), *ratios.shape[1:3], *matrices.shape[1:])
    planted = np.broadcast_to(matrices[:, None, None], shape).copy()
    for before, after in config.conversion_steps:
        row, column = events.index(before) + 1, events.index(after) + 1
        odds_row = planted[..., row, :]
        step = odds_row[..., column : column + 1].copy()
        raised = ratios * step / (1 - step + ratios * step)
        odds_row *= (1 - raised) / (1 - step)
        odds_row[..., column : column + 1] = raised
    return planted


def conversion_probabilities(planted: Floats, goal: int) -> Floats:
    """The probability that the goal is reached later in the session, from each state: (..., states).

    Solves h = M h + m: m the probability that the goal comes next, M the matrix among the other states.

    Args:
        planted: (..., states, states + 1) transitions, the last column (end).
        goal: the goal's place among the states.
    """
    among = planted[..., :-1].copy()
    reached = among[..., goal].copy()
    among[..., goal] = 0
    return np.linalg.solve(np.eye(among.shape[-1]) - among, reached[..., None])[..., 0]


def trait_effects(config: TraitConfig, starts: Floats, persona: Ints, traits: Traits) -> pl.DataFrame:
    """What was planted, as rows of truth.effects.

    Args:
        starts: (personas, countries, plans) probabilities that a session converts.
        persona, traits: one entry a session of the log.
    """
    steps = ", ".join(f"{before} > {after}" for before, after in config.conversion_steps)
    each = starts[persona, traits.country]
    taken = each[np.arange(len(persona)), traits.plan]
    is_member = traits.plan == 1
    naive = taken[is_member].mean() - taken[~is_member].mean() if 0 < is_member.sum() < len(persona) else 0.0
    log_odds, difference = f"log odds ratio of each of {steps}", "difference in P(session converts)"
    rows = [
        ("plan_log_odds", np.log(config.member_odds_ratio), log_odds, "plan member, against free"),
        *(
            (f"country_log_odds_{name}", np.log(one.odds_ratio), log_odds, "against the persona's own matrix")
            for name, one in config.countries.items()
        ),
        *(
            (f"plan_member_{name}", one.member_probability, "probability", "plan is member, by country")
            for name, one in config.countries.items()
        ),
        (
            "plan_average_effect",
            float((each[:, 1] - each[:, 0]).mean()),
            difference,
            "mean over the sessions of this log: were their users members, less were they free",
        ),
        (
            "plan_naive_difference",
            float(naive),
            difference,
            "expected of this log: sessions of members, less those of others; biased by the country",
        ),
    ]
    return pl.DataFrame(rows, schema=["effect", "size", "unit", "description"], orient="row")
