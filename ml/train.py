"""`python -m ml.train`: fit every task on its feature mart, evaluate it, explain it, write it to `ml`."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from common.errors import UserError, run_command
from common.warehouse import how_to_build, open_warehouse, warehouse_path
from ml.evaluation.comparison import last_scores
from ml.features import read_features, studies_of
from ml.records import TrainingRun, check_tables, write_runs
from ml.run import Inputs, run_id_of, train_study
from ml.store import clear_models, save_model
from ml.summary import print_summary
from ml.tasks import TASKS, Study, Task

DEFAULT_SEED = 42
HOW_TO_LOAD = {
    "viewing": "python -m ingest simulate",
    "steam": "python -m ingest steam FILE",
    "movielens": "python -m ingest movielens FOLDER",
    "events": "python -m ingest events FILE",
}


@dataclass
class Outcome:
    """What became of the tasks: runs to write, tasks without rows, and lines of those that failed."""

    runs: list[TrainingRun] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train tasks, then write them together: models first, then all rows in one transaction.

    A task that can't be trained costs the others nothing: they are written before its line is told.

    Raises:
        UserError: the warehouse, a mart or the `ml` tables are missing, or a mart can't be trained on.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.train", description=__doc__)
    parser.add_argument("--task", choices=[task.name for task in TASKS], help="this one alone (default: all)")
    parser.add_argument("--seed", type=_seed, default=DEFAULT_SEED, help="of everything random (%(default)s)")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    outcome = Outcome()
    for task in TASKS:
        if options.task in (None, task.name):
            _train_task(task, options.seed, outcome)
    if not outcome.runs:
        raise UserError("; ".join(outcome.failed + outcome.skipped))
    with open_warehouse() as connection:
        clear_models(connection, warehouse_path())
        for run in outcome.runs:
            save_model(warehouse_path().parent / run.model_file, run.model, run.description)
        write_runs(connection, outcome.runs)
    print_summary(outcome.runs, outcome.skipped, warehouse_path(), time.perf_counter() - started)
    if outcome.failed:
        raise UserError("; ".join(outcome.failed))


def _train_task(task: Task, seed: int, outcome: Outcome) -> None:
    """Train all studies of a task; what keeps one from it is added to `outcome` in a line."""
    with open_warehouse(read_only=True) as connection:
        check_tables(connection)
        try:
            studies = studies_of(connection, task)
        except UserError as error:
            outcome.failed.append(f"{task.name}: {error}")
            return
        if not studies:
            outcome.skipped.append(f"{task.name}: {_why_empty(connection, task)}")
    for study in studies:
        try:
            outcome.runs.append(train_study(_read(study, seed), seed))
        except UserError as error:
            outcome.failed.append(f"{study.label}: {error}")


def _read(study: Study, seed: int) -> Inputs:
    with open_warehouse(read_only=True) as connection:
        table = read_features(connection, study)
        return Inputs(
            table=table,
            batches=_batches(connection, study.source),
            last=last_scores(connection, study, run_id_of(table, seed)),
        )


def _batches(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    """Current loads of a source: batch id -> rows loaded."""
    try:
        loads = connection.execute(
            "select batch_id, rows_loaded from staging.stg_ingest__loads "
            "where source = ? and is_current order by batch_id",
            [source],
        ).fetchall()
    except duckdb.CatalogException:
        return {}
    return dict(loads)


def _why_empty(connection: duckdb.DuckDBPyConnection, task: Task) -> str:
    wanted = task.source or "time-stamped"
    if task.source and _batches(connection, task.source):
        return f"{task.feature_model} has no rows: run {how_to_build()}, and if it did run, load a longer log"
    load = HOW_TO_LOAD.get(task.source or "events", "python -m ingest")
    return f"no {wanted} log is loaded, and it is learnt from that alone: run `{load}`, then {how_to_build()}"


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


if __name__ == "__main__":
    sys.exit(run_command(main))
