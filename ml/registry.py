"""Which trained models there are, and the newest of a task, ready to score."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from common.errors import UserError, listed
from ml.records import check_tables
from ml.scorers import Scorer, scorer_of
from ml.store import StoredModel, load_model
from ml.tasks import TASKS, Task


@dataclass(frozen=True)
class Run:
    """A training run whose model scores: one line of `ml.model_runs`, `trained_at` in UTC."""

    run_id: str
    task: str
    source: str
    model_version: str
    trained_at: datetime
    model_file: str


@dataclass(frozen=True)
class LoadedModel:
    """The model of a run in memory, in its stored form and in the form that scores."""

    run: Run
    task: Task
    stored: StoredModel
    scorer: Scorer


def task_named(name: str) -> Task | None:
    """The task of `ml/tasks.py` with this name."""
    return next((task for task in TASKS if task.name == name), None)


def newest_runs(connection: duckdb.DuckDBPyConnection, task: Task) -> list[Run]:
    """The newest run of each source of a task, by the task's first splitter, ordered by source.

    Raises:
        UserError: the warehouse lacks the tables of `ml`.
    """
    check_tables(connection)
    rows = connection.execute(
        """
        select run_id, task, source, model_version, trained_at, model_file
        from (
            select *, row_number() over (partition by source order by trained_at desc, run_id) as place
            from ml.model_runs
            where task = ? and splitter = ?
        )
        where place = 1
        order by source
        """,
        [task.name, task.splitters[0].name],
    ).fetchall()
    return [Run(*row) for row in rows]


def load_run(run: Run, task: Task, folder: Path) -> LoadedModel:
    """Read the model of a run; `folder` is the warehouse's.

    Raises:
        UserError: the file is missing or refused, or the model reads other features than the task has now.
    """
    stored = load_model(folder / run.model_file)
    then = [*stored.description["numeric"], *stored.description["categorical"]]
    now = list(task.features)
    if then != now:
        gone, new = sorted(set(then) - set(now)), sorted(set(now) - set(then))
        changes = [f"without {listed(gone)}" if gone else "", f"with {listed(new)}" if new else ""]
        told = " and ".join(filter(None, changes)) or "in another order"
        raise UserError(
            f"the model of run {run.run_id} no longer fits: ml/tasks.py now has the features of {task.name} "
            f"{told}: run `python -m ml.train --task {task.name}`"
        )
    return LoadedModel(run, task, stored, scorer_of(stored.model))
