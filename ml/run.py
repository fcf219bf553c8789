"""One training run: a study's models fitted, evaluated and explained. Nothing is written here."""

import hashlib
import json
import platform
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from common.warehouse import warehouse_path
from ml.calibration import method_of
from ml.evaluation.attribution import shap_values
from ml.evaluation.curves import curves
from ml.evaluation.drift import drift
from ml.evaluation.importance import importances
from ml.evaluation.metrics import DECISION_THRESHOLD, Values, compare_with, evaluate, interval
from ml.evaluation.slices import slices
from ml.features import FeatureTable
from ml.fitting import FittedModel, fit_models
from ml.pipelines import PARAMETERS, SPLINE_PARAMETERS
from ml.records import Metric, TrainingRun
from ml.store import models_folder

LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")
CODE = Path(__file__).parent


# On one thread the order of a sum, and so its last bit, is the same on every machine; and trees whose
# threads wait for one another get far slower when the cores are shared.
@threadpool_limits.wrap(limits=1)
def train_study(
    table: FeatureTable, seed: int, ceiling: pl.DataFrame | None = None, batches: dict[str, Any] | None = None
) -> TrainingRun:
    """Fit, calibrate, choose, evaluate and explain the models of one study.

    Args:
        table: rows of the feature mart.
        seed: of everything random.
        ceiling: `entity_id` and `probability` of test rows, where the best that the log allows is known.
        batches: what was loaded, as `data_batches` of `ml.model_runs` says it.
    """
    started = time.perf_counter()
    study = table.study
    models = fit_models(table, seed)
    chosen = next(iter(models.values()))
    probabilities = chosen.predict(table.features)
    predicted = {
        name: probabilities if name == chosen.estimator else fitted.predict(table.features)
        for name, fitted in models.items()
    }
    metrics = _metrics(table, chosen.estimator, predicted, ceiling, seed)
    frames = {
        "metrics": pl.DataFrame([asdict(row) for row in metrics]),
        "scores": table.rows.select("entity_id", "as_of", "split", "label").with_columns(
            probability=pl.Series(probabilities)
        ),
        "feature_importance": importances(chosen, table, seed),
        "shap_values": shap_values(chosen, table, seed),
        "curves": curves(table, predicted | _best_possible(table, ceiling)),
        "slices": slices(chosen.estimator, table, probabilities, seed),
        "drift": drift(table, probabilities, seed),
    }
    run_id = f"{study.label}-{_digest(*identity(table, seed))}"
    record = _record(table, chosen, seed) | {"data_batches": json.dumps(batches or {}, sort_keys=True)}
    model_file = f"{models_folder(warehouse_path()).name}/{run_id}.skops"
    spans = _spans(table)
    record |= {"train_seconds": time.perf_counter() - started, "model_file": model_file}
    return TrainingRun(
        run_id=run_id,
        study=study,
        estimator=chosen.estimator,
        calibration=method_of(chosen.model),
        model=chosen.model,
        model_file=model_file,
        description=_description(run_id, table, record),
        spans=spans,
        metrics=metrics,
        frames={"model_runs": pl.DataFrame([record | _times(spans)], infer_schema_length=None), **frames},
    )


def identity(table: FeatureTable, seed: int) -> tuple[object, ...]:
    """What a run's id is a digest of: with all of it equal, a run gives the same rows."""
    return table.fingerprint(), code_fingerprint(), _versions(), seed


def code_fingerprint() -> str:
    """Digest of this package's code, parameters included."""
    digest = hashlib.sha256()
    for path in sorted(CODE.rglob("*.py")):
        digest.update(path.relative_to(CODE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _metrics(
    table: FeatureTable,
    chosen: str,
    predicted: dict[str, NDArray[np.float64]],
    ceiling: pl.DataFrame | None,
    seed: int,
) -> list[Metric]:
    """All estimators on the test rows, beside the best possible; the chosen one on its training rows."""
    train, test = table.labelled("train"), table.labelled("test")
    on_test = {name: values[test] for name, values in predicted.items()}
    if table.oracle is not None:
        on_test["oracle"] = table.oracle[test]
    evaluated = evaluate(table.labels[test], on_test, table.clusters[test], seed)
    on_train = {chosen: predicted[chosen][train]}
    rows = _rows(evaluated, "test") + _rows(
        evaluate(table.labels[train], on_train, table.clusters[train], seed), "train"
    )
    rows += [Metric(name, "test", "rows_count", float(len(test))) for name in on_test]
    rows.append(Metric(chosen, "train", "rows_count", float(len(train))))
    if table.oracle is not None:
        rows += _rows(compare_with("oracle", evaluated), "test")
    if ceiling is not None and not ceiling.is_empty():
        rows += _beside_ceiling(table, predicted, ceiling, seed)
    return rows


def _beside_ceiling(
    table: FeatureTable, predicted: dict[str, NDArray[np.float64]], ceiling: pl.DataFrame, seed: int
) -> list[Metric]:
    """The ceiling, and the distance of the estimators to it, on the test rows that it is known for."""
    best = _best_possible(table, ceiling)["ceiling"]
    test = table.labelled("test")
    rows = test[~np.isnan(best[test])]
    on_rows = {name: values[rows] for name, values in predicted.items()} | {"ceiling": best[rows]}
    evaluated = evaluate(table.labels[rows], on_rows, table.clusters[rows], seed)
    return [
        *_rows({"ceiling": evaluated["ceiling"]}, "test"),
        Metric("ceiling", "test", "rows_count", float(len(rows))),
        *_rows(compare_with("ceiling", evaluated), "test"),
    ]


def _best_possible(table: FeatureTable, ceiling: pl.DataFrame | None) -> dict[str, NDArray[np.float64]]:
    """What is known of the best possible: (n,) probabilities of the table's rows, NaN where unknown."""
    best = {} if table.oracle is None else {"oracle": table.oracle}
    if ceiling is not None:
        known = table.rows.select("entity_id").join(
            ceiling, on="entity_id", how="left", maintain_order="left"
        )
        best["ceiling"] = known["probability"].fill_null(np.nan).to_numpy()
    return best


def _rows(evaluated: dict[str, Values], split: str) -> list[Metric]:
    return [
        Metric(estimator, split, name, *interval(values))
        for estimator, metrics in evaluated.items()
        for name, values in metrics.items()
    ]


def _spans(table: FeatureTable) -> pl.DataFrame:
    """Of each split, the rows that count, and their time; the open one's labels are unknown by its nature."""
    counted = table.rows.filter(pl.col("label").is_not_null() | (pl.col("split") == "open"))
    return counted.group_by("split").agg(
        rows_count=pl.len().cast(pl.Int64), from_at=pl.col("as_of").min(), to_at=pl.col("as_of").max()
    )


def _times(spans: pl.DataFrame) -> dict[str, Any]:
    found = {row["split"]: row for row in spans.to_dicts()}
    times = {f"{split}_rows_count": found[split]["rows_count"] for split in ("train", "validation", "test")}
    for split in ("train", "test"):
        times |= {f"{split}_from": found[split]["from_at"], f"{split}_to": found[split]["to_at"]}
    return times


def _record(table: FeatureTable, chosen: FittedModel, seed: int) -> dict[str, Any]:
    study, task = table.study, table.task
    parameters = {**PARAMETERS[chosen.estimator], **chosen.parameters}
    if chosen.estimator == "logistic":
        parameters["splines"] = SPLINE_PARAMETERS
    return {
        "source": study.source,
        "splitter": study.splitter.name,
        "label_kind": task.label_kind,
        "model_version": f"{chosen.estimator}-{_digest(task.features, parameters)[:8]}",
        "estimator": chosen.estimator,
        "calibration": method_of(chosen.model),
        "parameters": json.dumps(parameters, sort_keys=True),
        "decision_threshold": DECISION_THRESHOLD,
        "trained_at": datetime.now(UTC).replace(tzinfo=None),
        "feature_model": task.feature_model,
        "feature_names": json.dumps(task.features),
        "unused_features": json.dumps(table.unused),
        "library_versions": json.dumps(_versions()),
        "seed": seed,
        "data_fingerprint": table.fingerprint()[:12],
        "code_fingerprint": code_fingerprint(),
        "git_commit": _git_commit(),
        "refit_rows_count": len(table.known_before_test()),
    }


def _description(run_id: str, table: FeatureTable, record: dict[str, Any]) -> dict[str, Any]:
    study = table.study
    return {
        "run_id": run_id,
        "task": study.task.name,
        "source": study.source,
        "splitter": study.splitter.name,
        "numeric": list(study.task.numeric),
        "categorical": list(study.task.categorical),
        **{
            name: record[name]
            for name in ("model_version", "estimator", "feature_model", "seed", "library_versions")
        },
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _git_commit() -> str | None:
    """The commit that the code is of, where it lies in a repository and git is there."""
    try:
        found = subprocess.run(
            ["git", "-C", str(CODE), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
