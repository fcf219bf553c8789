"""Spark's own account of a run: its event log, a JSON object a line, as the stages that it ran."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# Parts of a plan that say what a stage does; filters and projections are in all of them.
TELLING = ("Scan", "Aggregate", "Window", "Sort", "Join", "Generate", "WriteFiles", "Insert")
# What an exchange counts on the side that writes it.
WRITTEN = "shuffle records written"


@dataclass(frozen=True)
class Stage:
    """Tasks that do the same to different parts of the data, between two exchanges.

    Attributes:
        started_at: when it was submitted, in seconds since 1970.
        seconds: from then until its last task was done.
        task_seconds: what each of its tasks ran for.
        cpu_seconds: what all of them had of a processor: does not grow where others want it too.
        input_bytes: read from files.
        shuffled_bytes: written for the next stages.
        spilled_bytes: put on disk for want of memory.
        work: what the tasks do, the tables they scan first, and what they cut their rows by for the next.
    """

    started_at: float
    seconds: float
    task_seconds: list[float]
    cpu_seconds: float
    input_bytes: int
    shuffled_bytes: int
    spilled_bytes: int
    work: str

    @property
    def skew(self) -> float:
        """The longest task by the median one."""
        return max(self.task_seconds) / max(median(self.task_seconds), 0.001)


def read_stages(folder: Path) -> list[Stage]:
    """The stages of all logs in the folder, in the order of their start."""
    work: dict[int, str] = {}
    tasks: dict[tuple[int, int], list[dict]] = defaultdict(list)
    completed = []
    for event in read_events(folder):
        if "sparkPlanInfo" in event:
            work |= dict(work_of_plan(event["sparkPlanInfo"]))
        elif event["Event"] == "SparkListenerTaskEnd" and "Task Metrics" in event:
            tasks[event["Stage ID"], event["Stage Attempt ID"]].append(event["Task Metrics"])
        elif event["Event"] == "SparkListenerStageCompleted":
            completed.append(event["Stage Info"])
    stages = [
        stage_of(info, tasks[info["Stage ID"], info["Stage Attempt ID"]], work)
        for info in completed
        if tasks[info["Stage ID"], info["Stage Attempt ID"]]
    ]
    return sorted(stages, key=lambda stage: stage.started_at)


def read_events(folder: Path) -> Iterator[dict]:
    """Every line of the folder's logs."""
    for path in sorted(folder.rglob("events_*")):
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def stage_of(info: dict, tasks: list[dict], work: dict[int, str]) -> Stage:
    """A stage of its own record, of those of its tasks, and of what each accumulator of a plan stands for."""
    told = [work[one["ID"]] for one in info["Accumulables"] if one["ID"] in work]
    return Stage(
        info["Submission Time"] / 1000,
        (info["Completion Time"] - info["Submission Time"]) / 1000,
        [task["Executor Run Time"] / 1000 for task in tasks],
        sum(task["Executor CPU Time"] for task in tasks) / 1e9,
        sum(task["Input Metrics"]["Bytes Read"] for task in tasks),
        sum(task["Shuffle Write Metrics"]["Shuffle Bytes Written"] for task in tasks),
        sum(task["Disk Bytes Spilled"] for task in tasks),
        # Scans first, then the rest, the exchange last.
        ", ".join(sorted(dict.fromkeys(told), key=lambda part: (part.startswith("by "), "scan" not in part))),
    )


def work_of_plan(plan: dict) -> Iterator[tuple[int, str]]:
    """For each accumulator of a plan's parts: what the stage does that counts with it."""
    name, description = plan["nodeName"], plan["simpleString"]
    for metric in plan["metrics"]:
        if name.startswith("Exchange") and metric["name"] == WRITTEN:
            yield metric["accumulatorId"], f"by {partitioned_by(description)}"
        elif name.startswith("Scan") and "." in name:
            yield metric["accumulatorId"], f"scan {name.rsplit('.', 1)[1]}"
        elif any(part in name for part in TELLING) and not name.startswith(("Scan", "Exchange", "Broadcast")):
            yield metric["accumulatorId"], name.split()[-1] if "Insert" not in name else "write"
    for child in plan["children"]:
        yield from work_of_plan(child)


def partitioned_by(exchange: str) -> str:
    """The columns by which an exchange cuts rows: `source, user_id`; or `nothing`, for a single partition."""
    if "SinglePartition" in exchange:
        return "nothing"
    columns = re.search(r"(?:hash|range)partitioning\((.*), \d+\)", exchange)
    return re.sub(r"#\d+L?|( ASC| DESC)?( NULLS (FIRST|LAST))?", "", columns[1]) if columns else "turns"
