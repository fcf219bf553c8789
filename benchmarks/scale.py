"""How the whole warehouse grows with its events: `python -m benchmarks.scale [--events 1e6 1e7 …]`.

A year of drawn events, 1, 10, 30 and 100 million unless said, of one source without sessions of its own; no
other source has rows, so that the models of those are fixed cost. For each size everything is built anew, one
model at a time: all models, then all data tests, then every mart that is a view is read whole. DuckDB keeps
to a memory limit (7GB unless said) and puts the rest on disk: 100 million events need some 40 GB there.

Seconds are dbt's own per model, without its start and parsing. The slope is that of the line through all
sizes in the log-log plot (least squares): 1 is a model that takes twice as long for twice the events. What
takes less than half a second at the largest size is fixed cost. Memory is the peak of the process. `--json`
keeps all that was measured in a file.
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.drawn_warehouse import DbtRun, draw_log, in_own_process, load, run_dbt, use_warehouse
from common.quoting import quote_identifier
from common.warehouse import open_warehouse, warehouse_path

EVENTS = [1e6, 1e7, 3e7, 1e8]
MEMORY_LIMIT = "7GB"
STEEPEST = 1.05
FIXED_SECONDS = 0.5
# More than any run takes: the warehouse, what sorts and joins put on disk, blocks not used again yet.
BYTES_AN_EVENT = 400


@dataclass(frozen=True)
class Measured:
    """What one size took.

    Attributes:
        events: how many there are.
        models: dbt's run of all models, and of the seeds.
        tests: dbt's run of all data tests.
        reads: seconds to read each mart that is a view, by its name.
        stored_bytes: size of the warehouse file.
        raw_bytes: its size before anything was built.
    """

    events: int
    models: DbtRun
    tests: DbtRun
    reads: dict[str, float]
    stored_bytes: int
    raw_bytes: int


def main() -> None:
    """Measure every size, then print a table of what takes time and its slopes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=float, nargs="+", default=EVENTS)
    parser.add_argument("--memory-limit", default=MEMORY_LIMIT)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, memory limit {arguments.memory_limit}", flush=True)
    sizes = [measure(int(events), arguments.memory_limit) for events in sorted(arguments.events)]
    if arguments.json:
        text = json.dumps([asdict(size) for size in sizes], indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print_sizes(sizes)
    for title, seconds in (
        ("model", [size.models.seconds for size in sizes]),
        ("data test", [size.tests.seconds for size in sizes]),
        ("view, read whole", [size.reads for size in sizes]),
    ):
        print_slopes(title, [size.events for size in sizes], seconds)


def measure(events: int, memory_limit: str) -> Measured:
    """Draw a log, load it, build and test all, and read the views, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < events * BYTES_AN_EVENT:
            raise SystemExit(
                f"{folder}: {events:,} events need {events * BYTES_AN_EVENT / 1e9:.0f} GB of disk"
            )
        use_warehouse(folder, memory_limit)
        count = in_own_process(draw_log, folder, events, memory_limit)
        in_own_process(load, folder, "true", "shop-1", "2025-01-01", memory_limit)
        (folder / "log.duckdb").unlink()
        raw_bytes = warehouse_path().stat().st_size
        models = run_dbt(folder, "build", "--resource-type", "seed", "--resource-type", "model")
        stored_bytes = warehouse_path().stat().st_size
        tests = run_dbt(folder, "test", "--exclude-resource-type", "unit_test")
        reads = in_own_process(read_views, memory_limit)
        measured = Measured(count, models, tests, reads, stored_bytes, raw_bytes)
    print_sizes([measured])
    return measured


def read_views(memory_limit: str) -> dict[str, float]:
    """Seconds to read all rows and columns of each mart that is a view."""
    seconds = {}
    with open_warehouse(read_only=True) as connection:
        connection.execute(f"set memory_limit = '{memory_limit}'; set enable_progress_bar = false")
        views = "select view_name from duckdb_views() where schema_name = 'marts' order by view_name"
        for (view,) in connection.execute(views).fetchall():
            started = time.perf_counter()
            connection.execute(f"create temp table rows_read as from marts.{quote_identifier(view)}")
            seconds[view] = time.perf_counter() - started
            connection.execute("drop table rows_read")
    return seconds


def print_sizes(sizes: list[Measured]) -> None:
    """A line a size: totals, memory and bytes."""
    titles = [
        "events",
        "all models",
        "peak memory",
        "data tests",
        "peak memory",
        "views read",
        "bytes an event, of them raw",
    ]
    print(f"| {' | '.join(titles)} |")
    print("|" + " ---: |" * len(titles))
    for size in sizes:
        cells = [
            f"{size.events:,}",
            f"{sum(size.models.seconds.values()):.1f} s",
            f"{size.models.peak_gigabytes:.1f} GB",
            f"{sum(size.tests.seconds.values()):.1f} s",
            f"{size.tests.peak_gigabytes:.1f} GB",
            f"{sum(size.reads.values()):.1f} s",
            f"{size.stored_bytes / size.events:.0f}, {size.raw_bytes / size.events:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def print_slopes(title: str, events: list[int], seconds: list[dict[str, float]]) -> None:
    """A line for each that takes time, the longest first, then how many there are that don't."""
    names = sorted(seconds[-1], key=lambda name: -seconds[-1][name])
    timed = [name for name in names if seconds[-1][name] >= FIXED_SECONDS]
    print(f"\n| {title} | {' | '.join(f'{count:,}' for count in events)} | slope | last slope |")
    print("| --- |" + " ---: |" * (len(events) + 2))
    for name in timed:
        taken = [size[name] for size in seconds]
        slope, last_slope = slope_of(events, taken), slope_of(events[-2:], taken[-2:])
        cells = [*(f"{value:.2f} s" for value in taken), f"{slope:.2f}", f"{last_slope:.2f}"]
        steep = " (steep)" if slope > STEEPEST else ""
        print(f"| `{name}`{steep} | {' | '.join(cells)} |")
    fixed = [seconds[-1][name] for name in names if name not in timed]
    print(f"{len(fixed)} more take less than {FIXED_SECONDS} s each, {sum(fixed):.1f} s together: fixed cost")


def slope_of(events: list[int], seconds: list[float]) -> float:
    """Slope of the least-squares line of log seconds by log events; nan of a single size."""
    if len(events) < 2:
        return math.nan
    return float(np.polyfit(np.log(events), np.log(seconds), 1)[0])


if __name__ == "__main__":
    main()
