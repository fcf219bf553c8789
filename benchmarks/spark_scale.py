"""What the models cost on Spark as events grow: `python -m benchmarks.spark_scale [--events 1e4 1e6 1e7]`.

The log that benchmarks.scale draws is published to a lake, and `dbt build --target spark` makes all models of
it, one at a time, on two cores of this machine; then DuckDB makes the same of the warehouse, for comparison.
The smallest size is there for the fixed cost: what takes as long however many events there are. A size of
`--skewed` is measured twice, the second time with one user who has every hundredth event. 10 million events
need some 15 GB of disk.

Seconds are dbt's own per model, without its start and parsing. All else is from Spark's event log, whose
stages are told to models by time: how many tasks there were, how long they had a processor, what they wrote
for the next stage (shuffled), what they put on disk for want of memory (spilled). Slopes are of the line
between the last two sizes in the log-log plot, of seconds and of those of the processors, which other
programs on the machine change less. Memory is the peak of dbt and its Java together. `--json` keeps all that
was measured in a file, `--from` prints what such files hold.
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil

from benchmarks.drawn_warehouse import ATTACH, draw_log, in_own_process, load, run_dbt, use_warehouse
from benchmarks.scale import slope_of
from benchmarks.spark_event_log import Stage, read_stages
from common.warehouse import open_warehouse
from ingest.__main__ import main as ingest

EVENTS = [1e4, 1e6, 1e7]
DUCKDB_MEMORY = "5GB"
SPARK_MEMORY = "6g"
BYTES_AN_EVENT = 1500
# What a table tells of: models of a second, stages of a hundredth of all that tasks ran for.
LEAST_SECONDS = 1.0
LEAST_SHARE = 0.01
CONFIGURATION = """
spark.master local[2]
spark.local.dir {folder}/scratch
spark.eventLog.enabled true
spark.eventLog.compress false
spark.eventLog.dir file://{folder}/spark_log
"""
SKEW = "update drawn.log set user_id = 'user-0' where hash(event_id) % 100 = 0"
MODELS_ALONE = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]


@dataclass(frozen=True)
class Model:
    """What Spark took for a model: dbt's seconds, and the stages that ran in them."""

    seconds: float
    stages: list[Stage]

    @property
    def cpu_seconds(self) -> float:
        return sum(stage.cpu_seconds for stage in self.stages)

    @property
    def shuffled_bytes(self) -> int:
        return sum(stage.shuffled_bytes for stage in self.stages)

    @property
    def spilled_bytes(self) -> int:
        return sum(stage.spilled_bytes for stage in self.stages)

    @property
    def single_seconds(self) -> float:
        """Of stages with one task."""
        return sum(stage.seconds for stage in self.stages if len(stage.task_seconds) == 1)


@dataclass(frozen=True)
class Measured:
    """What one size took.

    Attributes:
        events: how many there are.
        is_skewed: whether one user has every hundredth.
        models: by name, in the order in which they ran.
        peak_gigabytes: of Python and Java together.
        duckdb_seconds: of the same models, by name.
        duckdb_gigabytes: peak of its process.
        load: processes that wanted to run, the machine's average over the last 15 minutes at the end.
    """

    events: int
    is_skewed: bool
    models: dict[str, Model]
    peak_gigabytes: float
    duckdb_seconds: dict[str, float]
    duckdb_gigabytes: float
    load: float


def main() -> None:
    """Measure every size, then print what took time, what was shuffled, and what skew does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=float, nargs="+", default=EVENTS)
    parser.add_argument("--skewed", type=float, nargs="*", default=[])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--from", type=Path, nargs="+", metavar="FILE", dest="kept")
    arguments = parser.parse_args()
    if arguments.kept:
        sizes = sorted(
            (
                measured_of(one)
                for file in arguments.kept
                for one in json.loads(file.read_text(encoding="utf-8"))
            ),
            key=lambda size: (size.events, size.is_skewed),
        )
    else:
        wanted = {(int(events), False) for events in arguments.events + arguments.skewed}
        wanted |= {(int(events), True) for events in arguments.skewed}
        sizes = [measure(*one) for one in sorted(wanted)]
    if arguments.json:
        text = json.dumps([asdict(size) for size in sizes], indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    plain = [size for size in sizes if not size.is_skewed]
    print_sizes(sizes)
    print_models(plain)
    print_stages(plain[-1])
    for size in sizes:
        if size.is_skewed:
            print_skew(next(one for one in plain if abs(one.events / size.events - 1) < 0.1), size)


def measured_of(kept: dict) -> Measured:
    """What `--json` kept of a size."""
    models = {
        name: Model(model["seconds"], [Stage(**stage) for stage in model["stages"]])
        for name, model in kept["models"].items()
    }
    return Measured(**{**kept, "models": models})


def measure(events: int, is_skewed: bool) -> Measured:
    """Draw a log, load and publish it, and build all on both engines, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < events * BYTES_AN_EVENT:
            raise SystemExit(
                f"{folder}: {events:,} events need {events * BYTES_AN_EVENT / 1e9:.0f} GB of disk"
            )
        use_warehouse(folder, DUCKDB_MEMORY)
        use_spark(folder)
        count = in_own_process(draw_log, folder, events, DUCKDB_MEMORY)
        if is_skewed:
            in_own_process(skew_log, folder)
        in_own_process(load, folder, "true", "shop-1", "2025-01-01", DUCKDB_MEMORY)
        (folder / "log.duckdb").unlink()
        if in_own_process(ingest, ["publish", os.environ["LAKE_PATH"]]):
            raise SystemExit("the warehouse could not be published, see above")
        with peak_gigabytes() as peak:
            run_dbt(folder, *MODELS_ALONE, "--target", "spark")
        models = models_of(folder)
        duckdb = run_dbt(folder, *MODELS_ALONE)
        measured = Measured(
            count, is_skewed, models, peak[0], duckdb.seconds, duckdb.peak_gigabytes, os.getloadavg()[2]
        )
    print_sizes([measured])
    return measured


def use_spark(folder: Path) -> None:
    """Have the Spark of the processes that this one starts keep a log of what it does."""
    for name in ("conf", "spark_log", "scratch"):
        (folder / name).mkdir()
    settings = CONFIGURATION.format(folder=folder)
    (folder / "conf" / "spark-defaults.conf").write_text(settings, encoding="utf-8")
    os.environ |= {
        "LAKE_PATH": str(folder / "lake"),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_DRIVER_MEMORY": SPARK_MEMORY,
    }


def skew_log(folder: Path) -> None:
    """Give every hundredth event of the drawn log to one user."""
    with open_warehouse() as connection:
        connection.execute(ATTACH.format(file=folder / "log.duckdb"))
        connection.execute(SKEW)


@contextmanager
def peak_gigabytes() -> Iterator[list[float]]:
    """The most memory that the processes started within hold together, asked for five times a second."""
    peak, is_over = [0.0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.2):
            peak[0] = max(peak[0], resident_bytes() / 1e9)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def resident_bytes() -> int:
    """What all processes below this one hold."""
    held = 0
    for process in psutil.Process().children(recursive=True):
        try:
            held += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held


def models_of(folder: Path) -> dict[str, Model]:
    """What dbt's last run took per model, with the stages that Spark ran at that time."""
    results = json.loads((folder / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    stages = read_stages(folder / "spark_log")
    models = {}
    for result in results:
        kind, _, name = result["unique_id"].split(".")[:3]
        if kind in ("model", "seed"):
            started, ended = (
                datetime.fromisoformat(moment).timestamp()
                for moment in (result["timing"][0]["started_at"], result["timing"][-1]["completed_at"])
            )
            own = [stage for stage in stages if started <= stage.started_at <= ended]
            models[name] = Model(result["execution_time"], own)
    return models


def print_table(titles: list[str], rows: list[list[str]]) -> None:
    """A table in Markdown, all but its first column to the right."""
    print(f"\n| {' | '.join(titles)} |\n| --- |{' ---: |' * (len(titles) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_sizes(sizes: list[Measured]) -> None:
    """A line a size: totals."""
    rows = []
    for size in sizes:
        models = size.models.values()
        rows.append(
            [
                f"{size.events:,}{' (skewed)' if size.is_skewed else ''}",
                f"{sum(model.seconds for model in models):.0f} s",
                f"{sum(model.cpu_seconds for model in models):.0f} s",
                f"{size.peak_gigabytes:.1f} GB",
                f"{sum(model.shuffled_bytes for model in models) / size.events:.0f}",
                f"{sum(model.spilled_bytes for model in models) / size.events:.0f}",
                f"{sum(size.duckdb_seconds.values()):.1f} s",
                f"{size.duckdb_gigabytes:.1f} GB",
                f"{size.load:.0f}",
            ]
        )
    titles = [
        "events",
        "Spark, all models",
        "processors",
        "peak memory",
        "bytes shuffled an event",
        "spilled",
    ]
    print_table([*titles, "DuckDB", "peak memory", "load"], rows)


def print_models(sizes: list[Measured]) -> None:
    """A line for each model of a second, the longest first."""
    least, largest = sizes[0], sizes[-1]
    names = sorted(largest.models, key=lambda name: -largest.models[name].seconds)
    timed = [name for name in names if largest.models[name].seconds >= LEAST_SECONDS]
    rows = []
    for name in timed:
        models = [size.models[name] for size in sizes]
        last = models[-1]
        rows.append(
            [
                f"`{name}`",
                *(f"{model.seconds:.1f} s" for model in models),
                f"{min(1, models[0].seconds / last.seconds):.0%}",
                f"{slope(sizes, [model.seconds for model in models]):.2f}",
                f"{slope(sizes, [model.cpu_seconds for model in models]):.2f}",
                f"{last.shuffled_bytes / largest.events:.0f}",
                f"{last.spilled_bytes / largest.events:.0f}",
                f"{last.single_seconds / last.seconds:.0%}",
                f"{largest.duckdb_seconds.get(name, math.nan):.1f} s",
            ]
        )
    titles = ["model", *(f"{size.events:,}" for size in sizes), f"fixed, as at {least.events:,}"]
    titles += ["slope", "of processors", "bytes shuffled an event", "spilled", "in one task", "DuckDB"]
    print_table(titles, rows)
    rest = sum(largest.models[name].seconds for name in names if name not in timed)
    print(f"{len(names) - len(timed)} more take less than {LEAST_SECONDS} s each, {rest:.0f} s together")


def slope(sizes: list[Measured], seconds: list[float]) -> float:
    """Between the last two sizes; nan where nothing ran."""
    if min(seconds[-2:]) <= 0:
        return math.nan
    return slope_of([size.events for size in sizes[-2:]], seconds[-2:])


def print_stages(size: Measured) -> None:
    """A line for each stage that shuffles a byte an event or runs long, the one that shuffles most first."""
    total = sum(model.cpu_seconds for model in size.models.values())
    found = [
        (name, stage)
        for name, model in size.models.items()
        for stage in model.stages
        if stage.shuffled_bytes >= size.events or stage.cpu_seconds >= LEAST_SHARE * total
    ]
    rows = [
        [
            f"`{name}`: {stage.work}",
            f"{len(stage.task_seconds)}",
            f"{stage.seconds:.1f} s",
            f"{stage.skew:.1f}",
            f"{stage.shuffled_bytes / size.events:.1f}",
            f"{stage.spilled_bytes / size.events:.1f}",
        ]
        for name, stage in sorted(found, key=lambda pair: -pair[1].shuffled_bytes)
    ]
    titles = [f"stage, at {size.events:,} events", "tasks", "seconds", "longest task by the median"]
    print_table([*titles, "bytes shuffled an event", "spilled"], rows)


def print_skew(plain: Measured, skewed: Measured) -> None:
    """A line for each model of a second: without and with the user who has every hundredth event."""
    rows = []
    for name in sorted(skewed.models, key=lambda name: -skewed.models[name].seconds):
        one, other = plain.models[name], skewed.models[name]
        if other.seconds < LEAST_SECONDS:
            continue
        engines = [one.seconds, other.seconds, plain.duckdb_seconds[name], skewed.duckdb_seconds[name]]
        longest = [longest_by_median(model) for model in (one, other)]
        rows.append([f"`{name}`", *(f"{value:.1f} s" for value in engines), *longest])
    titles = [f"{skewed.events:,} events", "Spark", "skewed", "DuckDB", "skewed"]
    print_table([*titles, "longest task by the median", "skewed"], rows)


def longest_by_median(model: Model) -> str:
    """Of the stage of several tasks that runs longest; how long its longest task runs."""
    split = [stage for stage in model.stages if len(stage.task_seconds) > 2]
    if not split:
        return ""
    stage = max(split, key=lambda stage: max(stage.task_seconds))
    return f"{stage.skew:.1f} ({max(stage.task_seconds):.1f} s)"


if __name__ == "__main__":
    main()
