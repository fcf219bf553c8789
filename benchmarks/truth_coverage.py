"""Do 95 % intervals hold the truth 95 times in 100? `python -m benchmarks.truth_coverage [worlds [seed]]`

Every world is a small log drawn from a known model; the warehouse's own SQL, as dbt compiles it, estimates
what is known. All worlds are sources of one warehouse in memory. Printed: how many intervals hold the true
value.

A user enters on a day of the log, each as likely. After each active day they leave with probability LEAVE;
else the next active day follows 1, 2 or 3 days later (GAPS). So with u(t) the probability to be active on
day t after the first, u(0) = 1 and u(t) = sum over gaps of (1 - LEAVE) GAPS(g) u(t - g), and the last
active day is t with probability LEAVE u(t).
"""

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from tests.compiled_models import CompiledModels
from tests.pipeline import compile_models

START = datetime(2025, 1, 6)  # a Monday
DAYS = 168
USERS = 400
LEAVE = 0.04
GAPS = {1: 0.5, 2: 0.3, 3: 0.2}
RETENTION_DAYS = (1, 7, 30)
RETENTION_WEEKS = (1, 4)
SURVIVAL_DAYS = (7, 30, 60, 90)
CHURN_DAYS = (56, 70, 84, 98, 112, 126)  # after the log's start: Mondays
CONTINUE = (0.6, 0.75, 0.85, 0.9)  # after episodes 1 to 4
TITLES = 4  # each with viewers of its own
SESSIONS = 150
CHAIN = {
    "(start)": {"home": 0.7, "search": 0.3},
    "home": {"home": 0.1, "search": 0.3, "view": 0.4, "(end)": 0.2},
    "search": {"search": 0.2, "view": 0.6, "(end)": 0.2},
    "view": {"home": 0.2, "view": 0.3, "(end)": 0.5},
}
MODELS = (
    "rpt_overall_retention",
    "fct_survival",
    "rpt_user_churn",
    "rpt_retention_by_episode",
    "rpt_truth_recovery",
)
# What the worlds do not have, with the columns that are read.
EMPTY = {
    "int_user_segments": [
        "source varchar",
        "user_id varchar",
        "segment_name varchar",
        "segment_value varchar",
    ],
    "fct_episode_views": [
        "event_id bigint",
        "user_id bigint",
        "anime_id varchar",
        "episode_number integer",
        "outcome varchar",
        "is_rewatch boolean",
        "has_continued boolean",
    ],
    "stg_truth__viewers": ["user_id bigint", "leave_hazard_per_day double", "leaves_at timestamp"],
    "stg_truth__retention": ["source varchar", "days_since_first integer", "probability double"],
    "stg_truth__episode_choices": ["event_id bigint", "p_continue double"],
}


# Kind of estimate, lower end, true value, upper end.
Interval = tuple[str, float, float, float]


def coverage(intervals: pl.DataFrame) -> pl.DataFrame:
    """Of each kind of estimate: how many intervals there are, and the share of them that holds the truth."""
    # A probability of 0 or 1 may be missed by the last bit.
    is_held = pl.col("true_value").is_between(pl.col("low") - 1e-12, pl.col("high") + 1e-12)
    by_kind = intervals.group_by("kind", maintain_order=True)
    return by_kind.agg(intervals=pl.len().cast(pl.Int64), share=is_held.mean())


def measure(models: CompiledModels, worlds: int, seed: int = 0) -> pl.DataFrame:
    """Draw the worlds; every interval beside its truth, one row each: kind, low, true_value, high."""
    random = np.random.default_rng(seed)
    intervals: list[Interval] = []
    with duckdb.connect() as connection:
        events = pl.concat([_user_events(random, worlds), _chain_events(random, worlds)], how="diagonal")
        models.provide_events(connection, events)
        for name, columns in EMPTY.items():
            nulls = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in map(str.split, columns))
            models.provide(connection, name, f"select {nulls} where false")
        for name, rows in _chain_truth(worlds).items():
            models.provide(connection, name, rows)
        models.build(connection, *MODELS)
        intervals += _retention(connection, models) + _survival(connection, models)
        intervals += _churn(connection, models) + _transitions(connection, models)
    for _ in range(worlds * TITLES):
        intervals += _continuation(random, models)
    return pl.DataFrame(intervals, schema=["kind", "low", "true_value", "high"], orient="row")


def active_shares(days: int) -> np.ndarray:
    """u(0) to u(days)."""
    shares = np.zeros(days + 1)
    shares[0] = 1.0
    for day in range(1, days + 1):
        shares[day] = sum(
            (1 - LEAVE) * share * shares[day - gap] for gap, share in GAPS.items() if gap <= day
        )
    return shares


def still_there(days: int) -> np.ndarray:
    """Probability that the last active day is later than 0 to `days` after the first."""
    return 1 - np.cumsum(LEAVE * active_shares(days))


def true_churn(day: int) -> float:
    """Churned among those at risk, `day` days after the log's start, when any day of entry is as likely."""
    left = LEAVE * active_shares(day)
    since_entry = np.arange(1, day + 1)
    churned = sum(left[max(0, age - 28) : age].sum() for age in since_entry)
    there = sum(1 - left[:age].sum() for age in since_entry)
    return churned / (churned + there)


def _user_events(random: np.random.Generator, worlds: int) -> pl.DataFrame:
    """One event at noon of each active day."""
    users = worlds * USERS
    steps = random.choice(list(GAPS), size=(users, DAYS), p=list(GAPS.values()))
    stays = np.cumprod(random.random((users, DAYS)) >= LEAVE, axis=1, dtype=np.int8)
    days = np.cumsum(steps, axis=1) + random.integers(0, DAYS, users)[:, None]
    days = np.hstack([days[:, :1] - steps[:, :1], days])
    active = np.hstack([np.ones((users, 1), bool), stays.astype(bool)]) & (days < DAYS)
    user, _ = np.nonzero(active)
    return _events(user // USERS, user, days[active] * 86_400 + 43_200, "world")


def _events(world: np.ndarray, user: np.ndarray, seconds: np.ndarray, name: str) -> pl.DataFrame:
    frame = pl.DataFrame({"world": world, "user": user, "seconds": seconds.astype(np.int64)})
    return frame.select(
        source=pl.format(f"{name}_{{}}", "world"),
        user_id=pl.col("user").cast(pl.String),
        event_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(9),
        occurred_at=(pl.lit(START) + pl.duration(seconds="seconds")).cast(pl.Datetime("us")),
    )


def _chain_events(random: np.random.Generator, worlds: int) -> pl.DataFrame:
    """Sessions of a Markov chain, one a user, all in one minute."""
    names = [name for name in CHAIN if name != "(start)"]
    sessions, chosen, state = [], [], np.full(worlds * SESSIONS, "(start)", dtype=object)
    running = np.arange(worlds * SESSIONS)
    while len(running):
        following = np.empty(len(running), dtype=object)
        for name in (*names, "(start)"):
            at = state[running] == name
            options = list(CHAIN[name])
            following[at] = random.choice(options, at.sum(), p=list(CHAIN[name].values()))
        state[running] = following
        running = running[following != "(end)"]
        sessions.append(running)
        chosen.append(state[running])
    session = np.concatenate(sessions)
    return _events(session // SESSIONS, session, np.zeros(len(session)), "chain").with_columns(
        own_session_id="user_id", event_name=pl.Series(np.concatenate(chosen).tolist(), dtype=pl.String)
    )


def _chain_truth(worlds: int) -> dict[str, pl.DataFrame]:
    pairs = [(f, t, p) for f, options in CHAIN.items() for t, p in options.items()]
    transitions = pl.DataFrame(pairs, schema=["from_event", "to_event", "probability"], orient="row")
    sources = pl.DataFrame({"source": [f"chain_{world}" for world in range(worlds)], "persona": "walker"})
    users = pl.DataFrame({"user_id": [str(user) for user in range(worlds * SESSIONS)]})
    return {
        "stg_truth__persona_transitions": sources.join(transitions, how="cross"),
        "stg_truth__personas": users.with_columns(
            source=pl.format("chain_{}", pl.int_range(pl.len()) // SESSIONS), persona=pl.lit("walker")
        ),
    }


def _retention(connection: duckdb.DuckDBPyConnection, models: CompiledModels) -> list[Interval]:
    shares, there = active_shares(DAYS), still_there(DAYS)
    truth = {("day", day): shares[day] for day in RETENTION_DAYS}
    for week in RETENTION_WEEKS:
        # Gaps are shorter than a week: active in it is whoever is still there when it begins.
        before = [7 * week - weekday - 1 for weekday in range(7)]
        truth["week", week] = np.mean(there[before])
    rows = connection.execute(f"""
        select cohort_grain, period_index, retention_rate_low, retention_rate_high
        from {models.relation("rpt_overall_retention")}
        where definition = 'any_event' and source like 'world%'
    """).fetchall()
    return [
        ("retention", low, truth[grain, period], high)
        for grain, period, low, high in rows
        if (grain, period) in truth
    ]


def _survival(connection: duckdb.DuckDBPyConnection, models: CompiledModels) -> list[Interval]:
    there, found = still_there(DAYS), []
    for day in SURVIVAL_DAYS:
        rows = connection.execute(f"""
            select max_by(survival_low, time), max_by(survival_high, time)
            from {models.relation("fct_survival")}
            where source like 'world%' and segment_name = 'all' and time <= {day} group by source
        """).fetchall()
        found += [("survival", low, there[day], high) for low, high in rows]
    return found


def _churn(connection: duckdb.DuckDBPyConnection, models: CompiledModels) -> list[Interval]:
    found = []
    for day in CHURN_DAYS:
        rows = connection.execute(
            f"select churn_rate_low, churn_rate_high from {models.relation('rpt_user_churn')}"
            " where source like 'world%' and as_of_date = ?",
            [(START + timedelta(days=day)).date()],
        ).fetchall()
        found += [("user_churn", low, true_churn(day), high) for low, high in rows]
    return found


def _transitions(connection: duckdb.DuckDBPyConnection, models: CompiledModels) -> list[Interval]:
    return connection.execute(f"""
        select quantity, estimate_low, true_value, estimate_high
        from {models.relation("rpt_truth_recovery")} where quantity = 'transition'
    """).fetchall()


def _continuation(random: np.random.Generator, models: CompiledModels) -> list[Interval]:
    """Each viewer's way through one title of five episodes."""
    goes_on = np.cumprod(random.random((USERS, len(CONTINUE))) < CONTINUE, axis=1).astype(bool)
    reached = np.hstack([np.ones((USERS, 1), bool), goes_on[:, :-1]])
    viewer, step = np.nonzero(reached)
    views = pl.DataFrame(
        {
            "event_id": np.arange(len(viewer)),
            "anime_id": np.full(len(viewer), "t"),
            "episode_number": (step + 1).astype(np.int32),
            "outcome": np.where(goes_on[viewer, step], "continued", "stopped"),
            "is_rewatch": np.zeros(len(viewer), bool),
        }
    )
    with duckdb.connect() as connection:
        models.provide(connection, "fct_episode_views", views)
        models.build(connection, "rpt_retention_by_episode")
        rows = connection.execute(f"""
            select episode_number, continuation_rate_low, continuation_rate_high, survival_low, survival_high
            from {models.relation("rpt_retention_by_episode")}
        """).fetchall()
    found: list[Interval] = []
    for episode, low, high, curve_low, curve_high in rows:
        found.append(("continuation", low, CONTINUE[episode - 1], high))
        found.append(("depth", curve_low, float(np.prod(CONTINUE[:episode])), curve_high))
    return found


def main() -> None:
    worlds, seed = (int(value) for value in (*sys.argv[1:], *("200", "0")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        models = CompiledModels(compile_models(Path(folder), " +".join(MODELS), {}))
        shares = coverage(measure(models, worlds, seed))
    print(f"{worlds} worlds\nestimate        intervals  hold the truth")
    for kind, count, share in shares.iter_rows():
        print(f"{kind:14}  {count:9,}  {share:14.1%}")
    print(f"{'all':14}  {shares['intervals'].sum():9,}  {shares['share'].mean():14.1%}")


if __name__ == "__main__":
    main()
