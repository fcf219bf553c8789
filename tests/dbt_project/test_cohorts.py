"""Cohort retention against an independent computation, on random logs and on the real one."""

from datetime import datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame
from tests.dbt_project.event_logs import FIRST_DAY, movielens_log, random_log, user_dates

GRAINS = {"day": "1d", "week": "1w", "month": "1mo"}
FIRST_DAY_OF_LOG = datetime.combine(FIRST_DAY, time())
# Periods kept after that of the entry, and those within which "on or after" looks for a return.
KEPT = {"day": 90, "week": 104, "month": 60}
FOLLOW_UP = {"day": 28, "week": 4, "month": 3}


@pytest.fixture(scope="module")
def models(built_warehouse: Path) -> CompiledModels:
    return CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")


def definition(name: str, **said: str) -> dict[str, str]:
    """A row of the seed: any event, first time, calendar, unless said otherwise."""
    usual = dict.fromkeys(("entry_event", "return_event", "description"), "")
    usual |= {f"{grain}s_kept": "" for grain in GRAINS} | {f"follow_up_{grain}s": "" for grain in GRAINS}
    return usual | {"definition": name, "cohort_mode": "first_time", "period_mode": "calendar"} | said


def retention(models: CompiledModels, events: pl.DataFrame, *definitions: dict[str, str]) -> pl.DataFrame:
    """`fct_cohort_retention` of a log; with the project's own definitions, any_event of them."""
    with duckdb.connect() as connection:
        models.provide_events(connection, events)
        if definitions:
            models.provide(connection, "retention_definitions", pl.DataFrame(definitions))
        models.build(connection, "fct_cohort_retention")
        found = read_frame(connection, f"from {models.relation('fct_cohort_retention')}")
    return found if definitions else found.filter(definition="any_event")


def by_polars(events: pl.DataFrame, grain: str) -> pl.DataFrame:
    """The same by polars, from distinct users and periods."""
    every = GRAINS[grain]
    period = pl.col("occurred_at").dt.truncate(every).dt.date()
    seen = events.select("user_id", period=period).unique()
    entered = seen.group_by("user_id").agg(cohort_date=pl.col("period").min())
    last_day = events["occurred_at"].max().date()
    calendar = pl.date_range(seen["period"].min(), seen["period"].max(), interval=every, eager=True)
    periods = pl.DataFrame({"period": calendar}).with_row_index("number")
    cells = entered.group_by("cohort_date").agg(cohort_size=pl.len()).join(periods, how="cross")
    cells = cells.filter(pl.col("period") >= pl.col("cohort_date"))
    numbered = seen.join(entered, on="user_id").join(periods, on="period")
    on = numbered.group_by("cohort_date", "period").agg(active_count=pl.len())
    # Every period that a return is looked for from, back from the return.
    after = (
        numbered.filter(pl.col("period") > pl.col("cohort_date"))
        .with_columns(back=pl.lit(list(range(FOLLOW_UP[grain]))))
        .explode("back")
        .with_columns(number=(pl.col("number").cast(pl.Int64) - pl.col("back")))
        .select("user_id", "cohort_date", "number")
        .unique()
        .group_by("cohort_date", "number")
        .agg(active_on_or_after_count=pl.len())
    )
    return (
        cells.with_columns(pl.col("number").cast(pl.Int64))
        .join(on, on=["cohort_date", "period"], how="left")
        .join(after, on=["cohort_date", "number"], how="left")
        .with_columns(
            pl.col("active_count", "active_on_or_after_count").fill_null(0),
            period_index=(pl.col("period").rank("dense").over("cohort_date") - 1).cast(pl.Int32),
            is_complete=pl.col("period").dt.offset_by(every) <= last_day,
            is_followed_up=pl.col("period").dt.offset_by(f"{FOLLOW_UP[grain]}{every[1:]}") <= last_day,
        )
        .with_columns(
            active_on_or_after_count=pl.when(pl.col("period_index") == 0)
            .then("cohort_size")
            .otherwise("active_on_or_after_count"),
            periods_cut_count=(pl.col("period_index").max().over("cohort_date") - KEPT[grain]).clip(0),
        )
        .filter(pl.col("period_index") <= KEPT[grain])
        .sort("cohort_date", "period_index")
    )


def assert_equal_to_polars(found: pl.DataFrame, events: pl.DataFrame) -> None:
    for grain in GRAINS:
        rows = found.filter(cohort_grain=grain).sort("cohort_date", "period_index")
        expected = by_polars(events, grain)
        assert rows.height == expected.height > 0
        for column in ("cohort_date", "period_index", "cohort_size", "is_complete", "periods_cut_count"):
            assert rows[column].to_list() == expected[column].to_list(), (grain, column)
        for column, known in (
            ("active_count", "is_complete"),
            ("active_on_or_after_count", "is_followed_up"),
        ):
            told = pl.when(pl.col(known) | (pl.col("period_index") == 0)).then(column)
            assert rows[column].to_list() == expected.select(told)[column].to_list(), (grain, column)


@pytest.mark.parametrize("seed", range(5))
def test_cohort_tables_equal_polars_on_random_logs(models: CompiledModels, seed: int) -> None:
    events = random_log(seed)
    assert_equal_to_polars(retention(models, events), events)


def test_cohort_tables_equal_polars_on_the_real_log(models: CompiledModels, shared_data: Path) -> None:
    events = movielens_log(shared_data / "ml-latest-small")
    assert_equal_to_polars(retention(models, events), events)


def test_same_day_returns_are_second_events(models: CompiledModels) -> None:
    events = random_log(11)
    found = retention(models, events).filter(cohort_grain="day", period_index=0)
    expected: dict = {}
    for user, days in user_dates(events).items():
        of_user = events.filter(pl.col("user_id") == user)
        first = of_user.filter(pl.col("occurred_at").dt.date() == days[0]).height
        expected[days[0]] = expected.get(days[0], 0) + (first > 1)
    rows = {row["cohort_date"]: row for row in found.iter_rows(named=True)}
    assert {day: row["same_period_return_count"] for day, row in rows.items() if row["is_complete"]} == {
        day: count for day, count in expected.items() if rows[day]["is_complete"]
    }


def test_the_edges_of_a_log(models: CompiledModels) -> None:
    """One user, one event: one open period. No event: no row."""
    one = random_log(1).head(1)
    found = retention(models, one)
    assert found["cohort_grain"].sort().to_list() == ["day", "month", "week"]
    assert found["active_count"].to_list() == found["cohort_size"].to_list() == [1, 1, 1]
    assert not found["is_complete"].any()
    assert retention(models, one.clear()).is_empty()


def test_on_or_after_does_not_depend_on_the_length_of_the_log(models: CompiledModels) -> None:
    """What the shorter log knows, the longer one tells alike."""
    events = random_log(2)
    cut = events.filter(pl.col("occurred_at") < FIRST_DAY_OF_LOG + timedelta(days=100))
    keys = ["cohort_grain", "cohort_date", "period_index"]
    short, long = retention(models, cut), retention(models, events)
    known = short.drop_nulls("active_on_or_after_count").filter(pl.col("period_index") > 0)
    both = known.join(long, on=keys, suffix="_long")
    assert both.height == known.height > 200
    assert both["active_on_or_after_count"].sum() > 100
    for column in ("cohort_size", "active_count", "active_on_or_after_count"):
        if column == "cohort_size":
            both = both.filter(pl.col("cohort_size") == pl.col("cohort_size_long"))
        assert both[column].to_list() == both[f"{column}_long"].to_list()


def test_definitions_stand_side_by_side_and_do_not_touch_each_other(models: CompiledModels) -> None:
    events = random_log(4)
    bought = definition("bought", entry_event="purchase", return_event="purchase", days_kept="7")
    alone = retention(models, events, definition("any_event"))
    both = retention(models, events, definition("any_event"), bought)
    keys = ["definition", "cohort_grain", "cohort_date", "period_index"]
    assert both.filter(definition="any_event").sort(keys).equals(alone.sort(keys))
    found = both.filter(definition="bought").drop("definition")
    purchases = retention(models, events.filter(event_name="purchase"), definition("any_event"))
    columns = ["cohort_grain", "cohort_date", "period_index", "cohort_size"]
    kept = (pl.col("cohort_grain") != "day") | (pl.col("period_index") <= 7)
    # The log of purchases alone ends earlier, no more than that differs.
    expected = purchases.filter(kept).drop_nulls("active_count")
    joined = expected.join(found, on=columns, suffix="_found")
    assert joined.height == expected.height > 100
    assert joined["active_count"].to_list() == joined["active_count_found"].to_list()


def test_the_users_behind_every_cell_can_be_listed(models: CompiledModels) -> None:
    """Each cell, of any grain and definition, counts the rows of the one query."""
    definitions = [
        definition("any_event"),
        definition("bought", entry_event="visit", return_event="purchase"),
        definition("rolling", period_mode="rolling", cohort_mode="recurring"),
    ]
    with duckdb.connect() as connection:
        models.provide_events(connection, random_log(6))
        models.provide(connection, "retention_definitions", pl.DataFrame(definitions))
        models.build(connection, "fct_cohort_retention")
        cells, wrong = connection.execute(f"""
            with behind as (
                select * exclude (user_id, previous_period_index), count(distinct user_id) as users
                from {models.relation("int_cohort_returns")}
                group by all
            )
            select count(*), count(*) filter (where coalesce(behind.users, 0) <>
                case when period_index = 0 then same_period_return_count else active_count end)
            from {models.relation("fct_cohort_retention")} as cells
            left join behind using (definition, source, cohort_grain, cohort_date, period_index)
            where is_complete
        """).fetchone()
    assert cells > 10_000
    assert wrong == 0


def test_rolling_windows_equal_a_count_by_hand(models: CompiledModels) -> None:
    """Recurring visitors who purchase, every entry's windows one by one: 24 hours each, whole ones only."""
    events = random_log(7, users=25, days=40)
    visited = definition(
        "visited",
        entry_event="visit",
        return_event="purchase",
        cohort_mode="recurring",
        period_mode="rolling",
    )
    found = retention(models, events, visited).filter(cohort_grain="day")
    end = events["occurred_at"].max()
    window = timedelta(days=1)
    entries: dict = {}
    purchases: dict[str, list[tuple[datetime, int]]] = {}
    ordered = events.with_row_index("number").sort("occurred_at", "number").iter_rows(named=True)
    for row in ordered:
        at = row["occurred_at"]
        if row["event_name"] == "purchase":
            purchases.setdefault(row["user_id"], []).append((at, row["number"]))
        else:
            entries.setdefault((at.date(), row["user_id"]), (at, row["number"]))
    cohorts: dict = {}
    for (day, user), entry in entries.items():
        cohorts.setdefault(day, []).append((entry, purchases.get(user, [])))
    assert found["cohort_date"].unique().sort().to_list() == sorted(cohorts)
    for row in found.iter_rows(named=True):
        members = cohorts[row["cohort_date"]]
        index = row["period_index"]
        assert row["cohort_size"] == len(members)
        complete = all(entry[0] + (index + 1) * window <= end for entry, _ in members)
        assert row["is_complete"] == complete
        returned = [
            {int((bought[0] - entry[0]) / window) for bought in bought_at if bought > entry}
            for entry, bought_at in members
        ]
        if index == 0:
            assert row["active_count"] == len(members)
            expected = sum(0 in periods for periods in returned) if complete else None
            assert row["same_period_return_count"] == expected
        elif complete:
            assert row["active_count"] == sum(index in periods for periods in returned)
            followed_up = all(entry[0] + (index + 28) * window <= end for entry, _ in members)
            expected = sum(any(index <= period < index + 28 for period in periods) for periods in returned)
            assert row["active_on_or_after_count"] == (expected if followed_up else None)
        else:
            assert row["active_count"] is None


def test_overall_retention_weighs_cohorts_by_size(
    built_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as connection:
        rows = connection.execute("""
            select overall.members_count, overall.active_count, retention_rate_low, retention_rate_high,
                sum(cells.cohort_size), sum(cells.active_count)
            from marts.rpt_overall_retention as overall
            inner join marts.fct_cohort_retention as cells
                using (definition, source, cohort_grain, period_index)
            where cells.is_complete and source = 'viewing'
            group by all
        """).fetchall()
    assert len(rows) > 100
    for members, active, low, high, size_sum, active_sum in rows:
        assert (members, active) == (size_sum, active_sum)
        assert (low, high) == pytest.approx(proportion_confint(active, members, method="wilson"), abs=1e-12)
