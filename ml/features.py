"""Reads a task's feature mart into arrays, and says in one line what keeps it from being trained on."""

import hashlib
from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.errors import UserError
from common.quoting import quote_identifier
from common.warehouse import how_to_build
from ml.tasks import Task

# The splits that need rows with a known label: to fit, to calibrate, to evaluate.
LABELLED_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class FeatureTable:
    """The n rows of a feature mart, ordered by key; k features.

    Attributes:
        rows: n rows with `entity_id` (text), `as_of`, `split` and `label` (boolean or null).
        matrix: (n, k) float64, columns in the order of `Task.features`; NaN where null. Categories are
            codes, see `levels`.
        labels: (n,) float64, 1.0, 0.0, or NaN while unknown.
        clusters: (n,) int64 codes of the clusters, 0 to the number of clusters - 1.
        oracle: (n,) float64 true probabilities, NaN where there is none, or None for tasks without.
        levels: of each categorical feature the values met in training, by code.
    """

    rows: pl.DataFrame
    matrix: NDArray[np.float64]
    labels: NDArray[np.float64]
    clusters: NDArray[np.int64]
    oracle: NDArray[np.float64] | None
    levels: dict[str, list[str]]

    def labelled(self, split: str) -> NDArray[np.intp]:
        """Row numbers of the rows of `split` whose label is known."""
        in_split = (self.rows["split"] == split).to_numpy()
        return np.flatnonzero(in_split & ~np.isnan(self.labels))

    def fingerprint(self) -> str:
        """Digest of every value that training and evaluation see: equal data, equal text."""
        digest = hashlib.sha256()
        oracle = np.empty(0) if self.oracle is None else self.oracle
        for values in (self.matrix, self.labels, self.clusters, oracle):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update("\n".join(self.rows["entity_id"]).encode())
        digest.update("\n".join(self.rows["split"]).encode())
        digest.update(self.rows["as_of"].cast(pl.Int64).to_numpy().tobytes())
        digest.update(repr(sorted(self.levels.items())).encode())
        return digest.hexdigest()


def read_features(connection: duckdb.DuckDBPyConnection, task: Task) -> FeatureTable:
    """Read the feature mart of `task`, and the true probabilities where the task has them.

    Raises:
        UserError: the mart is missing, lacks a column or is empty; a split has no row with a known label,
            or labels of one class only; or some of the true probabilities are missing.
    """
    _check_columns(connection, task)
    frame = pl.DataFrame(connection.sql(_select(task)).to_arrow_table())
    if frame.is_empty():
        raise UserError(_why_empty(connection, task))
    labels = frame["label"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    in_training = ((frame["split"] == "train") & frame["label"].is_not_null()).to_numpy()
    levels = {name: _levels(frame[name], labels, in_training) for name in task.categorical}
    columns = [frame[name].fill_null(np.nan).to_numpy() for name in task.numeric]
    columns += [_codes(frame[name], levels[name]) for name in task.categorical]
    matrix = np.column_stack(columns)
    # Nothing can be learnt of a feature that training has no value of, and the trees refuse it.
    matrix[:, np.isnan(matrix[in_training]).all(axis=0)] = 0.0
    table = FeatureTable(
        rows=frame.select("entity_id", "as_of", "split", "label"),
        matrix=matrix,
        labels=labels,
        clusters=frame["cluster"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        oracle=frame["oracle"].fill_null(np.nan).to_numpy() if task.oracle_query else None,
        levels=levels,
    )
    _check_splits(task, table)
    return table


def _check_columns(connection: duckdb.DuckDBPyConnection, task: Task) -> None:
    schema, name = task.feature_model.split(".")
    found = connection.execute(
        "select column_name from information_schema.columns where table_schema = ? and table_name = ?",
        [schema, name],
    ).fetchall()
    if not found:
        raise UserError(f"{task.feature_model} does not exist: run {how_to_build()} first")
    needed = {task.key, task.cluster, "as_of", "label", "split", *task.features}
    missing = sorted(needed - {column for (column,) in found})
    if missing:
        raise UserError(
            f"{task.feature_model} lacks {', '.join(missing)}: run {how_to_build()}, or mend ml/tasks.py"
        )


def _why_empty(connection: duckdb.DuckDBPyConnection, task: Task) -> str:
    try:
        is_loaded = connection.execute(
            "select 1 from raw.load_manifest where source = ? and is_current", [task.source]
        ).fetchall()
    except duckdb.CatalogException:
        is_loaded = []
    if is_loaded:
        return f"{task.feature_model} has no rows: run {how_to_build()}, and if it did run, load a longer log"
    return (
        f"no {task.source} log is loaded, and {task.name} is learnt from that alone: run `python -m ingest "
        "simulate`, then `dbt build`"
    )


def _select(task: Task) -> str:
    """The query that reads the mart, cast to the few types the arrays need, in the order of the key."""
    key = quote_identifier(task.key)
    # An average that the mart took on several threads may differ in its last bit from build to build;
    # single precision hides that, so equal data trains the same model.
    numeric = [
        f"cast(cast({name} as real) as double) as {name}" for name in map(quote_identifier, task.numeric)
    ]
    text = [f"cast({name} as varchar) as {name}" for name in map(quote_identifier, task.categorical)]
    columns = [
        f"cast(features.{key} as varchar) as entity_id",
        f"{quote_identifier(task.cluster)} as cluster",
        "cast(as_of as timestamp) as as_of",
        "label",
        "split",
        *numeric,
        *text,
    ]
    table = ".".join(quote_identifier(part) for part in task.feature_model.split("."))
    source = f"from {table} as features"
    if task.oracle_query:
        columns.append("oracle.probability as oracle")
        source += f" left join ({task.oracle_query}) as oracle using ({key})"
    return f"select {', '.join(columns)} {source} order by features.{key}"


def _levels(values: pl.Series, labels: NDArray[np.float64], in_training: NDArray[np.bool_]) -> list[str]:
    """The training rows' values of a categorical feature, ordered by their rate of the label, then by name.

    With a binary label, the best split of the values into two groups is a cut of this order, so trees may
    treat the codes as numbers (Breiman et al. 1984, Classification and Regression Trees, theorem 4.5).
    """
    rates = (
        pl.DataFrame({"value": values, "label": labels})
        .filter(pl.Series(in_training))
        .drop_nulls("value")
        .group_by("value")
        .agg(pl.col("label").mean())
        .sort("label", "value")
    )
    return rates["value"].to_list()


def _codes(values: pl.Series, levels: list[str]) -> NDArray[np.float64]:
    """`values` as positions in `levels`; NaN for null and for values that training never met."""
    codes = values.replace_strict(levels, list(range(len(levels))), default=None, return_dtype=pl.Float64)
    return codes.fill_null(np.nan).to_numpy()


def _check_splits(task: Task, table: FeatureTable) -> None:
    for split in LABELLED_SPLITS:
        known = table.labels[table.labelled(split)]
        if known.size == 0:
            raise UserError(
                f"{task.feature_model} has no {split} row with a known label: the log is too short, "
                "load more days"
            )
        if known.min() == known.max():
            raise UserError(
                f"every known label of {task.feature_model} in split {split} is {bool(known[0])}: "
                "there is nothing to learn, load more data"
            )
    if table.oracle is not None and np.isfinite(table.oracle).any():
        known_rows = np.concatenate([table.labelled(split) for split in LABELLED_SPLITS])
        missing = int(np.isnan(table.oracle[known_rows]).sum())
        if missing:
            raise UserError(
                f"{missing} labelled rows of {task.feature_model} have no true probability: "
                "run `dbt build` after the last `python -m ingest`"
            )
