"""A warehouse of a drawn event log, and dbt on it: what the benchmarks of the event marts share.

The log lies in a file of its own beside the warehouse. What takes memory runs in processes of its own: the
peak of a process that another one starts is never told as less than that of the one that started it.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from common.warehouse import open_warehouse
from ingest.landing.manifest import open_raw

EVENTS_A_USER = 30
SQL = Path(__file__).with_name("event_log.sql")
Result = TypeVar("Result")

ATTACH = "attach if not exists '{file}' as drawn (storage_version 'v1.4.0')"

LOAD = """
insert into raw.events
select
    'shop', event_id, user_id, null, event_name, item_id, occurred_at, properties,
    '{batch_id}', 'log.csv', row_number() over (), timestamp '{loaded_at}'
from drawn.log
where {rows}
"""


@dataclass(frozen=True)
class DbtRun:
    """One command of dbt.

    Attributes:
        seconds: of each model or test, by its name, in the order in which they ran; dbt's start and parsing
            are not among them.
        peak_gigabytes: peak resident memory of the process.
    """

    seconds: dict[str, float]
    peak_gigabytes: float


def use_warehouse(folder: Path, memory_limit: str | None) -> None:
    """Have this process, and those it starts, use a warehouse in the folder; DuckDB keeps to the limit."""
    os.environ["WAREHOUSE_PATH"] = str(folder / "benchmark.duckdb")
    profile = yaml.safe_load(Path("profiles.yml").read_text(encoding="utf-8"))
    if memory_limit:
        profile["engagement_warehouse"]["outputs"]["duckdb"]["settings"] = {"memory_limit": memory_limit}
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    os.environ["DBT_PROFILES_DIR"] = str(folder)


def in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    """What the function returns, called in a new process that ends with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def draw_log(folder: Path, events: int, memory_limit: str | None) -> int:
    """Draw a log of about so many events, beside the raw tables; how many there are."""
    with open_raw() as connection:
        connection.execute(f"set memory_limit = '{memory_limit or '80%'}'; set enable_progress_bar = false")
        connection.execute(ATTACH.format(file=folder / "log.duckdb"))
        connection.execute("select setseed(0.5)")
        users = round(events / EVENTS_A_USER * 1.195)
        connection.execute(SQL.read_text(encoding="utf-8").format(users=users))
        count, first, last = connection.execute(
            "select count(*), min(occurred_at), max(occurred_at) from drawn.log"
        ).fetchone()
    print(f"{count:,} events from {first} to {last}", flush=True)
    return count


def load(folder: Path, rows: str, batch_id: str, loaded_at: str, memory_limit: str | None) -> None:
    """Land part of the log, the rows of a condition, as a load of its own."""
    with open_warehouse() as connection:
        connection.execute(f"set memory_limit = '{memory_limit or '80%'}'; set enable_progress_bar = false")
        connection.execute(ATTACH.format(file=folder / "log.duckdb"))
        [(count,)] = connection.execute(
            LOAD.format(batch_id=batch_id, loaded_at=loaded_at, rows=rows)
        ).fetchall()
        connection.execute(
            """
            insert into raw.load_manifest
            values (
                ?, 'shop', 'simulated', 'log.csv', ?, null, ?, ?, 0, 0, ?, 0, true, null, null,
                nextval('raw.load_numbers'), 0
            )
            """,
            [batch_id, batch_id, count, count, loaded_at],
        )


def run_dbt(folder: Path, *arguments: str) -> DbtRun:
    """Run a dbt command, one model at a time, in a process of its own; what it made is below `target`."""
    dbt = Path(sys.executable).parent / "dbt"
    target = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    process = subprocess.Popen([str(dbt), "--quiet", *arguments, "--threads=1", *target])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    results = json.loads((folder / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    seconds = {result["unique_id"].split(".")[2]: result["execution_time"] for result in results}
    return DbtRun(seconds, usage.ru_maxrss / 1e6)
