"""Stream, sessions and user-days: whatever loads came in what order, they are what a full refresh makes."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.warehouse import open_warehouse
from ingest.landing.manifest import current_batches, open_raw, retire_batch, retire_batches
from tests.pipeline import run_dbt

LADDER = ("fct_events", "int_sessions_aggregated", "fct_sessions", "fct_user_days")
GAP = timedelta(minutes=30)
FIRST_DAY = datetime(2024, 2, 28)
FIRST_LOAD = datetime(2025, 1, 1)
WORLDS = 40
STEPS = 3


class Event(NamedTuple):
    event_id: str
    user_id: str
    session_id: str | None
    event_name: str
    occurred_at: datetime


@dataclass(frozen=True)
class Load:
    """Events delivered together; before them, all that its source had is taken away, or its oldest load."""

    step: int
    events: list[Event]
    takes_away: Literal["nothing", "all", "oldest"]
    at_the_same_instant: bool


# Few users, ids and distances, so that ties, events delivered twice and gaps of exactly the threshold abound.
EVENTS = st.builds(
    Event,
    event_id=st.sampled_from("abcdefgh"),
    user_id=st.sampled_from(["u", "v"]),
    session_id=st.sampled_from([None, None, None, None, "own", "u-1"]),
    event_name=st.sampled_from(["home", "view", "purchase"]),
    occurred_at=st.builds(
        lambda days, halves, seconds: (
            FIRST_DAY + timedelta(days=days, hours=23, minutes=30 * halves, seconds=seconds)
        ),
        st.sampled_from([0, 0, 0, 1, 27, 28, 60]),
        st.integers(0, 4),
        st.integers(0, 1),
    ),
)
# What one source delivers, in order; a step without a load is an incremental run that finds nothing new.
WORLD = st.lists(
    st.builds(
        Load,
        step=st.integers(0, STEPS - 1),
        events=st.lists(EVENTS, min_size=1, max_size=6),
        takes_away=st.sampled_from(["nothing", "nothing", "nothing", "all", "oldest"]),
        at_the_same_instant=st.booleans(),
    ),
    max_size=5,
).map(lambda loads: sorted(loads, key=lambda load: load.step))


@contextmanager
def warehouse_in(folder: Path) -> Iterator[None]:
    with patch.dict("os.environ", WAREHOUSE_PATH=str(folder / "ladder.duckdb")):
        yield


def deliver(connection: duckdb.DuckDBPyConnection, source: str, place: int, load: Load, at: datetime) -> None:
    """Land a load as ingest does: an event that the source has already, by its id, is left out."""
    take_away(connection, source, load)
    held = {
        row[0]
        for row in connection.execute("select event_id from raw.events where source = ?", [source]).fetchall()
    }
    events = [event for event in first_of_each_id(load.events) if event[1].event_id not in held]
    batch_id = f"{source}-{place:04}"
    rows = len(events)
    connection.execute(
        """
        insert into raw.load_manifest
        select ?, ?, 'real', 'f', 'f', null, ?, ?, 0, 0, ?, 0, true, null, null, nextval('raw.load_numbers'),
            (select coalesce(max(revision), 0) from raw.load_manifest where source = ?)
        """,
        [batch_id, source, rows, rows, at, source],
    )
    if not events:
        return
    connection.executemany(
        "insert into raw.events values (?, ?, ?, ?, ?, null, ?, null, ?, 'f', ?, ?)",
        [[source, *event[:4], event.occurred_at, batch_id, row_number, at] for row_number, event in events],
    )


def take_away(connection: duckdb.DuckDBPyConnection, source: str, load: Load) -> None:
    if load.takes_away == "all":
        connection.execute("delete from raw.events where source = ?", [source])
        retire_batches(connection, source)
    elif load.takes_away == "oldest" and (batches := current_batches(connection, source)):
        connection.execute("delete from raw.events where _batch_id = ?", [batches[0].batch_id])
        retire_batch(connection, source, batches[0].batch_id)


def first_of_each_id(events: list[Event]) -> list[tuple[int, Event]]:
    """Each with the number of its row."""
    first = {event.event_id: (number, event) for number, event in reversed(list(enumerate(events, start=1)))}
    return sorted(first.values())


def tables() -> dict[str, list[tuple]]:
    with open_warehouse(read_only=True) as connection:
        return {
            name: sorted(connection.execute(f"from {schema_of(name)}.{name}").fetchall(), key=repr)
            for name in LADDER
        }


def schema_of(model: str) -> str:
    return "intermediate" if model.startswith("int_") else "marts"


def received(loads: list[Load]) -> list[Event]:
    """The events that a source has after its loads, in the order of delivery, each as first received."""
    current: list[dict[str, Event]] = []
    for load in loads:
        current = {"nothing": current, "all": [], "oldest": current[1:]}[load.takes_away]
        held = {event_id for of_load in current for event_id in of_load}
        first = {event.event_id: event for _, event in first_of_each_id(load.events)}
        current = [*current, {event_id: event for event_id, event in first.items() if event_id not in held}]
    return [event for of_load in current for event in of_load.values()]


def sessions_of(events: list[Event]) -> set[tuple]:
    """User, kind and name of session, start, end, events, path, conversion: by the definition."""
    sessions: dict[tuple[str, bool, str], list[Event]] = defaultdict(list)
    last: dict[str, datetime] = {}
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
    current: dict[str, int] = {}
    for event in sorted(events, key=lambda event: event.occurred_at):
        user = event.user_id
        if event.session_id is None:
            if user not in last or event.occurred_at - last[user] > GAP:
                current[user] = next(numbers[user])
            last[user] = event.occurred_at
        is_own = event.session_id is not None
        sessions[user, is_own, event.session_id or f"{user}-{current[user]}"].append(event)
    has_goal = any(event.event_name == "purchase" for event in events)
    return {
        (
            user,
            is_own,
            session,
            of_session[0].occurred_at,
            of_session[-1].occurred_at,
            len(of_session),
            " > ".join(event.event_name for event in of_session),
            any(event.event_name == "purchase" for event in of_session) if has_goal else None,
        )
        for (user, is_own, session), of_session in sessions.items()
    }


def days_of(events: list[Event], time_zone: str = "UTC") -> set[tuple]:
    """User, day, first day, events and history: by the definition, day by day."""
    active: dict[str, list[date]] = defaultdict(list)
    for event in events:
        local = event.occurred_at.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone))
        active[event.user_id].append(local.date())
    return {
        (
            user,
            day,
            min(days),
            days.count(day),
            sum(1 << (day - other).days for other in set(days) if 0 <= (day - other).days < 28),
        )
        for user, days in active.items()
        for day in days
    }


def assert_by_the_definitions(expected: dict[str, list[Event]], time_zone: str = "UTC") -> None:
    sessions, days = defaultdict(set), defaultdict(set)
    with open_warehouse(read_only=True) as connection:
        for source, *row in connection.execute("""
            select
                source, user_id, is_own_session, session_id,
                started_at, ended_at, events_count, path, has_converted
            from marts.fct_sessions
        """).fetchall():
            sessions[source].add(tuple(row))
        for source, *row in connection.execute("""
            select source, user_id, activity_date, first_active_date, events_count, history_28
            from marts.fct_user_days
        """).fetchall():
            days[source].add(tuple(row))
    for source, events in expected.items():
        assert sessions[source] == sessions_of(events), source
        assert days[source] == days_of(events, time_zone), source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose warehouse has the staging views, and dbt's parsed project beside it."""
    path = tmp_path_factory.mktemp("ladder")
    with warehouse_in(path):
        with open_raw():
            pass
        run_dbt("run", path / "dbt", "--select", "+int_events_unioned", "stg_ingest__loads")
    return path


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(worlds=st.lists(WORLD, min_size=WORLDS, max_size=WORLDS), starts_empty=st.booleans())
def test_after_any_loads_the_ladder_is_what_a_full_refresh_makes(
    folder: Path, worlds: list[list[Load]], starts_empty: bool
) -> None:
    """Many small sources at once, since they don't touch each other and each dbt run costs a second."""
    select = ("--select", *LADDER)
    clock = (FIRST_LOAD + timedelta(microseconds=tick) for tick in count())
    newest: dict[int, datetime] = {}
    with warehouse_in(folder):
        with open_warehouse() as connection:
            connection.execute(
                "truncate raw.events; truncate raw.load_manifest; drop schema if exists marts cascade"
            )
        if starts_empty:
            run_dbt("run", folder / "dbt", *select, "--empty")
        for step in range(STEPS):
            with open_warehouse() as connection:
                for number, world in enumerate(worlds):
                    for place, load in enumerate(world):
                        if load.step == step:
                            if not (load.at_the_same_instant and number in newest):
                                newest[number] = next(clock)
                            deliver(connection, f"world-{number:03}", place, load, newest[number])
            run_dbt("run", folder / "dbt", *select)
        grown = tables()
        assert_by_the_definitions(
            {f"world-{number:03}": received(world) for number, world in enumerate(worlds)}
        )
        run_dbt("run", folder / "dbt", *select, "--full-refresh")
        assert grown == tables()


def test_the_day_of_a_zoned_log_is_the_zones(folder: Path) -> None:
    """Every hour round both changes of the clock in 2025."""
    zone = "America/New_York"
    events = [
        Event(f"{start:%m%d}-{hour}", "u", None, "home", start + timedelta(hours=hour))
        for start in (datetime(2025, 3, 8), datetime(2025, 11, 1))
        for hour in range(72)
    ]
    load = Load(step=0, events=events, takes_away="nothing", at_the_same_instant=False)
    with warehouse_in(folder):
        with open_warehouse() as connection:
            connection.execute("truncate raw.events; truncate raw.load_manifest")
            deliver(connection, "zoned", 0, load, FIRST_LOAD)
        run_dbt(
            "run",
            folder / "zoned",
            "--full-refresh",
            "--select",
            *LADDER,
            "--vars",
            json.dumps({"reporting_time_zone": zone}),
        )
        assert_by_the_definitions({"zoned": events}, zone)


def test_a_ladder_of_an_older_version_is_told_what_to_do(folder: Path) -> None:
    load = Load(
        step=0,
        events=[Event("a", "u", None, "home", FIRST_DAY)],
        takes_away="nothing",
        at_the_same_instant=False,
    )
    select = ("--select", "fct_events")
    with warehouse_in(folder):
        with open_warehouse() as connection:
            connection.execute("truncate raw.events; truncate raw.load_manifest")
            deliver(connection, "shop", 0, load, FIRST_LOAD)
        run_dbt("run", folder / "old", *select, "--full-refresh")
        with open_warehouse() as connection:
            connection.execute("alter table marts.fct_events drop column settings")
        with pytest.raises(AssertionError, match="older version: run `dbt build --full-refresh` once"):
            run_dbt("run", folder / "old", *select)
        run_dbt("run", folder / "old", *select, "--full-refresh")
