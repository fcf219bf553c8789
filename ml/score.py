"""`python -m ml.score`: score the rows of a task's mart that no training has seen, with the newest models."""

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from common.errors import UserError, run_command
from common.quoting import quote_identifier, quote_text
from common.warehouse import open_warehouse, warehouse_path
from ml.blocks import arrow_to_block, feature_columns, quoted_mart
from ml.features import studies_of
from ml.registry import LoadedModel, load_run, newest_runs
from ml.scorers import Scorer
from ml.tasks import TASKS, Task

# `split` in `ml.scores` of the rows written here; what training wrote has the split that it was in.
SCORED = "scored"
# Some 15 MB of features a block, and two blocks more in hand than there are threads.
BLOCK_ROWS = 65_536
THREADS = 2


@dataclass(frozen=True)
class Selection:
    """Rows of a mart that a model is asked to score, as SQL over the mart `features`.

    Attributes:
        mart: quoted name.
        key: quoted column.
        where: condition on `features`.
        scored_where: the same day, or all, on `ml.scores`.
    """

    mart: str
    key: str
    where: str
    scored_where: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the rows that the newest run of each source has not scored itself, all in one transaction.

    Rows that a run scored when it was trained stay as they were: they are its test, and what it has seen.
    Those of earlier calls are replaced.

    Raises:
        UserError: there is no model, it does not fit the mart any more, or the mart can't be scored.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.score", description=__doc__)
    parser.add_argument("--task", choices=[task.name for task in TASKS], required=True)
    parser.add_argument(
        "--as-of", type=_day, metavar="DATE", help="only rows whose as_of is on this day, UTC (YYYY-MM-DD)"
    )
    options = parser.parse_args(arguments)
    task = next(task for task in TASKS if task.name == options.task)
    with open_warehouse(read_only=True) as connection:
        models = _models(connection, task)
    started = time.perf_counter()
    with open_warehouse() as connection, _transaction(connection):
        counts = [_score(connection, model, options.as_of) for model in models]
    seconds = time.perf_counter() - started
    for model, (scored_count, rows_count) in zip(models, counts, strict=True):
        print(
            f"{model.run.run_id} ({model.run.source})\n"
            f"  scored   {scored_count:,} rows of {rows_count:,}; the others had been by its training"
        )
    all_count = sum(scored_count for scored_count, _ in counts)
    print(
        f"  written  {warehouse_path()}: ml.scores, split '{SCORED}'\n"
        f"  seconds  {seconds:.1f} ({all_count / seconds:,.0f} rows a second)\n"
        "next: `select entity_id, as_of, probability from ml.scores "
        f"where run_id = '{models[0].run.run_id}' and split = '{SCORED}'`"
    )


def _models(connection: duckdb.DuckDBPyConnection, task: Task) -> list[LoadedModel]:
    """The newest model of each source that has rows."""
    sources = [study.source for study in studies_of(connection, task)]
    runs = {run.source: run for run in newest_runs(connection, task)}
    found = [source for source in dict.fromkeys(sources) if source in runs]
    if not sources:
        raise UserError(
            f"{task.feature_model} has no rows: load a log, or more days of it, and build the marts"
        )
    for source in sorted(set(sources) - set(found)):
        print(f"{task.name}, {source}: no model yet, run `python -m ml.train --task {task.name}`")
    if not found:
        raise UserError(f"there is no model of {task.name} yet: run `python -m ml.train --task {task.name}`")
    return [load_run(runs[source], task, warehouse_path().parent) for source in found]


def _score(connection: duckdb.DuckDBPyConnection, model: LoadedModel, day: date | None) -> tuple[int, int]:
    """Write the scores of one model; return how many, and how many rows were asked for."""
    selection = _selection(model, day)
    rows_count = _check(connection, model, selection, day)
    keys = (
        f"select cast({selection.key} as varchar) from {selection.mart} as features where {selection.where}"
    )
    connection.execute(
        "delete from ml.scores where run_id = ? and split = ? "
        f"and ({selection.scored_where} or entity_id in ({keys}))",
        [model.run.run_id, SCORED],
    )
    to_score = _rows(model, selection)
    [(unseen_count,)] = connection.execute(f"select count(*) {to_score}").fetchall()
    with tqdm(total=unseen_count, desc=model.run.run_id, unit="row", disable=None, leave=False) as progress:
        for batch in _scored(connection, model, f"select {_columns(model.task)} {to_score}"):
            connection.register("scored_rows", batch)
            connection.execute(
                "insert into ml.scores by name select ? as run_id, ? as task, ? as split, * from scored_rows",
                [model.run.run_id, model.task.name, SCORED],
            )
            connection.unregister("scored_rows")
            progress.update(batch.num_rows)
    return unseen_count, rows_count


def _selection(model: LoadedModel, day: date | None) -> Selection:
    task = model.task
    conditions = [f"features.source = {quote_text(model.run.source)}"] if task.source is None else []
    if day:
        conditions.append(f"cast(cast(features.as_of as timestamp) as date) = date '{day}'")
    return Selection(
        mart=quoted_mart(task),
        key=f"features.{quote_identifier(task.key)}",
        where=" and ".join(conditions) or "true",
        scored_where=f"cast(as_of as date) = date '{day}'" if day else "true",
    )


def _check(
    connection: duckdb.DuckDBPyConnection, model: LoadedModel, selection: Selection, day: date | None
) -> int:
    """The number of selected rows.

    Raises:
        UserError: there is none on that day, or a key is missing or there twice.
    """
    task = model.task
    [(rows_count, keys_count)] = connection.execute(
        f"select count(*), count(distinct {selection.key}) from {selection.mart} as features "
        f"where {selection.where}"
    ).fetchall()
    if rows_count != keys_count:
        raise UserError(
            f"{task.feature_model} has {rows_count:,} rows and {keys_count:,} values of {task.key}: "
            f"mend the model, a row is one {task.key}"
        )
    if day and not rows_count:
        raise UserError(
            f"{task.feature_model} has no rows of {model.run.source} as of {day}: leave --as-of out, or "
            f"choose a day of `select distinct cast(as_of as date) from {task.feature_model}`"
        )
    return rows_count


def _rows(model: LoadedModel, selection: Selection) -> str:
    """From-clause of the selected rows that the run did not score when it was trained."""
    return (
        f"from {selection.mart} as features anti join (select entity_id from ml.scores "
        f"where run_id = {quote_text(model.run.run_id)} and split <> '{SCORED}') as seen "
        f"on cast({selection.key} as varchar) = seen.entity_id where {selection.where}"
    )


def _columns(task: Task) -> str:
    keys = [
        f"cast(features.{quote_identifier(task.key)} as varchar)",
        "cast(features.as_of as timestamp)",
        f"features.{quote_identifier(task.label)}",
    ]
    # By place: a feature may have any name.
    return ", ".join([*keys, *feature_columns(task)])


def _scored(
    connection: duckdb.DuckDBPyConnection, model: LoadedModel, query: str
) -> Iterator[pa.RecordBatch]:
    """Rows of `ml.scores` of what `query` selects, in its order, a few blocks of them in memory."""
    # A connection of its own to the same warehouse: reading on while the other writes.
    with connection.cursor() as reading, _workers() as workers:
        blocks = reading.sql(query).to_arrow_reader(BLOCK_ROWS)
        in_hand: deque[Future[pa.RecordBatch]] = deque()
        for block in blocks:
            in_hand.append(workers.submit(_score_block, model.scorer, model.task, block))
            if len(in_hand) > THREADS + 1:
                yield in_hand.popleft().result()
        while in_hand:
            yield in_hand.popleft().result()


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Threads that each predict on one processor."""
    with ThreadPoolExecutor(THREADS, initializer=threadpool_limits, initargs=(1,)) as workers:
        try:
            yield workers
        finally:
            workers.shutdown(cancel_futures=True)


def _score_block(scorer: Scorer, task: Task, rows: pa.RecordBatch) -> pa.RecordBatch:
    entity_id, as_of, label, *features = rows.columns
    probability = scorer.predict(arrow_to_block(task, features))
    return pa.record_batch(
        {"entity_id": entity_id, "as_of": as_of, "label": label, "probability": probability}
    )


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin transaction")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date as in 2025-06-30") from error


if __name__ == "__main__":
    sys.exit(run_command(main))
