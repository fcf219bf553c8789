"""Models of a task carried from one source to another: what a simulated log teaches of a real one."""

from dataclasses import replace
from itertools import permutations

import polars as pl
from threadpoolctl import threadpool_limits

from ml.evaluation.metrics import evaluate, interval
from ml.features import FeatureTable
from ml.fitting import fit_models

METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "calibration_slope", "calibration_intercept")
ESTIMATOR = "boosting"


def restricted(tables: list[FeatureTable]) -> list[FeatureTable]:
    """The tables with the features alone that all of them have training values of."""
    shared = set.intersection(*(set(table.numeric + table.categorical) for table in tables))
    restricted_tables = []
    for table in tables:
        task = replace(
            table.task,
            numeric=tuple(name for name in table.task.numeric if name in shared),
            categorical=tuple(name for name in table.task.categorical if name in shared),
            candidates={ESTIMATOR: table.task.candidates.get(ESTIMATOR, {})},
            groups={},
            growing=(),
        )
        study = replace(table.study, task=task)
        restricted_tables.append(replace(table, study=study, features=table.features[list(task.features)]))
    return restricted_tables


@threadpool_limits.wrap(limits=1)
def transfers(tables: list[FeatureTable], seed: int) -> dict[str, pl.DataFrame]:
    """Train on each source and test on every one, on the features that all have.

    Args:
        tables: of one task, one a source; `seed`: of fits and resampling.

    Returns:
        source tested on -> rows of `ml.transfers`: `trained_on`, `tested_on`, `metric`, `value`, its 95 %
        interval, `rows_count`. `trained_on` equals `tested_on` for a source's own model, on the same
        features; the metric `<metric>_minus_own` is the paired difference to it.
    """
    shared = restricted(tables)
    models = {table.study.source: fit_models(table, seed)[ESTIMATOR] for table in shared}
    frames = {}
    for table in shared:
        test, own = table.labelled("test"), table.study.source
        predicted = {source: model.predict(table.features.iloc[test]) for source, model in models.items()}
        evaluated = evaluate(table.labels[test], predicted, table.clusters[test], seed)
        rows = [
            (source, own, metric, *interval(evaluated[source][metric]), len(test))
            for source in models
            for metric in METRICS
        ]
        rows += [
            (source, own, f"{metric}_minus_own", *interval(difference), len(test))
            for source, target in permutations(models, 2)
            if target == own
            for metric in METRICS[:4]
            for difference in [evaluated[source][metric] - evaluated[own][metric]]
        ]
        names = ["trained_on", "tested_on", "metric", "value", "ci_low", "ci_high", "rows_count"]
        frames[own] = pl.DataFrame(rows, schema=names, orient="row")
    return frames
