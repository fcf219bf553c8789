"""`python -m ml.explain`: why one row of a task's mart gets its score from the newest model."""

import argparse
import math
import sys
from collections.abc import Sequence

import polars as pl

from common.errors import UserError, run_command
from common.warehouse import open_warehouse, warehouse_path
from ml.blocks import Block, to_frame
from ml.entities import find_entity
from ml.evaluation.attribution import explain_rows
from ml.registry import LoadedModel, Run, load_run, newest_runs
from ml.tasks import TASKS, Task

# The rest is told as one sum.
MOST_FEATURES = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the score of one row, and what each feature adds to its log odds.

    Raises:
        UserError: there is no such row or no model, or the model does not fit any more.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.explain", description=__doc__)
    parser.add_argument("--task", choices=[task.name for task in TASKS], required=True)
    parser.add_argument("--entity", required=True, metavar="ID", help="key of the row in the task's mart")
    parser.add_argument("--source", help="of the row, where several sources have one of this key")
    options = parser.parse_args(arguments)
    task = next(task for task in TASKS if task.name == options.task)
    source, row = _row(task, options.entity, options.source)
    with open_warehouse(read_only=True) as connection:
        run = _run(newest_runs(connection, task), task, source)
        rates = connection.execute(
            "select value from ml.metrics where run_id = ? and split = 'train' and metric = 'base_rate'",
            [run.run_id],
        ).fetchall()
    model = load_run(run, task, warehouse_path().parent)
    print("\n".join(_told(model, options.entity, row, rates[0][0] if rates else None)))


def _row(task: Task, entity_id: str, source: str | None) -> tuple[str, Block]:
    found = [row for row in find_entity(task, entity_id) if source in (None, row[0])]
    if not found:
        of_source = f" of {source}" if source else ""
        raise UserError(
            f"{task.feature_model} has no row{of_source} whose {task.key} is {entity_id}: choose one of "
            f"`select {task.key} from {task.feature_model}`"
        )
    if len(found) > 1:
        sources = ", ".join(name for name, _ in found)
        raise UserError(f"{entity_id} is a {task.key} of {sources}: choose one by --source")
    return found[0]


def _run(runs: list[Run], task: Task, source: str) -> Run:
    for run in runs:
        if run.source == source:
            return run
    raise UserError(
        f"there is no model of {task.name} for {source}: run `python -m ml.train --task {task.name}`"
    )


def _told(model: LoadedModel, entity_id: str, row: Block, base_rate: float | None) -> list[str]:
    [score] = model.scorer.predict(row)
    explained = explain_rows(model.stored.model, to_frame(row), model.task.groups)
    start = explained["expected_log_odds"][0]
    total = start + explained["shap_value"].sum()
    together = 1 / (1 + math.exp(-total))
    rate = "" if base_rate is None else f"; base rate of the training rows {base_rate:.3f}"
    return [
        f"{model.task.key} {entity_id} by run {model.run.run_id} ({model.run.source})",
        f"  score    {score:.4f}{rate}",
        "  because  log odds before calibration, feature by feature",
        f"           {start:+8.3f}  expected of the training rows",
        *_parts(explained),
        f"           {total:+8.3f}  together: a probability of {together:.4f}, calibrated {score:.4f}",
    ]


def _parts(explained: pl.DataFrame) -> list[str]:
    """The features that push most, up or down, with their values; then the rest as one."""
    ranked = explained.sort(pl.col("shap_value").abs(), descending=True, maintain_order=True)
    ranked = ranked.filter(pl.col("shap_value") != 0)
    lines = [
        f"           {part['shap_value']:+8.3f}  {part['feature']} = {_value(part['feature_value'])}"
        for part in ranked.head(MOST_FEATURES).to_dicts()
    ]
    rest = ranked.slice(MOST_FEATURES)
    if len(rest):
        lines.append(f"           {rest['shap_value'].sum():+8.3f}  {len(rest)} more")
    return lines


def _value(text: str | None) -> str:
    return "missing" if text is None else text


if __name__ == "__main__":
    sys.exit(run_command(main))
