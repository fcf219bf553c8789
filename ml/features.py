"""Reads a task's feature mart, and says in one line what keeps it from being trained on."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from common.errors import UserError, listed
from common.quoting import quote_identifier, quote_text
from common.warehouse import how_to_build
from ml.tasks import Study, Task

# The splits that need rows with a known label: to fit, to calibrate, to evaluate.
LABELLED_SPLITS = ("train", "validation", "test")
SPLITS = (*LABELLED_SPLITS, "embargo", "open")
# Labelled rows of validation and of the test below which no figure means anything.
MINIMUM_HELD_OUT = 50
NUMBERS = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


class TooLittleDataError(UserError):
    """A study whose log is too short, or too uniform, to learn or to tell anything from."""


@dataclass(frozen=True)
class FeatureTable:
    """The n rows of a feature mart that a study is about, ordered by key; k features.

    Attributes:
        rows: n rows with `entity_id` (text), `as_of`, `label_known_at`, `split`, `label` (boolean or null),
            and the task's slices as text, `slice_<name>`.
        features: (n, k) pandas frame in the order of `Task.features`: float64, NaN where null; categories are
            objects, None where null. Values are of single precision.
        labels: (n,) float64, 1.0, 0.0, or NaN while unknown.
        clusters: (n,) int64 codes of the users, 0 to the number of users - 1.
        oracle: (n,) float64 true probabilities, NaN where there is none, or None for tasks without.
    """

    study: Study
    rows: pl.DataFrame
    features: pd.DataFrame
    labels: NDArray[np.float64]
    clusters: NDArray[np.int64]
    oracle: NDArray[np.float64] | None

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.study.task

    @cached_property
    def unused(self) -> list[str]:
        """Features that no training row has a value of: nothing can be learnt of them."""
        is_missing = self.features.iloc[self.labelled("train")].isna().all()
        return [str(name) for name in self.features.columns[is_missing]]

    @cached_property
    def numeric(self) -> list[str]:
        """Numeric features that can be learnt from."""
        return [name for name in self.task.numeric if name not in self.unused]

    @cached_property
    def categorical(self) -> list[str]:
        """Categorical features that can be learnt from."""
        return [name for name in self.task.categorical if name not in self.unused]

    def labelled(self, split: str) -> NDArray[np.intp]:
        """Row numbers of the rows of `split` whose label is known."""
        in_split = (self.rows["split"] == split).to_numpy()
        return np.flatnonzero(in_split & ~np.isnan(self.labels))

    def known_before_test(self) -> NDArray[np.intp]:
        """Row numbers of all rows whose label was known when the test began.

        Embargoed rows between training and validation are among them; those just before the test are not.
        """
        splits = self.rows["split"].to_numpy()
        is_known = ~np.isnan(self.labels)
        chosen = np.isin(splits, ["train", "validation"])
        if self.study.splitter.by == "time":
            test_begins = self.rows.filter(pl.col("split") == "test")["as_of"].min()
            known_by_then = self.rows["label_known_at"] <= pl.lit(test_begins)
            chosen |= (splits == "embargo") & pl.select(known_by_then.fill_null(False)).to_series().to_numpy()
        return np.flatnonzero(chosen & is_known)

    def levels(self, name: str) -> list[str]:
        """A categorical feature's values in training, ordered by their rate of the label, then by name."""
        rows = self.labelled("train")
        rates = pl.DataFrame({"value": self.features[name].iloc[rows].tolist(), "label": self.labels[rows]})
        means = rates.drop_nulls("value").group_by("value").agg(pl.col("label").mean())
        return means.sort("label", "value")["value"].to_list()

    def fingerprint(self) -> str:
        """Digest of every value that training and evaluation see: equal data, equal text."""
        digest = hashlib.sha256()
        oracle = np.empty(0) if self.oracle is None else self.oracle
        numbers = self.features[list(self.task.numeric)].to_numpy(np.float64)
        for values in (numbers, self.labels, self.clusters, oracle):
            digest.update(np.ascontiguousarray(values).tobytes())
        texts = self.rows.select(pl.exclude("as_of", "label_known_at", "label")).fill_null("\0")
        for column in [*texts, *(pl.Series(self.features[name].tolist()) for name in self.task.categorical)]:
            digest.update("\n".join("\0" if value is None else value for value in column).encode())
        for name in ("as_of", "label_known_at"):
            digest.update(self.rows[name].cast(pl.Int64).fill_null(-1).to_numpy().tobytes())
        return digest.hexdigest()


def studies_of(connection: duckdb.DuckDBPyConnection, task: Task) -> list[Study]:
    """What there is to train of a task: each of its sources that has rows, under each of its splitters.

    Raises:
        UserError: the mart is missing, or lacks a column, or holds text where a number is needed.
    """
    _check_columns(connection, task)
    table = _table(task)
    if task.source is not None:
        has_rows = connection.execute(f"select 1 from {table} limit 1").fetchall()
        sources = [task.source] if has_rows else []
    else:
        rows = connection.execute(f"select distinct source from {table} order by source").fetchall()
        sources = [source for (source,) in rows]
    return [Study(task, source, splitter) for source in sources for splitter in task.splitters]


def read_features(connection: duckdb.DuckDBPyConnection, study: Study) -> FeatureTable:
    """Read the rows of a study, and the true probabilities where the task has them.

    Raises:
        UserError: the mart or the truth is of another version; a key is not unique, a moment or a split is
            missing, a number is not finite; a split has too few rows with a known label, or labels of one
            class only; or some true probabilities are missing.
    """
    task = study.task
    try:
        frame = pl.DataFrame(connection.sql(_select(study)).to_arrow_table())
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{task.feature_model} can't be read ({reason}): run {how_to_build()}") from error
    _check_rows(study, frame)
    oracle = frame["oracle"].fill_null(np.nan).to_numpy() if task.oracle_query else None
    if oracle is not None and np.isnan(oracle).all():
        oracle = None
    slices = [pl.col(f"slice_{name}") for name in task.slices]
    table = FeatureTable(
        study=study,
        rows=frame.select("entity_id", "as_of", "label_known_at", "split", "label", *slices),
        features=to_features(task, frame),
        labels=frame["label"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        clusters=frame["cluster"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        oracle=oracle,
    )
    _check_labels(table)
    return table


def to_features(task: Task, frame: pl.DataFrame) -> pd.DataFrame:
    """The (n, k) frame that pipelines take, of a frame with the task's columns as numbers and text.

    Raises:
        UserError: a number is infinite, or NaN, or beyond single precision.
    """
    columns: dict[str, NDArray | pd.Series] = {}
    for name in task.numeric:
        # An average that the mart took on several threads may differ in its last bit from build to build;
        # single precision hides that, so equal data trains the same model.
        with np.errstate(over="ignore"):
            values = frame[name].cast(pl.Float64).to_numpy().astype(np.float32).astype(np.float64)
        broken = ~np.isfinite(values) & frame[name].is_not_null().to_numpy()
        if broken.any():
            first = frame[name].to_list()[int(broken.argmax())]
            raise UserError(
                f"{task.feature_model}.{name} holds {int(broken.sum()):,} values that no model can take "
                f"(the first: {first}): mend the model or its source"
            )
        columns[name] = values
    for name in task.categorical:
        # Said, or pandas would take text for a type of its own, which scikit-learn reads far slower.
        columns[name] = pd.Series(frame[name].cast(pl.String).to_list(), dtype=object)
    return pd.DataFrame(columns)


def _check_columns(connection: duckdb.DuckDBPyConnection, task: Task) -> None:
    schema, name = task.feature_model.split(".")
    found = dict(
        connection.execute(
            "select column_name, data_type from information_schema.columns "
            "where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )
    if not found:
        raise UserError(f"{task.feature_model} does not exist: run {how_to_build()} first")
    needed = {task.key, task.cluster, "as_of", "label_known_at", task.label, *task.features}
    needed |= {splitter.column for splitter in task.splitters} | (
        {"source"} if task.source is None else set()
    )
    missing = sorted(needed - found.keys())
    if missing:
        raise UserError(
            f"{task.feature_model} lacks {listed(missing)}: run {how_to_build()}, or mend ml/tasks.py"
        )
    texts = [name for name in task.numeric if not found[name].startswith(NUMBERS)]
    if texts:
        raise UserError(
            f"{task.feature_model}.{texts[0]} is {found[texts[0]]}, not a number: mend the model, or make it "
            "categorical in ml/tasks.py"
        )


def _table(task: Task) -> str:
    return ".".join(quote_identifier(part) for part in task.feature_model.split("."))


def _select(study: Study) -> str:
    """The query that reads the mart, cast to the few types the arrays need, in the order of the key."""
    task = study.task
    key = quote_identifier(task.key)
    columns = [
        f"cast(features.{key} as varchar) as entity_id",
        f"{quote_identifier(task.cluster)} as cluster",
        "cast(as_of as timestamp) as as_of",
        "cast(label_known_at as timestamp) as label_known_at",
        f"{quote_identifier(task.label)} as label",
        f"{quote_identifier(study.splitter.column)} as split",
        *[f"cast({name} as double) as {name}" for name in map(quote_identifier, task.numeric)],
        *[f"cast({name} as varchar) as {name}" for name in map(quote_identifier, task.categorical)],
        *[
            f"cast({sql} as varchar) as {quote_identifier(f'slice_{name}')}"
            for name, sql in task.slices.items()
        ],
    ]
    source = f"from {_table(task)} as features"
    if task.oracle_query:
        columns.append("oracle.probability as oracle")
        source += f" left join ({task.oracle_query}) as oracle using ({key})"
    where = f"where source = {quote_text(study.source)}" if task.source is None else ""
    return f"select {', '.join(columns)} {source} {where} order by features.{key}"


def _check_rows(study: Study, frame: pl.DataFrame) -> None:
    mart, key = study.task.feature_model, study.task.key
    twice = frame.filter(pl.col("entity_id").is_duplicated())
    if not twice.is_empty():
        raise UserError(
            f"{mart} has {twice['entity_id'].n_unique():,} values of {key} more than once (the first: "
            f"{twice['entity_id'][0]}): mend the model, a row is one {key}"
        )
    if frame["entity_id"].has_nulls() or frame["cluster"].has_nulls():
        raise UserError(f"{mart} has rows without {key} or {study.task.cluster}: mend the model")
    splits = frame["split"].unique().to_list()
    strange = [split for split in splits if split not in SPLITS]
    if strange:
        raise UserError(
            f"{mart}.{study.splitter.column} holds {listed(map(repr, strange))}: "
            f"a row is one of {listed(SPLITS)}"
        )
    if study.splitter.by == "time" and frame["as_of"].has_nulls():
        raise UserError(f"{mart} has rows without as_of, and is split by time: mend the model")


def _check_labels(table: FeatureTable) -> None:
    mart, task = table.task.feature_model, table.task
    if np.isnan(table.labels).all():
        raise TooLittleDataError(
            f"{mart} has no known {task.label} for {table.study.label}: the log is too short, load more days"
        )
    for split in LABELLED_SPLITS:
        known = table.labels[table.labelled(split)]
        least = task.minimum_rows if split == "train" else MINIMUM_HELD_OUT
        if known.size < least:
            raise TooLittleDataError(
                f"{mart} has {known.size:,} {split} rows with a known label for {table.study.label}, "
                f"{least:,} are needed: load more days or more users"
            )
        if known.min() == known.max():
            raise TooLittleDataError(
                f"every known label of {mart} in split {split} is {bool(known[0])}: "
                "there is nothing to learn, load more data"
            )
    if table.oracle is not None:
        known_rows = np.concatenate([table.labelled(split) for split in LABELLED_SPLITS])
        missing = int(np.isnan(table.oracle[known_rows]).sum())
        if missing:
            raise UserError(
                f"{missing} labelled rows of {mart} have no true probability: "
                "run `dbt build` after the last `python -m ingest`"
            )
