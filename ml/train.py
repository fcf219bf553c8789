"""`python -m ml.train`: fit every task on its feature mart, evaluate it, explain it, write it to `ml`."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import polars as pl

from common.errors import UserError, run_command
from common.warehouse import how_to_build, open_warehouse, warehouse_path
from ml.ceiling import NoCeilingError, ceiling_probabilities
from ml.evaluation.comparison import last_scores
from ml.evaluation.transfer import transfers
from ml.features import TooLittleDataError, read_features, studies_of
from ml.outlooks import bg_nbd_outlooks
from ml.records import TrainingRun, check_tables, write_runs
from ml.run import Inputs, run_id_of, train_study
from ml.store import clear_models, save_model
from ml.summary import print_summary
from ml.tasks import TASKS, Study, Task
from ml.trait_effects import session_trait_effects

DEFAULT_SEED = 42
# Test viewers at most that the ceiling is worked out for: its time grows with them.
CEILING_VIEWERS = 3000
HOW_TO_LOAD = {
    "viewing": "python -m ingest simulate",
    "steam": "python -m ingest steam FILE",
    "movielens": "python -m ingest movielens FOLDER",
    "events": "python -m ingest events FILE",
}


@dataclass
class Outcome:
    """What became of the tasks: runs to write, and lines of those without enough rows, and that failed."""

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
    tables = {}
    for study in studies:
        try:
            inputs = _read(study, seed)
            outcome.runs.append(train_study(inputs, seed))
            tables[study.source] = inputs.table
        except TooLittleDataError as error:
            outcome.skipped.append(str(error))
        except UserError as error:
            outcome.failed.append(f"{study.label}: {error}")
    if task.has_transfers and len(tables) > 1:
        frames = transfers(list(tables.values()), seed)
        for run in outcome.runs:
            if run.study.task is task:
                run.frames["transfers"] = frames[run.study.source]


def _read(study: Study, seed: int) -> Inputs:
    task = study.task
    with open_warehouse(read_only=True) as connection:
        table = read_features(connection, study)
        frames = {}
        outlooks = bg_nbd_outlooks(connection, table) if task.has_outlooks else None
        if outlooks:
            frames["user_outlooks"] = outlooks[1]
        if task.trait:
            frames["trait_effects"] = _trait_effects(connection, study, seed)
        return Inputs(
            table=table,
            batches=_batches(connection, study.source),
            ceiling=_ceiling(connection, seed) if task.has_ceiling else None,
            last=last_scores(connection, study, run_id_of(table, seed)),
            others={"bg_nbd": outlooks[0]} if outlooks else {},
            frames=frames,
        )


def _ceiling(connection: duckdb.DuckDBPyConnection, seed: int) -> pl.DataFrame | None:
    """`entity_id` and `probability` of test rows; None of a log that this simulator did not make."""
    try:
        found = ceiling_probabilities(connection, CEILING_VIEWERS, seed)
    except NoCeilingError:
        return None
    return found.select(pl.col("event_id").cast(pl.String).alias("entity_id"), "probability")


def _trait_effects(connection: duckdb.DuckDBPyConnection, study: Study, seed: int) -> pl.DataFrame:
    """Rows of `ml.trait_effects`; none where the source's users don't have the trait, or too few do."""
    trait = study.task.trait
    try:
        effects = session_trait_effects(
            connection, study.source, trait.name, trait.value, trait.covariates, seed
        )
    except UserError:
        return pl.DataFrame()
    planted = connection.execute(
        "select size from truth.effects where source = ? and effect = ?",
        [study.source, f"{trait.name}_average_effect"],
    ).fetchall()
    rows = [
        {
            "trait": f"{trait.name} = {trait.value}",
            "method": effect.estimator,
            "effect": effect.estimate,
            "ci_low": effect.ci_low,
            "ci_high": effect.ci_high,
            "rows_count": effect.rows_count,
            "users_count": effect.users_count,
            "planted_effect": planted[0][0] if planted else None,
        }
        for effect in effects
    ]
    return pl.DataFrame(rows, schema_overrides={"planted_effect": pl.Float64})


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
