"""Logs for the tests of the marts over time: random ones with every edge in them, and the real one."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FIRST_DAY = date(2023, 12, 25)  # a Monday: a year's end and a leap day follow


def random_log(seed: int, *, users: int = 60, days: int = 130) -> pl.DataFrame:
    """Users of every kind: once only, daily, with long silences; events at the ends of days; ties."""
    random = np.random.default_rng(seed)
    rows: list[tuple[str, str, datetime, str]] = []
    for user in range(users):
        start = int(random.integers(0, days))
        share = random.choice([0.0, 0.02, 0.05, 0.3, 1.0])
        active = [start, *(day for day in range(start + 1, days) if random.random() < share)]
        for day in active[: random.choice([1, 5, 1000])]:
            for _ in range(int(random.integers(1, 4))):
                second = int(random.choice([0, 86_399, 43_200, random.integers(0, 86_400)]))
                at = datetime.combine(FIRST_DAY + timedelta(days=int(day)), datetime.min.time())
                name = str(random.choice(["visit", "visit", "purchase"]))
                rows.append(("log", f"u{user}", at + timedelta(seconds=second), name))
    return _events(rows)


def movielens_log(folder: Path) -> pl.DataFrame:
    """The ratings and tags of a MovieLens folder."""
    rows = []
    for file, name in (("ratings.csv", "rating"), ("tags.csv", "tag")):
        with (folder / file).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                at = datetime.fromtimestamp(int(row["timestamp"]), UTC).replace(tzinfo=None)
                rows.append(("movielens", row["userId"], at, name))
    return _events(rows)


def _events(rows: list[tuple[str, str, datetime, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["source", "user_id", "occurred_at", "event_name"], orient="row")
    return frame.with_columns(
        event_id=pl.int_range(pl.len()).cast(pl.String),
        occurred_at=pl.col("occurred_at").cast(pl.Datetime("us")),
    )


def user_dates(events: pl.DataFrame) -> dict[str, list[date]]:
    """The active days of each user (UTC), in order."""
    days = events.select("user_id", day=pl.col("occurred_at").dt.date()).unique().sort("user_id", "day")
    return {user: frame["day"].to_list() for (user,), frame in days.group_by("user_id")}
