"""What a training run leaves in the warehouse, and the one transaction that puts it there."""

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime

import duckdb
import polars as pl

from common.errors import UserError
from common.warehouse import how_to_build
from ml.estimators import Calibrated

TABLES = ("model_runs", "metrics", "scores", "feature_importance")


@dataclass(frozen=True)
class Metric:
    """One row of `ml.metrics`; the interval is NaN for counts and flags."""

    estimator: str
    split: str
    metric: str
    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan


@dataclass(frozen=True)
class SplitSpan:
    """A split's rows with a known label (all its rows for `open`), and their first and last `as_of`."""

    split: str
    rows_count: int
    from_at: datetime | None
    to_at: datetime | None


@dataclass(frozen=True)
class TrainingRun:
    """Everything one run produced.

    Attributes:
        run_id: the same for equal data, parameters, seed and library versions.
        model_file: relative to the warehouse's folder.
        spans: of each split in the mart.
        scores: `entity_id`, `as_of`, `split`, `label`, `probability` of every row of the mart.
        importance: feature -> mean and standard deviation of the fall in ROC AUC.
        circular_features: features that give the label away by themselves.
    """

    run_id: str
    task: str
    model_version: str
    estimator: str
    trained_at: datetime
    feature_model: str
    feature_names: tuple[str, ...]
    library_versions: dict[str, str]
    seed: int
    train_seconds: float
    model_file: str
    model: Calibrated
    levels: dict[str, list[str]]
    spans: dict[str, SplitSpan]
    metrics: list[Metric]
    scores: pl.DataFrame
    importance: dict[str, tuple[float, float]]
    circular_features: list[str]

    def metric(self, estimator: str, split: str, name: str) -> Metric | None:
        """The one row of `metrics` with these names, if there is one."""
        wanted = (estimator, split, name)
        return next((row for row in self.metrics if (row.estimator, row.split, row.metric) == wanted), None)


def check_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise `UserError` unless the tables to write exist."""
    found = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'ml'"
    ).fetchall()
    missing = sorted(set(TABLES) - {name for (name,) in found})
    if missing:
        tables = ", ".join(f"ml.{name}" for name in missing)
        raise UserError(f"the warehouse lacks {tables}: run {how_to_build()} first")


def write_runs(connection: duckdb.DuckDBPyConnection, runs: list[TrainingRun]) -> None:
    """Write all rows of `runs` in one transaction, in place of rows of the same run ids.

    When anything fails, or the process is killed, the tables are as before.
    """
    connection.execute("begin transaction")
    try:
        for run in runs:
            for name, frame in _frames(run).items():
                _replace(connection, name, run, frame)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _replace(connection: duckdb.DuckDBPyConnection, name: str, run: TrainingRun, frame: pl.DataFrame) -> None:
    rows = frame.select(pl.lit(run.run_id).alias("run_id"), pl.lit(run.task).alias("task"), pl.all())
    connection.execute(f"delete from ml.{name} where run_id = ?", [run.run_id])
    connection.register("new_rows", rows)
    connection.execute(f"insert into ml.{name} by name select * from new_rows")
    connection.unregister("new_rows")


def _frames(run: TrainingRun) -> dict[str, pl.DataFrame]:
    """Table name -> the run's rows, without `run_id` and `task`."""
    train, validation, test = (run.spans[split] for split in ("train", "validation", "test"))
    record = {
        "model_version": run.model_version,
        "estimator": run.estimator,
        "trained_at": run.trained_at,
        "feature_model": run.feature_model,
        "feature_names": json.dumps(run.feature_names),
        "library_versions": json.dumps(run.library_versions),
        "seed": run.seed,
        "train_rows_count": train.rows_count,
        "validation_rows_count": validation.rows_count,
        "test_rows_count": test.rows_count,
        "train_from": train.from_at,
        "train_to": train.to_at,
        "test_from": test.from_at,
        "test_to": test.to_at,
        "train_seconds": run.train_seconds,
        "model_file": run.model_file,
    }
    metrics = pl.DataFrame([asdict(row) for row in run.metrics]).with_columns(
        pl.col("value", "ci_low", "ci_high").fill_nan(None)
    )
    importance = pl.DataFrame(
        [
            {"estimator": run.estimator, "feature": name, "importance_mean": mean, "importance_sd": sd}
            for name, (mean, sd) in run.importance.items()
        ]
    )
    return {
        "model_runs": pl.DataFrame([record]),
        "metrics": metrics,
        "scores": run.scores,
        "feature_importance": importance,
    }
