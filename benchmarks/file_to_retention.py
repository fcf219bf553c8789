"""One figure, from a file to retention: `python -m benchmarks.file_to_retention [events] [--rounds N]`.

A drawn log of 10 million events unless said (user, event, item, time, device), as Parquet and as CSV. Each
tool begins with the file and ends with how many users of each cohort of a day are active on each day after.
Two processors are all that any has; each runs in processes of its own, which tell their peak memory, and the
best of the rounds counts.

- the project: `python -m ingest events`, then one `dbt build` of `fct_cohort_retention`, `fct_sessions` and
  all that they need, its start and parsing among the seconds
- in place: the same of Parquet with `--in-place`, of which nothing is copied before it is built
- DuckDB: the same by hand, nothing checked: ids, properties as JSON and a hash of each row, then one query
- chDB (ClickHouse in the process; no part of the project: `pip install chdb`): the columns as they are, then
  one query

The cells of all, active users by cohort and days since, are compared for as many days as the project
keeps, but for the log's last day, which is not over.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from common.warehouse import open_warehouse

EVENTS = 10_000_000
EVENTS_A_USER = 30
PROCESSORS = 2
LOG = Path(__file__).with_name("event_log.sql")
MODELS = ["+fct_cohort_retention", "+fct_sessions"]
SHOWN_SECONDS = 1.0
COLUMNS = {
    "parquet": "user_id, event_name, item_id, occurred_at, properties ->> 'device' as device",
    "csv": """
        user_id, event_name, item_id, strftime(occurred_at, '%Y-%m-%dT%H:%M:%SZ') as occurred_at,
        properties ->> 'device' as device
    """,
}
FLAGS = {"source": "shop", "user": "user_id", "event": "event_name", "item": "item_id", "at": "occurred_at"}

# Cells of all tools: days since 1970, days since, users.
Cells = set[tuple[int, int, int]]

LOAD_BY_HAND = """
create table events as
select
    concat(
        lower(hex(epoch_us(occurred_at) // 1000000)),
        left(md5(concat_ws('|', user_id, event_name, item_id, epoch_us(occurred_at))), 16)
    ) as event_id,
    user_id,
    event_name,
    item_id,
    occurred_at,
    cast(json_object('device', device) as varchar) as properties,
    hash(user_id, event_name, item_id, occurred_at, device) as row_hash
from '{file}'
"""
COHORTS_BY_HAND = """
with days as (
    select distinct
        user_id,
        cast(occurred_at as date) as activity_date
    from events
),

cohorts as (
    select
        activity_date,
        min(activity_date) over (partition by user_id) as cohort_date
    from days
)

select
    cohort_date - date '1970-01-01',
    activity_date - cohort_date,
    count(*)
from cohorts
group by all
"""

LOAD_BY_CHDB = """
create table events (
    user_id String, event_name String, item_id String, occurred_at DateTime64(6, 'UTC'), device String
) engine = MergeTree order by occurred_at
as select user_id, event_name, item_id, {time}, assumeNotNull(device) from file('{file}', '{format}')
"""
COHORTS_BY_CHDB = """
with days as (select distinct user_id, toInt32(toDate(occurred_at)) as activity_date from events)

select
    cohort_date,
    activity_date - cohort_date as days_since,
    count() as users
from days
inner join
    (select user_id, min(activity_date) as cohort_date from days group by user_id) as firsts
    using (user_id)
group by cohort_date, days_since
"""

CELLS_OF_MART = """
select
    cohort_date - date '1970-01-01',
    period_index,
    active_count
from marts.fct_cohort_retention
where definition = 'any_event' and source = 'shop' and cohort_grain = 'day' and active_count > 0
"""


def main() -> None:
    """Print the seconds of each tool and kind of file, its steps, peak memory, and the cells that differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=int, nargs="?", default=EVENTS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--measure", nargs=2, metavar=("TOOL", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    if arguments.measure:
        tool, file = arguments.measure
        print(json.dumps(TOOLS[tool](Path(file))))
        return
    tools = [tool for tool in TOOLS if tool != "chDB" or importlib.util.find_spec("chdb")]
    if "chDB" not in tools:
        print("chDB is not installed: `pip install chdb` adds it", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for file in draw(Path(name), arguments.events):
            compare(file, tools, arguments.rounds)


def draw(folder: Path, events: int) -> list[Path]:
    """Draw the log, and write it as each kind of file."""
    files = [folder / f"log.{kind}" for kind in COLUMNS]
    with duckdb.connect() as connection:
        connection.execute("select setseed(0.5)")
        log = LOG.read_text(encoding="utf-8").replace("drawn.log", "log")
        connection.execute(log.format(users=round(events / EVENTS_A_USER * 1.195)))
        for file, columns in zip(files, COLUMNS.values(), strict=True):
            connection.execute(f"copy (select {columns} from log) to '{file}'")
        count, first, last = connection.execute(
            "select count(*), min(occurred_at), max(occurred_at) from log"
        ).fetchone()
    print(f"{count:,} events from {first} to {last}, {PROCESSORS} processors", flush=True)
    return files


def compare(file: Path, tools: Iterable[str], rounds: int) -> None:
    """Measure the tools in turn, as often as said, and print the best of each."""
    tools = [tool for tool in tools if tool != IN_PLACE or file.suffix == ".parquet"]
    found: dict[str, list[dict]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool in tools:
            command = [sys.executable, "-m", "benchmarks.file_to_retention", "--measure", tool, str(file)]
            measured = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            found[tool].append(json.loads(measured.splitlines()[-1]))
    megabytes = file.stat().st_size / 1e6
    by_hand = found["DuckDB"][0]["cells"]
    last_day = max(cohort + days_since for cohort, days_since, _ in by_hand)
    most_days = min(max(days_since for _, days_since, _ in results[0]["cells"]) for results in found.values())
    wanted = comparable(by_hand, last_day, most_days)
    for tool, results in found.items():
        best = min(results, key=lambda result: sum(result["seconds"].values()))
        steps = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in best["seconds"].items())
        models = ", ".join(f"{model} {seconds:.1f} s" for model, seconds in best.get("models", {}).items())
        differing = len(wanted ^ comparable(best["cells"], last_day, most_days))
        print(
            f"{file.suffix[1:]} of {megabytes:,.0f} MB, {tool}: {sum(best['seconds'].values()):.1f} s "
            f"({steps}), peak memory {best['gigabytes']:.1f} GB, {differing} of {len(wanted):,} cells differ"
            + (f", {best['stored']:,.0f} MB stored before the build" if "stored" in best else "")
            + (f"; {models}" if models else ""),
            flush=True,
        )


def comparable(cells: list[list[int]], last_day: int, most_days: int) -> Cells:
    return {tuple(cell) for cell in cells if cell[0] + cell[1] < last_day and cell[1] <= most_days}


def by_project(file: Path, *flags: str) -> dict:
    """The project's own commands, in a warehouse of their own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"WAREHOUSE_PATH": f"{folder}/benchmark.duckdb", "DBT_TARGET_PATH": f"{folder}/target"}
        dbt = str(Path(sys.executable).with_name("dbt"))
        load = [sys.executable, "-m", "ingest", "events", str(file)]
        load += [*(f"--{name}={value}" for name, value in FLAGS.items()), *flags]
        build = [dbt, "--quiet", "build", "--resource-type", "model", "--resource-type", "seed"]
        build += ["--select", *MODELS]
        seconds = {"ingest": seconds_of(lambda: subprocess.run(load, check=True, stdout=sys.stderr))}
        stored = Path(folder, "benchmark.duckdb").stat().st_size / 1e6
        seconds["dbt"] = seconds_of(lambda: subprocess.run(build, check=True, stdout=sys.stderr))
        results = json.loads(Path(folder, "target", "run_results.json").read_text(encoding="utf-8"))[
            "results"
        ]
        models = {result["unique_id"].split(".")[-1]: result["execution_time"] for result in results}
        with open_warehouse(read_only=True) as connection:
            cells = connection.execute(CELLS_OF_MART).fetchall()
    shown = {model: seconds for model, seconds in models.items() if seconds >= SHOWN_SECONDS}
    memory = peak(resource.RUSAGE_CHILDREN)
    return {"seconds": seconds, "models": shown, "cells": cells, "gigabytes": memory, "stored": stored}


def by_project_in_place(file: Path) -> dict:
    """The same of a file that is read where it lies."""
    return by_project(file, "--in-place")


def by_duckdb(file: Path) -> dict:
    """DuckDB by hand, into a database file."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/log.duckdb") as connection:
        load = seconds_of(lambda: connection.execute(LOAD_BY_HAND.format(file=file)))
        cells: list[tuple] = []
        query = seconds_of(lambda: cells.extend(connection.execute(COHORTS_BY_HAND).fetchall()))
    return {
        "seconds": {"load": load, "query": query},
        "cells": cells,
        "gigabytes": peak(resource.RUSAGE_SELF),
    }


def by_chdb(file: Path) -> dict:
    """ClickHouse, into a folder."""
    from chdb.session import Session

    kind, time_of = {
        ".parquet": ("Parquet", "assumeNotNull(occurred_at)"),
        ".csv": ("CSVWithNames", "parseDateTime64BestEffort(assumeNotNull(toString(occurred_at)), 6, 'UTC')"),
    }[file.suffix]
    with tempfile.TemporaryDirectory() as folder:
        session = Session(folder)
        session.query(f"set max_threads = {PROCESSORS}")
        session.query("create database log engine = Atomic")
        session.query("use log")
        statement = LOAD_BY_CHDB.format(file=file, format=kind, time=f"{time_of} as occurred_at")
        load = seconds_of(lambda: session.query(statement))
        answers: list = []
        query = seconds_of(lambda: answers.append(str(session.query(COHORTS_BY_CHDB, "CSV"))))
        session.close()
    cells = [[int(cell) for cell in line.split(",")] for line in answers[0].split()]
    return {
        "seconds": {"load": load, "query": query},
        "cells": cells,
        "gigabytes": peak(resource.RUSAGE_SELF),
    }


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak(who: int) -> float:
    """Most memory in gigabytes that this process, or the largest of its children, ever held."""
    return resource.getrusage(who).ru_maxrss / 1e6


IN_PLACE = "in place"
TOOLS = {"project": by_project, IN_PLACE: by_project_in_place, "DuckDB": by_duckdb, "chDB": by_chdb}


if __name__ == "__main__":
    main()
