"""Cohort retention against an independent computation, on random logs and on the real one."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame
from tests.dbt_project.event_logs import movielens_log, random_log, user_dates
from tests.pipeline import compile_models

GRAINS = {"day": "1d", "week": "1w", "month": "1mo"}


@pytest.fixture(scope="module")
def models(built_warehouse: Path) -> CompiledModels:
    return CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")


def retention(models: CompiledModels, events: pl.DataFrame) -> pl.DataFrame:
    """`fct_cohort_retention` of a log."""
    with duckdb.connect() as connection:
        models.provide_events(connection, events)
        models.build(connection, "fct_cohort_retention")
        return read_frame(connection, f"from {models.relation('fct_cohort_retention')}")


def by_polars(events: pl.DataFrame, grain: str) -> pl.DataFrame:
    """The same by polars, from distinct users and periods."""
    every = GRAINS[grain]
    period = pl.col("occurred_at").dt.truncate(every).dt.date()
    seen = events.select("user_id", period=period).unique()
    entered = seen.group_by("user_id").agg(cohort_date=pl.col("period").min(), last=pl.col("period").max())
    last_day = events["occurred_at"].max().date()
    periods = pl.DataFrame(
        {"period": pl.date_range(seen["period"].min(), seen["period"].max(), interval=every, eager=True)}
    )
    cells = entered.group_by("cohort_date").agg(cohort_size=pl.len()).join(periods, how="cross")
    cells = cells.filter(pl.col("period") >= pl.col("cohort_date"))
    on = seen.join(entered, on="user_id").group_by("cohort_date", "period").agg(active_count=pl.len())
    after = (
        entered.join(periods, how="cross")
        .filter(pl.col("period").is_between(pl.col("cohort_date"), pl.col("last")))
        .group_by("cohort_date", "period")
        .agg(active_on_or_after_count=pl.len())
    )
    return (
        cells.join(on, on=["cohort_date", "period"], how="left")
        .join(after, on=["cohort_date", "period"], how="left")
        .with_columns(
            pl.col("active_count", "active_on_or_after_count").fill_null(0),
            period_index=(pl.col("period").rank("dense").over("cohort_date") - 1).cast(pl.Int32),
            is_complete=pl.col("period").dt.offset_by(every) <= last_day,
        )
        .sort("cohort_date", "period_index")
    )


def assert_equal_to_polars(found: pl.DataFrame, events: pl.DataFrame) -> None:
    for grain in GRAINS:
        rows = found.filter(pl.col("cohort_grain") == grain).sort("cohort_date", "period_index")
        expected = by_polars(events, grain)
        assert rows.height == expected.height > 0
        for column in ("cohort_date", "period_index", "cohort_size", "is_complete"):
            assert rows[column].to_list() == expected[column].to_list(), (grain, column)
        open_cell = ~expected["is_complete"] & (expected["period_index"] > 0)
        for column in ("active_count", "active_on_or_after_count"):
            assert rows.filter(open_cell)[column].null_count() == open_cell.sum()
            closed = rows.filter(~open_cell)[column]
            assert closed.to_list() == expected.filter(~open_cell)[column].to_list(), (grain, column)


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


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> CompiledModels:
    """Recurring visitors who purchase, in windows from the visit."""
    choice = {
        "retention_period_mode": "rolling",
        "retention_cohort_mode": "recurring",
        "retention_entry_event": "visit",
        "retention_return_event": "purchase",
    }
    folder = tmp_path_factory.mktemp("rolling")
    return CompiledModels(compile_models(folder, "fct_cohort_retention", choice))


def test_rolling_windows_equal_a_count_by_hand(rolling: CompiledModels) -> None:
    """Every entry's windows, one by one: 24 hours for day cohorts, whole ones only."""
    events = random_log(7, users=25, days=40)
    found = retention(rolling, events).filter(pl.col("cohort_grain") == "day")
    end = events["occurred_at"].max()
    window = timedelta(days=1)
    entries: dict = {}
    purchases: dict[str, list[tuple[datetime, str]]] = {}
    ordered = events.sort("occurred_at", "event_id").iter_rows(named=True)
    for row in ordered:
        at = row["occurred_at"]
        if row["event_name"] == "purchase":
            purchases.setdefault(row["user_id"], []).append((at, row["event_id"]))
        else:
            entries.setdefault((at.date(), row["user_id"]), (at, row["event_id"]))
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
            expected = sum(max(periods, default=0) >= index for periods in returned)
            assert row["active_on_or_after_count"] == expected
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
            inner join marts.fct_cohort_retention as cells using (source, cohort_grain, period_index)
            where cells.is_complete and source = 'viewing'
            group by all
        """).fetchall()
    assert len(rows) > 100
    for members, active, low, high, size_sum, active_sum in rows:
        assert (members, active) == (size_sum, active_sum)
        assert (low, high) == pytest.approx(proportion_confint(active, members, method="wilson"), abs=1e-12)
