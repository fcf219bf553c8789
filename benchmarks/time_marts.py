"""How fast retention and lifecycle are: `python -m benchmarks.time_marts [million events]`, 10 by default.

One run, on drawn user-days: the models' own SQL, as dbt compiles it, against the best query written by hand
for the same table (DuckDB; benchmarks/by_hand), polars and pandas, all from the same user-days in memory.
Model and query by hand are compared before anything is timed; polars and pandas are spared the filling of
empty cells. Each is the best of five, in a process of its own, which tells its peak memory.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

from tests.compiled_models import CompiledModels
from tests.pipeline import compile_models

ROUNDS = 5
DAYS = 180
TOOLS = ("model", "by hand", "polars", "pandas")
# A mart, after the tables it is made of: they are made, and timed, with it.
MODELS = {
    "cohort_retention": ("int_user_lifetimes", "int_cohort_members", "fct_cohort_retention"),
    "lifecycle": ("fct_lifecycle_daily",),
}
BY_HAND = Path(__file__).with_name("by_hand")


def main() -> None:
    """Print seconds, the ratio to the query by hand, and peak memory, of every tool and mart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", type=float, nargs="?", default=10.0)
    parser.add_argument("--measure", nargs=3, metavar=("TOOL", "MART", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        tool, mart, folder = arguments.measure
        measure(tool, mart, Path(folder))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.millions)
        for mart in MODELS:
            found = {}
            for tool in TOOLS:
                command = [sys.executable, "-m", "benchmarks.time_marts", "--measure", tool, mart, name]
                found[tool] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            for tool, result in found.items():
                ratio = result["seconds"] / found["by hand"]["seconds"]
                print(
                    f"{mart:16}  {tool:8}  {result['seconds']:6.3f} s  {ratio:5.2f} x by hand  "
                    f"peak memory {result['megabytes']:5,.0f} MB",
                    flush=True,
                )


def prepare(folder: Path, millions: float) -> None:
    """Draw the user-days, compile the models, and see that model and query by hand give the same table."""
    compile_models(folder, "fct_cohort_retention +fct_lifecycle_daily", {})
    with duckdb.connect() as connection:
        draw = (BY_HAND / "user_days_drawn.sql").read_text(encoding="utf-8")
        connection.execute(draw.format(users=round(millions * 29_600), days=DAYS))
        spine = (BY_HAND / "user_days.sql").read_text(encoding="utf-8")
        connection.execute(f"copy ({spine}) to '{folder / 'user_days.parquet'}'")
        days, events, users = connection.execute(
            "select count(*), sum(events_count), count(distinct user_id) from drawn"
        ).fetchone()
    print(
        f"{events:,} events on {days:,} user-days of {users:,} users; {os.cpu_count()} processors", flush=True
    )
    with duckdb.connect() as connection:
        models = load(connection, folder)
        for mart, names in MODELS.items():
            models.build(connection, names[-1])
            model, hand = f"from {models.relation(names[-1])}", read_by_hand(mart)
            (differing,) = connection.execute(
                f"select count(*) from (({model} except ({hand})) union all (({hand}) except {model}))"
            ).fetchone()
            assert differing == 0, f"{mart}: model and query by hand differ in {differing} rows"


def read_by_hand(mart: str) -> str:
    return (BY_HAND / f"{mart}.sql").read_text(encoding="utf-8")


def load(connection: duckdb.DuckDBPyConnection, folder: Path) -> CompiledModels:
    models = CompiledModels(folder / "manifest.json")
    models.provide(connection, "fct_user_days", f"from '{folder / 'user_days.parquet'}'")
    # Of the events no more than the first of each user, and the log's end, is asked for.
    models.provide(
        connection,
        "fct_events",
        """
        select
            source, user_id, 'e' as event_id, 'event' as event_name, null as item_id, null as device,
            null as properties, cast(activity_date as timestamp) as occurred_at, row_number() over () as delivery_number
        from marts.fct_user_days
        where day_number = 0 or activity_date = (select max(activity_date) from marts.fct_user_days)
        """,
    )
    return models


def measure(tool: str, mart: str, folder: Path) -> None:
    """Time one tool on one mart, from user-days in its memory to the whole table, and print both as JSON."""
    work = prepare_work(tool, mart, folder)
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": min(seconds), "megabytes": peak_megabytes()}))


def peak_megabytes() -> float:
    """Most memory that this process ever held; what it was forked from is no part of it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def prepare_work(tool: str, mart: str, folder: Path) -> Callable[[], object]:
    if tool in ("model", "by hand"):
        connection = duckdb.connect()
        models = load(connection, folder)
        models.build(connection, MODELS[mart][-1])
        made = [(models.relation(name), models.sql(name)) for name in MODELS[mart]]
        statements = made if tool == "model" else [("made", read_by_hand(mart))]
        return lambda: [
            connection.execute(f"create or replace table {relation} as {query}")
            for relation, query in statements
        ]
    columns = ["user_id", "activity_date", "first_active_date", "day_number", "events_count"]
    frame = pl.read_parquet(folder / "user_days.parquet", columns=columns)
    if tool == "polars":
        return lambda: (retention_by_polars if mart == "cohort_retention" else lifecycle_by_polars)(frame)
    pandas_frame = frame.to_pandas()
    return lambda: (retention_by_pandas if mart == "cohort_retention" else lifecycle_by_pandas)(pandas_frame)


def retention_by_polars(days: pl.DataFrame) -> list[pl.DataFrame]:
    """The counts of all three grains: members by period and the one in which they were seen before."""
    return pl.collect_all(
        days.lazy()
        .group_by(
            "user_id",
            cohort=pl.col("first_active_date").dt.truncate(every),
            period=pl.col("activity_date").dt.truncate(every),
        )
        .agg(pl.col("events_count").sum())
        .sort("user_id", "period")
        .with_columns(previous=pl.col("period").shift().over("user_id"))
        .group_by("cohort", "period", "previous")
        .agg(members=pl.len(), returns=(pl.col("events_count") > 1).sum())
        for every in ("1d", "1w", "1mo")
    )


def retention_by_pandas(days: pd.DataFrame) -> list[pd.DataFrame]:
    """The same by pandas."""
    tables = []
    for unit in ("D", "W", "M"):
        cohort, period = (
            days[name].astype("datetime64[s]").dt.to_period(unit).astype("int64")
            for name in ("first_active_date", "activity_date")
        )
        seen = days.assign(cohort=cohort, period=period).groupby(["user_id", "cohort", "period"])
        seen = seen["events_count"].sum().reset_index()
        seen["previous"] = seen.groupby("user_id", sort=False)["period"].shift()
        seen["returned"] = seen["events_count"] > 1
        counted = seen.groupby(["cohort", "period", "previous"], dropna=False)["returned"]
        tables.append(counted.agg(["size", "sum"]))
    return tables


def lifecycle_by_polars(days: pl.DataFrame) -> pl.DataFrame:
    """Users by day and gap since the day before, from which all columns follow."""
    return (
        days.lazy().sort("user_id", "activity_date")
        .with_columns(before=pl.col("activity_date").shift().over("user_id"))
        .with_columns(gap=(pl.col("activity_date") - pl.col("before")).dt.total_days())
        .group_by("activity_date", "gap").agg(users=pl.len(), new=(pl.col("day_number") == 0).sum())
        .collect()
    )  # fmt: skip


def lifecycle_by_pandas(days: pd.DataFrame) -> pd.DataFrame:
    """The same by pandas."""
    frame = days.sort_values(["user_id", "activity_date"])
    date = frame["activity_date"].astype("datetime64[s]")
    gap = date.groupby(frame["user_id"], sort=False).diff().dt.days
    frame = frame.assign(gap=gap, is_new=frame["day_number"] == 0)
    return frame.groupby(["activity_date", "gap"], dropna=False)["is_new"].agg(["size", "sum"])


if __name__ == "__main__":
    main()
