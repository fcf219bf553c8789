"""Churn, its features and splits against a computation user by user; features from a log cut short."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame
from tests.dbt_project.event_logs import random_log, user_dates
from tests.pipeline import compile_models

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


def day_start(day: date, zone: str) -> datetime:
    """The first instant (UTC, naive) of a day in a time zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return midnight.astimezone(UTC).replace(tzinfo=None)


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time())


def as_of_dates(users: dict[str, list[date]]) -> list[date]:
    """The Mondays after the log's first day, up to its last, whose end is still open."""
    first, last = min(days[0] for days in users.values()), max(days[-1] for days in users.values())
    monday = first + (7 - first.weekday()) * DAY
    return [monday + 7 * week * DAY for week in range(60) if monday + 7 * week * DAY <= last]


def without_outcome(row: dict) -> dict:
    return {name: value for name, value in row.items() if name not in ("label", "label_known_at", "split")}


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
            before = [day for day in days if day < as_of]
            gaps = [(later - day).days for day, later in pairwise(before)] or None
            churned = not any(as_of <= day < as_of + 28 * DAY for day in days)
            older = sum(day < as_of - 14 * DAY for day in window)
            expected[user, as_of] = {
                "label": churned if as_of + 28 * DAY <= end else None,
                "label_known_at": midnight(as_of + 28 * DAY) if as_of + 28 * DAY <= end else None,
                "active_days_count": len(before),
                "recency_days": (before[-1] - before[0]).days,
                "mean_gap_days": gaps and pytest.approx(sum(gaps) / len(gaps)),
                "longest_gap_days": gaps and max(gaps),
                "silence_per_mean_gap": gaps
                and pytest.approx((as_of - before[-1]).days / sum(gaps) * len(gaps)),
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
            assert without_outcome(row) == without_outcome(expected)


# A zone, the days by which the random log of 25 December 2023 to 2 May 2024 is moved, and dates to cut it at.
IN_ZONES = [
    ("America/Los_Angeles", 0, [date(2024, 2, 5), date(2024, 3, 11)]),
    ("Europe/Berlin", 0, [date(2024, 4, 1)]),
    ("Asia/Kolkata", 0, [date(2024, 3, 4)]),
    ("Africa/Cairo", 0, [date(2024, 4, 26)]),  # skips midnight
    ("America/Santiago", 220, [date(2024, 9, 8)]),  # skips midnight
    ("America/Havana", 220, [date(2024, 11, 3)]),  # has midnight twice
]


@pytest.fixture(scope="module")
def manifest_of_los_angeles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that churn is made of, by days in Los Angeles, every day of them an as-of date."""
    variables = {"reporting_time_zone": "America/Los_Angeles", "as_of_grid_days": 1}
    return compile_models(tmp_path_factory.mktemp("los_angeles"), "feat_user_churn", variables)


@pytest.mark.parametrize(("zone", "moved_by", "cuts"), IN_ZONES, ids=[zone for zone, _, _ in IN_ZONES])
def test_features_by_the_days_of_a_zone_see_nothing_after_as_of(
    manifest_of_los_angeles: Path, tmp_path: Path, zone: str, moved_by: int, cuts: list[date]
) -> None:
    # The zone is a name in the queries, nothing else.
    compiled = manifest_of_los_angeles.read_text(encoding="utf-8")
    assert "America/Los_Angeles" in compiled
    (tmp_path / "manifest.json").write_text(compiled.replace("America/Los_Angeles", zone), encoding="utf-8")
    models = CompiledModels(tmp_path / "manifest.json")
    events = random_log(9).with_columns(pl.col("occurred_at") + pl.duration(days=moved_by))
    whole = {row["user_as_of_id"]: row for row in features(models, events)}
    assert {row["as_of_date"]: row["as_of"] for row in whole.values()} == {
        row["as_of_date"]: day_start(row["as_of_date"], zone) for row in whole.values()
    }
    for cut in cuts:
        at = day_start(cut, zone)
        # One event at that very instant, of somebody else, says that the day before is over.
        marker = events.head(1).with_columns(
            user_id=pl.lit("marker"),
            event_id=pl.lit("marker"),
            occurred_at=pl.lit(at).cast(pl.Datetime("us")),
        )
        short = events.filter(pl.col("occurred_at") < at)
        found = {row["user_as_of_id"]: row for row in features(models, pl.concat([short, marker]))}
        expected = {key: row for key, row in whole.items() if row["as_of"] <= at}
        assert found.keys() == expected.keys()
        assert sum(row["as_of_date"] == cut for row in found.values()) > 3
        for key, row in found.items():
            assert without_outcome(row) == without_outcome(expected[key])


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
