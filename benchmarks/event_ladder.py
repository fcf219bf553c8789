"""Stream, sessions and user-days of a year: `python -m benchmarks.event_ladder [events [memory limit]]`.

A drawn log of 10 million events unless said: no session of its own, a device among the properties. All but
the last day is loaded and built in full, then the last day is loaded and added, then nothing is. Seconds are
dbt's own per model, one model at a time, without its start and parsing (some 4 s): a view goes first, so that
no model bears what dbt does once a run. Those of nothing are what it takes for three models whatever there is
to do. Memory is the peak of the dbt process.

The statement that dbt ran for the user-days then runs straight through DuckDB, against hand-written ones,
pandas and polars: each makes the table of the same columns (the frames from memory), best of three, and its
rows are compared with the mart's. Where a memory limit is given, such as 8GB, this is left out.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from benchmarks.drawn_warehouse import DbtRun, draw_log, in_own_process, load, run_dbt, use_warehouse
from common.warehouse import open_warehouse

EVENTS = 10_000_000
ROUNDS = 3
HERE = Path(__file__).parent
FIRST = "stg_ingest__loads"
LADDER = ["fct_events", "int_sessions_aggregated", "fct_user_days"]
LAST_DAY = "timestamp '2024-12-30'"

MADE = "create or replace table made as"
COLUMNS = """
    user_id, activity_date, first_active_date, previous_active_date, day_number, events_count, history_28,
    active_days_28_count, load_number
"""


def main() -> None:
    """Print the seconds of each model in full and for one day, and those of the others for the user-days."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    memory_limit = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        use_warehouse(folder, memory_limit)
        in_own_process(draw_log, folder, events, memory_limit)
        in_own_process(load, folder, f"occurred_at < {LAST_DAY}", "shop-1", "2025-01-01", memory_limit)
        run_dbt(folder, "run", "--select", "+int_events_unioned", FIRST)
        full = run_ladder(folder)
        compiled = compiled_code(folder, "fct_user_days")
        print_seconds("full build", full.seconds)
        in_own_process(load, folder, f"occurred_at >= {LAST_DAY}", "shop-2", "2025-01-02", memory_limit)
        day = run_ladder(folder)
        print_seconds("one day more", day.seconds)
        nothing = run_ladder(folder)
        print_seconds("nothing more", nothing.seconds)
        print_shares(*(sum(run.seconds.values()) for run in (full, day, nothing)))
        print_touched()
        print(f"peak memory of dbt {max(full.peak_gigabytes, day.peak_gigabytes):.1f} GB", flush=True)
        if memory_limit is None:
            compare_user_days(compiled)


def run_ladder(folder: Path) -> DbtRun:
    """Run the models of the ladder; their seconds only."""
    run = run_dbt(folder, "run", "--select", FIRST, *LADDER)
    return DbtRun({model: run.seconds[model] for model in LADDER}, run.peak_gigabytes)


def compiled_code(folder: Path, model: str) -> str:
    """The statement that dbt ran last for the model."""
    nodes = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"].values()
    return next(node["compiled_code"] for node in nodes if node["name"] == model)


def print_seconds(title: str, seconds: dict[str, float]) -> None:
    parts = ", ".join(f"{model} {seconds[model]:.2f} s" for model in LADDER)
    print(f"{title}: {sum(seconds.values()):.2f} s ({parts})", flush=True)


def print_shares(full: float, day: float, nothing: float) -> None:
    print(f"the day's share of the full build: {day / full:.1%}")
    print(f"without the seconds of nothing: {(day - nothing) / (full - nothing):.1%}")


def print_touched() -> None:
    """How much the day brought."""
    with open_warehouse(read_only=True) as connection:
        users, events = connection.execute("""
            select
                count(distinct user_id),
                count(*)
            from marts.fct_events
            where batch_id = 'shop-2'
        """).fetchone()
        print(f"the day has {events:,} events of {users:,} users")


def compare_user_days(compiled: str) -> None:
    """Time the model's statement and the others; compare their rows with the mart's."""
    model = timed_query("the model", f"{MADE} {compiled}")
    best = min(
        timed_query(f"DuckDB {file.stem.removeprefix('user_days_')} by hand", f"{MADE} {file.read_text()}")
        for file in sorted((HERE / "by_hand").glob("user_days_by_*.sql"))
    )
    print(f"the model takes {model / best:.2f} x the best by hand", flush=True)
    with open_warehouse(read_only=True) as connection:
        events = connection.sql(
            "select user_id, occurred_at, load_number from marts.fct_events"
        ).to_arrow_table()
    timed_frame("polars", pl.from_arrow(events), by_polars)
    timed_frame("pandas", events.to_pandas(), by_pandas)


def timed_query(name: str, sql: str) -> float:
    """Seconds of the best of the rounds."""
    with open_warehouse() as connection:
        seconds = best_of_rounds(lambda: connection.execute(sql))
        different = count_different(connection, "made")
    print(f"user-days, {name}: {seconds:.2f} s, {different} rows differ", flush=True)
    return seconds


def timed_frame(name: str, events: object, make: Callable[[object], object]) -> None:
    """The same for a function of a frame."""
    seconds = best_of_rounds(lambda: make(events))
    with open_warehouse(read_only=True) as connection:
        connection.register("frame", make(events))
        different = count_different(connection, "frame")
    print(f"user-days, {name}: {seconds:.2f} s, {different} rows differ", flush=True)


def best_of_rounds(run: Callable[[], object]) -> float:
    def once() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return min(once() for _ in range(ROUNDS))


def count_different(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows that are in the one table and not in the other."""
    mart, other = f"select {COLUMNS} from marts.fct_user_days", f"select {COLUMNS} from {table}"
    only = [
        connection.execute(f"select count(*) from ({one} except all {another})").fetchone()[0]
        for one, another in ((mart, other), (other, mart))
    ]
    return sum(only)


def by_polars(events: pl.DataFrame) -> pl.DataFrame:
    """The same ring of bits: polars rolls a sum over 28 days."""
    days = (
        events.lazy()
        .group_by("user_id", activity_date=pl.col("occurred_at").dt.date())
        .agg(events_count=pl.len().cast(pl.Int64), load_number=pl.col("load_number").max())
        .sort("user_id", "activity_date")
        .with_columns(
            slot=(28 - (pl.col("activity_date").cast(pl.Int32) + 25_567).cast(pl.Int64) % 28) % 28,
            first_active_date=pl.col("activity_date").first().over("user_id"),
            previous_active_date=pl.col("activity_date").shift().over("user_id"),
        )
        .with_columns(bit=pl.lit(2, pl.Int64).pow(pl.col("slot")))
        .collect()
    )
    rings = days.rolling("activity_date", period="28d", group_by="user_id").agg(ring=pl.col("bit").sum())
    rings = rings.sort("user_id", "activity_date")
    upper = pl.lit(2, pl.Int64).pow(28 - pl.col("slot"))
    return (
        days.with_columns(rings["ring"])
        .with_columns(
            history_28=pl.col("ring") // pl.col("bit") | (pl.col("ring") * upper) & (2**28 - 1),
            day_number=(pl.col("activity_date") - pl.col("first_active_date")).dt.total_days().cast(pl.Int32),
        )
        .with_columns(active_days_28_count=pl.col("history_28").bitwise_count_ones().cast(pl.Int32))
    )


def by_pandas(events: pd.DataFrame) -> pd.DataFrame:
    """Days looked up at each of the 27 distances: pandas has no fast rolling sum by days and group."""
    events = events.assign(activity_date=events["occurred_at"].dt.floor("D"))
    days = (
        events.groupby(["user_id", "activity_date"], sort=True)
        .agg(events_count=("occurred_at", "size"), load_number=("load_number", "max"))
        .reset_index()
    )
    users = days["user_id"].factorize()[0]
    day_index = (days["activity_date"] - pd.Timestamp("1900-01-01")).dt.days
    days["first_active_date"] = days.groupby(users)["activity_date"].transform("first")
    days["previous_active_date"] = days["activity_date"].groupby(users, sort=False).shift()
    days["day_number"] = (days["activity_date"] - days["first_active_date"]).dt.days.astype("int32")
    history = pd.Series(1, index=days.index, dtype="int64")
    for back in range(1, 28):
        distance = (day_index - day_index.shift(back)).where(users == pd.Series(users).shift(back))
        near = distance.between(1, 27)
        if not near.any():
            break
        history[near] += 2 ** distance[near].astype("int64")
    days["history_28"] = history
    days["active_days_28_count"] = np.bitwise_count(history.to_numpy()).astype("int32")
    return days


if __name__ == "__main__":
    main()
