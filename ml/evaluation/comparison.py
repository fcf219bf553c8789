"""Two runs of a study on the test rows that both scored."""

import duckdb
import numpy as np
import polars as pl

from ml.evaluation.metrics import COMPARED_METRICS, evaluate, interval
from ml.features import FeatureTable
from ml.tasks import Study


def last_scores(connection: duckdb.DuckDBPyConnection, study: Study, run_id: str) -> pl.DataFrame:
    """`run_id`, `entity_id`, `probability` of the test rows of a study's newest run but `run_id`, if any."""
    rows = connection.execute(
        """
        with last_run as (
            select run_id from ml.model_runs
            where task = ? and source = ? and splitter = ? and run_id <> ?
            order by trained_at desc, run_id asc
            limit 1
        )
        select run_id, entity_id, probability
        from ml.scores inner join last_run using (run_id)
        where split = 'test' and label is not null
        order by entity_id
        """,
        [study.task.name, study.source, study.splitter.name, run_id],
    ).fetchall()
    return pl.DataFrame(rows, schema={"run_id": str, "entity_id": str, "probability": float}, orient="row")


def compare_with_last(
    table: FeatureTable, probabilities: np.ndarray, last: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """By how much a run differs from the one before, on the test rows of both, users resampled in pairs.

    Args:
        table: the new run's; `probabilities`: (n,) the new run's.
        last: as `last_scores` gives it.
        seed: of the resampling.

    Returns:
        rows of `ml.run_comparisons`, `difference` being the new run less the other; none where no row is
        common or their labels are of one class.
    """
    common = table.rows.with_row_index("row").join(last, on="entity_id", maintain_order="left")
    rows = np.intersect1d(common["row"].to_numpy(), table.labelled("test"))
    if not len(rows) or len(np.unique(table.labels[rows])) < 2:
        return pl.DataFrame()
    other = np.full(len(table.labels), np.nan)
    other[common["row"].to_numpy()] = common["probability"].to_numpy()
    evaluated = evaluate(
        table.labels[rows], {"new": probabilities[rows], "last": other[rows]}, table.clusters[rows], seed
    )
    differences = [
        (
            last["run_id"][0],
            metric,
            *interval(evaluated["new"][metric] - evaluated["last"][metric]),
            len(rows),
        )
        for metric in COMPARED_METRICS
    ]
    names = ["other_run_id", "metric", "difference", "ci_low", "ci_high", "rows_count"]
    return pl.DataFrame(differences, schema=names, orient="row")
