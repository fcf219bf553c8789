"""A clickstream whose truth is known: users of planted personas walk through a shop.

The statistical model (its parameters: config.toml). For user u, all draws independent:

- persona_u by share; channel_u by the persona's shares; favourite device by share; country_u by share,
  plan_u by the country's probability.
- The first session begins at a Beta-distributed position in the log. After each session the user comes back
  with the persona's probability, after a rest plus a lognormal gap from the session before; a session that
  would begin after the log's end, and all after it, do not happen. A session once begun is always whole.
- A session is a Markov chain from (start) to (end), lognormal seconds apart, with the persona's matrix, in
  which country and plan multiply the odds of the steps towards a purchase (traits.py).
- Each view_item draws an item by Zipf-Mandelbrot; a cart, checkout or purchase is of the item viewed last.
"""

import tomllib
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingest.making.clickstream.traits import (
    PLANS,
    Country,
    TraitConfig,
    Traits,
    conversion_probabilities,
    draw_traits,
    plant,
    trait_effects,
)

CONFIG_FILE = Path(__file__).with_name("config.toml")
START, END = "(start)", "(end)"
DAY_SECONDS = 86_400
RETENTION_USERS, RETENTION_DAYS = 30_000, 60
ITEM_EVENTS = ("view_item", "add_to_cart", "checkout", "purchase")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Persona:
    share: float
    return_probability: float
    gap_median_days: float
    gap_sigma: float
    channel_shares: list[float]
    transitions: dict[str, dict[str, float]]


@dataclass(frozen=True)
class ClickstreamConfig:
    """All parameters; their meaning and units stand in config.toml."""

    users: int
    days: int
    start: datetime
    items: int
    item_exponent: float
    item_offset: float
    first_alpha: float
    first_beta: float
    step_median_seconds: float
    step_sigma: float
    step_most_seconds: float
    rest_hours: float
    events: list[str]
    channels: list[str]
    devices: list[str]
    device_shares: list[float]
    favourite_share: float
    traits: TraitConfig
    personas: dict[str, Persona]


@dataclass(frozen=True)
class Clickstream:
    """The log as an analyst gets it, and what only the simulator knows."""

    events: pl.DataFrame
    personas: pl.DataFrame
    transitions: pl.DataFrame
    retention: pl.DataFrame
    effects: pl.DataFrame
    outlooks: pl.DataFrame


@dataclass(frozen=True)
class _Sessions:
    """One entry a session, in the order of users and time: seconds are since the log's start."""

    user: Ints
    number: Ints
    begins: Floats


@dataclass(frozen=True)
class _Walks:
    """What is drawn: `persona` and `traits` have an entry a user; the last four, one an event.

    `matrices` are those of traits.plant. `session` is a place in `sessions`; `at` is in milliseconds since
    the log's start.
    """

    persona: Ints
    traits: Traits
    matrices: Floats
    sessions: _Sessions
    session: Ints
    step: Ints
    event: Ints
    at: Ints


@cache
def load_config() -> ClickstreamConfig:
    """Read config.toml; a key too many or too few is a TypeError that names it."""
    values = tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    personas = {name: Persona(**persona) for name, persona in values.pop("personas").items()}
    traits = values.pop("traits")
    countries = {name: Country(**country) for name, country in traits.pop("countries").items()}
    return ClickstreamConfig(**values, personas=personas, traits=TraitConfig(**traits, countries=countries))


def simulate_clickstream(config: ClickstreamConfig, seed: int) -> Clickstream:
    """Draw a log: the same for the same config and seed, its events in the order of time."""
    random = np.random.default_rng(seed)
    walks = _walks(config, random)
    personas = list(config.personas.values())
    channel = _choose(random, np.array([one.channel_shares for one in personas]), walks.persona)
    sessions = walks.sessions
    user = sessions.user[walks.session]
    columns = {
        "user": user,
        "session_number": sessions.number[walks.session],
        "step": walks.step,
        "event": walks.event,
        "at": walks.at,
        "channel": channel[user],
        "country": walks.traits.country[user],
        "plan": walks.traits.plan[user],
        "device": _devices(config, random, sessions)[walks.session],
        "item": _choose_items(config, random, len(user)),
    }
    names = pl.DataFrame({"user_id": [f"u{number:05d}" for number in range(config.users)]})
    events, outlooks = _log(config, pl.DataFrame(columns | {"p_converts": _outlooks(config, walks)}))
    return Clickstream(
        events=events,
        personas=names.with_columns(persona=pl.Series([list(config.personas)[one] for one in walks.persona])),
        transitions=_transitions(config, walks),
        retention=_retention(config, np.random.default_rng([seed, 1])),
        effects=_effects(config, walks),
        outlooks=outlooks,
    )


def _walks(config: ClickstreamConfig, random: np.random.Generator) -> _Walks:
    """Who the users are, when they come, and what they do."""
    personas = list(config.personas.values())
    persona = random.choice(len(personas), config.users, p=[one.share for one in personas])
    sessions = _sessions(config, random, persona)
    traits = draw_traits(config.traits, random, config.users)
    matrices = plant(config.traits, np.stack([_matrix(config, one) for one in personas]), config.events)
    group = _groups(matrices, persona, traits)[sessions.user]
    session, step, event = _walk(random, matrices.reshape(-1, *matrices.shape[3:]), group)
    begins = sessions.begins[session] + _seconds_in_session(config, random, step)
    at = np.floor(begins * 1_000).astype(np.int64)
    return _Walks(persona, traits, matrices, sessions, session, step, event, at)


def _groups(matrices: Floats, persona: Ints, traits: Traits) -> Ints:
    """Which of the matrices, one after the other, each user walks by."""
    return np.ravel_multi_index((persona, traits.country, traits.plan), matrices.shape[:3])


def _retention(config: ClickstreamConfig, random: np.random.Generator) -> pl.DataFrame:
    """The share active so many days after their first, among far more users than the log has.

    Gaps are lognormal and days end at midnight, so no formula is simple. Standard error: below 0.3 points.
    """
    walks = _walks(replace(config, users=RETENTION_USERS), random)
    day = pl.col("at") // (DAY_SECONDS * 1_000)
    days = pl.DataFrame({"user": walks.sessions.user[walks.session], "at": walks.at}).select("user", day=day)
    within = days.unique().filter(pl.col("day") < config.days)
    since_first = within.with_columns(first=pl.col("day").min().over("user"))
    members = since_first.filter(pl.col("day") == pl.col("first"))["first"].to_numpy()
    active = since_first.select(n=pl.col("day") - pl.col("first"))["n"].value_counts()
    counts = dict(active.iter_rows())
    rows = [
        (number, counts.get(number, 0) / int((members + number < config.days).sum()))
        for number in range(1, min(RETENTION_DAYS, config.days - 1) + 1)
    ]
    return pl.DataFrame(rows, schema=["days_since_first", "probability"], orient="row")


def _sessions(config: ClickstreamConfig, random: np.random.Generator, persona: Ints) -> _Sessions:
    """Each user's sessions, one round of returns after the other."""
    personas = list(config.personas.values())
    returning = np.array([one.return_probability for one in personas])[persona]
    median = np.array([one.gap_median_days for one in personas])[persona]
    sigma = np.array([one.gap_sigma for one in personas])[persona]
    length = config.days * DAY_SECONDS
    user = np.arange(config.users)
    begins = random.beta(config.first_alpha, config.first_beta, config.users) * length
    rounds: list[tuple[Ints, Ints, Floats]] = []
    while len(user):
        rounds.append((user, np.full(len(user), len(rounds) + 1), begins))
        days = median[user] * np.exp(sigma[user] * random.standard_normal(len(user)))
        begins = begins + config.rest_hours * 3_600 + days * DAY_SECONDS
        comes = (random.random(len(user)) < returning[user]) & (begins < length)
        user, begins = user[comes], begins[comes]
    users, numbers, times = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    order = np.lexsort((numbers, users))
    return _Sessions(users[order], numbers[order], times[order])


def _walk(random: np.random.Generator, matrices: Floats, group: Ints) -> tuple[Ints, Ints, Ints]:
    """All sessions step by step until each has ended: session, step from 0, and event, in this order.

    States are (start), the events, (end); an event's number is its state less one.
    """
    end = matrices.shape[2] - 1
    session, state = np.arange(len(group)), np.zeros(len(group), np.int64)
    steps: list[tuple[Ints, Ints, Ints]] = []
    while True:
        state = _choose(random, matrices[group[session]], state)
        session, state = session[state != end], state[state != end]
        if not len(session):
            break
        steps.append((session, np.full(len(session), len(steps)), state - 1))
    sessions, numbers, events = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    order = np.lexsort((numbers, sessions))
    return sessions[order], numbers[order], events[order]


def _choose(random: np.random.Generator, probabilities: Floats, row: Ints) -> Ints:
    """Draw from a row of probabilities for each entry of `row`; a third axis gives each rows of its own."""
    chosen = probabilities[row] if probabilities.ndim == 2 else probabilities[np.arange(len(row)), row]
    bounds = chosen.cumsum(axis=1)
    return (random.random((len(row), 1)) * bounds[:, -1:] >= bounds).sum(axis=1)


def _seconds_in_session(config: ClickstreamConfig, random: np.random.Generator, step: Ints) -> Floats:
    """Seconds from a session's begin to each of its events, at least a millisecond apart."""
    waits = config.step_median_seconds * np.exp(config.step_sigma * random.standard_normal(len(step)))
    waits = np.clip(waits, 0.001, config.step_most_seconds)
    waits[step == 0] = 0
    total = waits.cumsum()
    begin = np.maximum.accumulate(np.where(step == 0, np.arange(len(step)), 0))
    return total - total[begin]


def _devices(config: ClickstreamConfig, random: np.random.Generator, sessions: _Sessions) -> Ints:
    count = len(config.devices)
    favourite = random.choice(count, config.users, p=config.device_shares)[sessions.user]
    other = random.choice(count, len(sessions.user), p=config.device_shares)
    return np.where(random.random(len(sessions.user)) < config.favourite_share, favourite, other)


def _choose_items(config: ClickstreamConfig, random: np.random.Generator, count: int) -> Ints:
    weights = (np.arange(config.items) + config.item_offset) ** -config.item_exponent
    return random.choice(config.items, count, p=weights / weights.sum()) + 1


def _log(config: ClickstreamConfig, drawn: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What was drawn, as the columns of raw.events, and as those of truth.conversion_outlooks."""
    event = pl.lit(pl.Series(config.events)).gather(pl.col("event"))
    session = ["user", "session_number"]
    viewed = pl.when(event == "view_item").then(pl.col("item")).forward_fill().over(session, order_by="step")
    named = drawn.with_columns(
        event_name=event,
        item=pl.when(event.is_in(ITEM_EVENTS)).then(viewed),
        channel=pl.lit(pl.Series(config.channels)).gather(pl.col("channel")),
        country=pl.lit(pl.Series(list(config.traits.countries))).gather(pl.col("country")),
        plan=pl.lit(pl.Series(PLANS)).gather(pl.col("plan")),
        device=pl.lit(pl.Series(config.devices)).gather(pl.col("device")),
    ).sort("at", "user", "step")
    user_id = pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(5))
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    event_id = pl.format("e{}", number.cast(pl.String).str.zfill(7))
    events = named.select(
        event_id=event_id,
        user_id=user_id,
        session_id=pl.format("{}-{}", user_id, pl.col("session_number")),
        event_name="event_name",
        item_id=pl.format("item-{}", pl.col("item").cast(pl.String).str.zfill(3)),
        occurred_at=pl.lit(config.start).cast(pl.Datetime("us")) + pl.duration(milliseconds="at"),
        properties=pl.struct("channel", "country", "device", "plan").struct.json_encode(),
        _row_number=number,
    )
    return events, named.select("p_converts", event_id=event_id)


def _matrix(config: ClickstreamConfig, persona: Persona) -> Floats:
    """Probabilities from each state but (end), the rows, to each state; rows add up to one."""
    states = [START, *config.events, END]
    matrix = np.array([[persona.transitions[a].get(b, 0.0) for b in states] for a in states[:-1]])
    if not np.allclose(matrix.sum(axis=1), 1) or persona.transitions.keys() - set(states[:-1]):
        raise ValueError("config.toml: a persona's transitions are unknown or do not add up to 1")
    return matrix


def _transitions(config: ClickstreamConfig, walks: _Walks) -> pl.DataFrame:
    """Each persona's matrix: the mean of those its users walk by, by how often the log leaves a state."""
    personas, matrices = len(config.personas), walks.matrices
    states = [START, *config.events, END]
    group = _groups(matrices, walks.persona, walks.traits)[walks.sessions.user]
    counted = np.zeros((matrices[..., 0, 0].size, len(states) - 1))
    np.add.at(counted, (group, 0), 1)
    np.add.at(counted, (group[walks.session], walks.event + 1), 1)
    # What the log never leaves has a mean, too, of all matrices alike.
    weights = counted.reshape(personas, -1, len(states) - 1, 1) + np.finfo(float).tiny
    each = matrices.reshape(personas, -1, *matrices.shape[3:])
    means = (weights * each).sum(axis=1) / weights.sum(axis=1)
    rows = [
        (name, before, after, means[place, row, column])
        for place, name in enumerate(config.personas)
        for row, before in enumerate(states[:-1])
        for column, after in enumerate(states)
        if after != START
    ]
    return pl.DataFrame(rows, schema=["persona", "from_event", "to_event", "probability"], orient="row")


def _conversion(config: ClickstreamConfig, walks: _Walks) -> Floats:
    """By persona, country, plan and state: the probability that the goal comes later in the session."""
    return conversion_probabilities(walks.matrices, config.events.index(config.traits.goal) + 1)


def _outlooks(config: ClickstreamConfig, walks: _Walks) -> Floats:
    """One entry an event: the probability that the goal comes after it in its session."""
    user = walks.sessions.user[walks.session]
    group = _groups(walks.matrices, walks.persona, walks.traits)[user]
    by_group = _conversion(config, walks).reshape(-1, len(config.events) + 1)
    return by_group[group, walks.event + 1]


def _effects(config: ClickstreamConfig, walks: _Walks) -> pl.DataFrame:
    user = walks.sessions.user
    traits = Traits(walks.traits.country[user], walks.traits.plan[user])
    return trait_effects(config.traits, _conversion(config, walks)[..., 0], walks.persona[user], traits)
