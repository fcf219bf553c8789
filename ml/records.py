"""What a training run leaves in the warehouse, and the one transaction that puts it there."""

import math
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from common.errors import UserError
from common.warehouse import how_to_build
from ml.calibration import Model
from ml.tasks import Study

# In the order in which a run writes them.
TABLES = (
    "model_runs",
    "metrics",
    "scores",
    "feature_importance",
    "shap_values",
    "curves",
    "slices",
    "drift",
    "audits",
    "run_comparisons",
    "user_outlooks",
    "trait_effects",
    "transfers",
)


@dataclass(frozen=True)
class Metric:
    """One row of `ml.metrics`; the interval is NaN for counts, and where there are too few users for one."""

    estimator: str
    split: str
    metric: str
    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan


@dataclass(frozen=True)
class TrainingRun:
    """Everything one run produced.

    Attributes:
        run_id: the same for equal data, code, parameters, seed and library versions.
        model: of the estimator that was chosen.
        model_file: relative to the warehouse's folder.
        description: what is stored in the model file beside the model: plain values only.
        frames: table of `ml` -> the run's rows, without `run_id` and `task`.
    """

    run_id: str
    study: Study
    estimator: str
    calibration: str
    model: Model
    model_file: str
    description: dict[str, Any]
    frames: dict[str, pl.DataFrame]

    def metric(self, estimator: str, split: str, name: str) -> Metric | None:
        """The one row of `ml.metrics` with these names, if there is one."""
        rows = self.frames["metrics"].filter(estimator=estimator, split=split, metric=name)
        return Metric(**rows.row(0, named=True)) if len(rows) else None


def check_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise `UserError` unless the tables to write exist, as this version declares them."""
    found = dict(
        connection.execute(
            "select table_name, list(column_name) from information_schema.columns "
            "where table_schema = 'ml' group by table_name"
        ).fetchall()
    )
    missing = [f"ml.{name}" for name in TABLES if name not in found]
    if missing:
        raise UserError(f"the warehouse lacks {', '.join(missing)}: run {how_to_build()} first")


def write_runs(connection: duckdb.DuckDBPyConnection, runs: list[TrainingRun]) -> None:
    """Write all rows of `runs` in one transaction, in place of rows of the same run ids.

    When anything fails, or the process is killed, the tables are as before.
    """
    connection.execute("begin transaction")
    try:
        for run in runs:
            for name in TABLES:
                connection.execute(f"delete from ml.{name} where run_id = ?", [run.run_id])
                if name in run.frames and not run.frames[name].is_empty():
                    _insert(connection, name, run, run.frames[name])
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _insert(connection: duckdb.DuckDBPyConnection, name: str, run: TrainingRun, frame: pl.DataFrame) -> None:
    rows = frame.fill_nan(None).select(
        pl.lit(run.run_id).alias("run_id"), pl.lit(run.study.task.name).alias("task"), pl.all()
    )
    connection.register("new_rows", rows)
    connection.execute(f"insert into ml.{name} by name select * from new_rows")
    connection.unregister("new_rows")
