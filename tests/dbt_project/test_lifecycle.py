"""Lifecycle and activity frequency against a computation day by day and user by user."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels
from tests.dbt_project.event_logs import FIRST_DAY, random_log, user_dates
from tests.pipeline import compile_models

DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=[28, 7, 40])
def models(
    request: pytest.FixtureRequest, built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, CompiledModels]:
    """The window after which a user is dormant, and the models made with it."""
    if request.param == 28:
        return 28, CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")
    folder = tmp_path_factory.mktemp("window")
    variables = {"lifecycle_window_days": request.param}
    return request.param, CompiledModels(compile_models(folder, "fct_lifecycle_daily", variables))


def day_by_day(users: dict[str, list[date]], window: int) -> dict[date, tuple[int, ...]]:
    """New, retained, resurrected, dormant, DAU, WAU, MAU of each day."""
    every_day = [day for days in users.values() for day in days]
    found = {}
    day = min(every_day)
    while day <= max(every_day):
        counts = [0] * 7
        for days in users.values():
            past = [past for past in days if past < day]
            silent = (day - past[-1]).days if past else None
            if day in days:
                counts[0 if silent is None else 1 if silent <= window else 2] += 1
                counts[4] += 1
            elif silent == window:
                counts[3] += 1
            counts[5] += any(day - 7 * DAY < other <= day for other in days)
            counts[6] += any(day - 28 * DAY < other <= day for other in days)
        found[day] = tuple(counts)
        day += DAY
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_lifecycle_equals_a_count_day_by_day(models: tuple[int, CompiledModels], seed: int) -> None:
    window, compiled = models
    events = random_log(seed, users=40, days=150)
    with duckdb.connect() as connection:
        compiled.provide_events(connection, events)
        compiled.build(connection, "fct_lifecycle_daily")
        rows = connection.execute(f"""
            select activity_date, new_count, retained_count, resurrected_count, dormant_count, dau, wau, mau
            from {compiled.relation("fct_lifecycle_daily")} order by activity_date
        """).fetchall()
    expected = day_by_day(user_dates(events), window)
    assert {row[0]: row[1:] for row in rows} == expected
    assert any(counts[2] for counts in expected.values())
    assert any(counts[3] for counts in expected.values())


def test_activity_frequency_equals_a_count_user_by_user(built_warehouse: Path) -> None:
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")
    events = random_log(3)
    users = user_dates(events)
    with duckdb.connect() as connection:
        models.provide_events(connection, events)
        models.build(connection, "fct_activity_frequency")
        rows = connection.execute(f"""
            select window_end_date, active_days_count, users_count, is_complete
            from {models.relation("fct_activity_frequency")}
        """).fetchall()
    first = min(days[0] for days in users.values())
    ends = {row[0] for row in rows}
    assert all(end.isoweekday() == 7 for end in ends)
    assert len(rows) == 28 * len(ends) > 28 * 10
    for end, active_days, count, is_complete in rows:
        in_window = [sum(end - 28 * DAY < day <= end for day in days) for days in users.values()]
        assert count == in_window.count(active_days)
        assert is_complete == (end - 27 * DAY >= first)
    assert FIRST_DAY.isoweekday() == 1


def test_active_users_of_the_viewing_log_are_distinct_viewers(
    built_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as connection:
        wrong, days = connection.execute("""
            with counted as (
                select days.activity_date, days.mau, count(distinct views.user_id) as users_count
                from marts.fct_lifecycle_daily as days
                inner join raw.viewing_events as views
                    on cast(views.started_at as date) between days.activity_date - 27 and days.activity_date
                where days.source = 'viewing'
                group by all
            )
            select count(*) filter (where mau <> users_count), count(*) from counted
        """).fetchone()
    assert (wrong, days) == (0, 180)
