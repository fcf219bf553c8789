"""How fast the simulator is, and how much memory it takes: `python -m benchmarks.simulator`.

Each size runs in a process of its own, tied to one processor, on the stand-in catalogue; Parquet files of
events and truth are written and counted in. The last line gives all processors the largest size.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from ingest.making.stand_ins.anime import write_anime_stand_in
from ingest.making.viewing import SimulationOptions, write_viewing_log
from ingest.reading.anime import read_anime

EVENTS_PER_VIEWER = 28
SIZES = (1_000_000, 10_000_000)


def stand_in_catalogue() -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return pl.from_arrow(read_anime(write_anime_stand_in(Path(folder))).tables["anime"])


def measure(events: int, processes: int) -> None:
    """Simulate about `events` events in this process and print the rate."""
    options = SimulationOptions(viewers=events // EVENTS_PER_VIEWER)
    catalogue = stand_in_catalogue()
    with tempfile.TemporaryDirectory() as folder:
        started, processor_started = time.perf_counter(), time.process_time()
        log = write_viewing_log(catalogue, options, Path(folder), processes=processes)
        seconds = time.perf_counter() - started
        processor_seconds = time.process_time() - processor_started
        megabytes = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if processes > 1 else 0
    # Beside other work the clock says less than the time this process was given.
    by_processor = (
        f" ({log.events / processor_seconds / 1e6:5.2f} by processor time)" if processes == 1 else ""
    )
    print(
        f"{log.events:>12,} events  {log.viewers:>10,} viewers  {processes} process(es)  {seconds:6.2f} s  "
        f"{log.events / seconds / 1e6:5.2f} M events/s{by_processor}  {megabytes:6.0f} MB written  "
        f"peak memory {max(own, child) / 1024:,.0f} MB a process",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, help="measure this size only, in this process")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.events:
        if arguments.processes == 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        measure(arguments.events, arguments.processes)
        return
    processors = os.cpu_count() or 1
    for events, processes in [(size, 1) for size in SIZES] + [(SIZES[-1], processors)]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.simulator",
            f"--events={events}",
            f"--processes={processes}",
        ]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
