"""Churn, its features and splits against a computation user by user; features from a log cut short."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame
from tests.dbt_project.event_logs import random_log, user_dates

DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def models(built_warehouse: Path) -> CompiledModels:
    return CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")


@pytest.fixture
def connection(built_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as opened:
        yield opened


def features(models: CompiledModels, events: pl.DataFrame) -> list[dict]:
    """`feat_user_churn` of a log, as dictionaries."""
    nobody = "select '' as source, '' as user_id, '' as segment_name, '' as segment_value where false"
    with duckdb.connect() as database:
        models.provide_events(database, events)
        models.provide(database, "int_user_segments", nobody)
        models.build(database, "feat_user_churn")
        query = f"from {models.relation('feat_user_churn')} order by user_as_of_id"
        return read_frame(database, query).to_dicts()


def as_of_dates(users: dict[str, list[date]]) -> list[date]:
    """The Mondays after the log's first day, up to its last, whose end is still open."""
    first, last = min(days[0] for days in users.values()), max(days[-1] for days in users.values())
    monday = first + (7 - first.weekday()) * DAY
    return [monday + 7 * week * DAY for week in range(60) if monday + 7 * week * DAY <= last]


def sessions_begun(events: pl.DataFrame, as_of: date) -> int:
    """Sessions of one user that began in the 28 days before; a pause above 30 minutes begins a new one."""
    times = events["occurred_at"].sort().to_list()
    begins = [
        at for before, at in zip([None, *times], times, strict=False) if not before or at - before > HALF_HOUR
    ]
    return sum(as_of - 28 * DAY <= at.date() < as_of for at in begins)


@pytest.mark.parametrize("seed", [0, 5])
def test_churn_and_its_features_equal_a_count_user_by_user(models: CompiledModels, seed: int) -> None:
    events = random_log(seed)
    events = events.with_columns(item_id=(pl.col("event_id").cast(pl.Int64) % 5).cast(pl.String))
    users = user_dates(events)
    end = max(days[-1] for days in users.values())
    found = {(row["user_id"], row["as_of_date"]): row for row in features(models, events)}
    expected = {}
    for user, days in users.items():
        of_user = events.filter(pl.col("user_id") == user)
        for as_of in as_of_dates(users):
            window = [day for day in days if as_of - 28 * DAY <= day < as_of]
            if not window:
                continue
            happened = pl.col("occurred_at").dt.date()
            past = of_user.filter(happened.is_between(as_of - 28 * DAY, as_of - DAY))
            churned = not any(as_of <= day < as_of + 28 * DAY for day in days)
            older = sum(day < as_of - 14 * DAY for day in window)
            expected[user, as_of] = {
                "label": churned if as_of + 28 * DAY <= end else None,
                "days_since_last_active": (as_of - window[-1]).days,
                "active_days_7_count": sum(day >= as_of - 7 * DAY for day in window),
                "active_days_28_count": len(window),
                "active_days_trend": len(window) - 2 * older,
                "tenure_days": (as_of - days[0]).days,
                "events_28_count": past.height,
                "events_7_count": past.filter(happened >= as_of - 7 * DAY).height,
                "events_per_active_day": past.height / len(window),
                "items_28_count": past["item_id"].n_unique(),
                "sessions_28_count": sessions_begun(of_user, as_of),
            }
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert {name: found[key][name] for name in values} == values, key
    assert {True, False, None} == {row["label"] for row in found.values()}


def test_features_of_a_log_cut_short_are_the_same(models: CompiledModels) -> None:
    """Whatever happens from an as-of date on changes nothing in its row but label and split."""
    events = random_log(9)
    whole = {row["user_as_of_id"]: row for row in features(models, events)}
    dates = sorted({row["as_of_date"] for row in whole.values()})
    for as_of in (dates[4], dates[10]):
        # One event on the as-of date itself, of somebody else, says that the day before is over.
        marker = events.head(1).with_columns(
            user_id=pl.lit("marker"),
            event_id=pl.lit("marker"),
            occurred_at=pl.lit(as_of).cast(pl.Datetime("us")),
        )
        short = events.filter(pl.col("occurred_at").dt.date() < as_of)
        rows = [row for row in features(models, pl.concat([short, marker])) if row["as_of_date"] == as_of]
        assert len(rows) == sum(row["as_of_date"] == as_of for row in whole.values()) > 3
        for row in rows:
            expected = whole[row["user_as_of_id"]]
            assert {**row, "label": 0, "split": 0} == {**expected, "label": 0, "split": 0}


def test_labels_are_known_when_their_split_ends(connection: duckdb.DuckDBPyConnection) -> None:
    spans = {
        split: (first, last)
        for split, first, last in connection.execute("""
            select split, min(as_of), max(as_of) from marts.feat_user_churn
            where source = 'viewing' group by split
        """).fetchall()
    }
    assert set(spans) == {"train", "validation", "test", "embargo", "open"}
    horizon = timedelta(days=28)
    assert spans["train"][1] + horizon <= spans["validation"][0]
    assert spans["validation"][1] + horizon <= spans["test"][0]
    (labelled,) = connection.execute(
        "select count(*) from marts.feat_user_churn where (split = 'open') <> (label is null)"
    ).fetchone()
    assert labelled == 0
