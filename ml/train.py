"""`python -m ml.train`: fit every task on its feature mart, evaluate it, explain it, write it to `ml`."""

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from common.errors import run_command
from common.warehouse import open_warehouse, warehouse_path
from ml.estimators import (
    BOOSTING_PARAMETERS,
    CHOSEN,
    LOGISTIC_PARAMETERS,
    SPLINE_PARAMETERS,
    ProbabilityModel,
    fit_estimators,
)
from ml.features import FeatureTable, read_features
from ml.importance import CIRCULAR_ROC_AUC, circular_features, permutation_importance
from ml.metrics import Values, compare_with_oracle, evaluate, interval
from ml.records import Metric, SplitSpan, TrainingRun, check_tables, write_runs
from ml.store import clear_models, models_folder, save_model
from ml.summary import print_summary
from ml.tasks import TASKS, Task

DEFAULT_SEED = 42
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all tasks, then write them together: models first, then all rows in one transaction.

    Raises:
        UserError: the warehouse, a mart or the `ml` tables are missing, or a mart can't be trained on.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.train", description=__doc__)
    parser.add_argument("--seed", type=_seed, default=DEFAULT_SEED, help="of everything random (%(default)s)")
    seed = parser.parse_args(arguments).seed
    started = time.perf_counter()
    runs = []
    for task in TASKS:
        with open_warehouse(read_only=True) as connection:
            check_tables(connection)
            table = read_features(connection, task)
        runs.append(train_task(task, table, seed))
    with open_warehouse() as connection:
        clear_models(connection, warehouse_path())
        for run in runs:
            save_model(warehouse_path().parent / run.model_file, run.model, describe(run))
        write_runs(connection, runs)
    print_summary(runs, warehouse_path(), time.perf_counter() - started)


# On one thread the order of a sum, and so its last bit, is the same on every machine; and trees whose
# threads wait for one another get far slower when the cores are shared.
@threadpool_limits.wrap(limits=1)
def train_task(task: Task, table: FeatureTable, seed: int) -> TrainingRun:
    """Fit, calibrate, evaluate and explain the estimators of one task; nothing is written."""
    started = time.perf_counter()
    models = fit_estimators(task, table, seed)
    chosen = models[CHOSEN]
    probabilities = chosen.predict(table.matrix)
    circular = circular_features(task, table)
    metrics = _evaluate(models, probabilities, table, bool(circular), seed)
    importance = permutation_importance(chosen, task, table, seed)
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    parameters = {
        "features": task.features,
        "boosting": BOOSTING_PARAMETERS,
        "logistic": LOGISTIC_PARAMETERS,
        "splines": SPLINE_PARAMETERS,
    }
    run_id = f"{task.name}-{_digest(table.fingerprint(), parameters, versions, seed)}"
    return TrainingRun(
        run_id=run_id,
        task=task.name,
        model_version=f"{CHOSEN}-{_digest(parameters)[:8]}",
        estimator=CHOSEN,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
        feature_model=task.feature_model,
        feature_names=task.features,
        library_versions=versions,
        seed=seed,
        train_seconds=time.perf_counter() - started,
        model_file=f"{models_folder(warehouse_path()).name}/{run_id}.skops",
        model=chosen,
        levels=table.levels,
        spans=_spans(table),
        metrics=metrics,
        scores=table.rows.with_columns(probability=pl.Series(probabilities)),
        importance=importance,
        circular_features=circular,
    )


def describe(run: TrainingRun) -> dict[str, object]:
    """What is stored in the model file beside the model: plain values only."""
    return {
        "run_id": run.run_id,
        "task": run.task,
        "model_version": run.model_version,
        "feature_model": run.feature_model,
        "feature_names": list(run.feature_names),
        "category_levels": run.levels,
        "train_from": run.spans["train"].from_at.isoformat(),
        "train_to": run.spans["train"].to_at.isoformat(),
        "seed": run.seed,
        "library_versions": run.library_versions,
    }


def _evaluate(
    models: dict[str, ProbabilityModel],
    chosen_probabilities: NDArray[np.float64],
    table: FeatureTable,
    has_circular_feature: bool,
    seed: int,
) -> list[Metric]:
    """All estimators on the test rows, and the chosen one on its training rows, to show overfitting."""
    train, test = table.labelled("train"), table.labelled("test")
    predicted = {
        name: chosen_probabilities[test] if name == CHOSEN else model.predict(table.matrix[test])
        for name, model in models.items()
    }
    if table.oracle is not None and not np.isnan(table.oracle[test]).any():
        predicted["oracle"] = table.oracle[test]
    on_test = evaluate(table.labels[test], predicted, table.clusters[test], seed)
    on_train = evaluate(
        table.labels[train], {CHOSEN: chosen_probabilities[train]}, table.clusters[train], seed
    )
    rows = _metric_rows(on_test, "test") + _metric_rows(on_train, "train")
    rows += [Metric(name, "test", "rows_count", float(len(test))) for name in predicted]
    rows.append(Metric(CHOSEN, "train", "rows_count", float(len(train))))
    is_circular = has_circular_feature or on_test[CHOSEN]["roc_auc"][0] >= CIRCULAR_ROC_AUC
    rows.append(Metric(CHOSEN, "test", "is_label_circular", float(is_circular)))
    if "oracle" in predicted:
        differences = _metric_rows(compare_with_oracle(on_test), "test")
        rows += differences
        # No honest score beats the true probability by more than chance: whatever does has seen the answer.
        rows += [
            Metric(row.estimator, "test", "is_above_oracle", float(row.ci_low > 0))
            for row in differences
            if row.metric == "roc_auc_minus_oracle"
        ]
    return rows


def _metric_rows(evaluated: dict[str, Values], split: str) -> list[Metric]:
    return [
        Metric(estimator, split, name, *interval(values))
        for estimator, metrics in evaluated.items()
        for name, values in metrics.items()
    ]


def _spans(table: FeatureTable) -> dict[str, SplitSpan]:
    """Of each split, the rows that count, and their time; the open one's labels are unknown by its nature."""
    counted = table.rows.filter(pl.col("label").is_not_null() | (pl.col("split") == "open"))
    spans = counted.group_by("split").agg(
        pl.len().alias("rows_count"),
        pl.col("as_of").min().alias("from_at"),
        pl.col("as_of").max().alias("to_at"),
    )
    return {row["split"]: SplitSpan(**row) for row in spans.to_dicts()}


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(run_command(main))
