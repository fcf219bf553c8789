"""One training run: a study's models fitted, evaluated and explained. Nothing is written here."""

import hashlib
import json
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field
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
from ml.evaluation.audit import audit
from ml.evaluation.comparison import compare_with_last
from ml.evaluation.curves import curves
from ml.evaluation.drift import drift
from ml.evaluation.importance import importances
from ml.evaluation.metrics import DECISION_THRESHOLD, Values, compare_with, evaluate, interval
from ml.evaluation.slices import slices
from ml.features import LABELLED_SPLITS, FeatureTable
from ml.fitting import FittedModel, fit_models
from ml.pipelines import PARAMETERS
from ml.records import Metric, TrainingRun
from ml.store import models_folder

LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")
CODE = Path(__file__).parent


@dataclass(frozen=True)
class Inputs:
    """What a training run takes from the warehouse, so that it need not stay open while models are fitted.

    Attributes:
        table: rows of the feature mart.
        batches: current loads of the source: batch id -> rows loaded.
        ceiling: `entity_id` and `probability` of test rows, where the best that the log allows is known.
        last: scores of the study's last run, as `last_scores` gives them.
        others: estimator -> (n,) probabilities, of models that are no candidates.
        frames: table of `ml` -> rows, of what else is known of the study.
    """

    table: FeatureTable
    batches: dict[str, int] = field(default_factory=dict)
    ceiling: pl.DataFrame | None = None
    last: pl.DataFrame | None = None
    others: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)


# On one thread the order of a sum, and so its last bit, is the same on every machine; and trees whose
# threads wait for one another get far slower when the cores are shared.
@threadpool_limits.wrap(limits=1)
def train_study(inputs: Inputs, seed: int) -> TrainingRun:
    """Fit, calibrate, choose, evaluate, explain and audit the models of one study.

    Args:
        inputs: all that is known; `seed`: of everything random.
    """
    started = time.perf_counter()
    table = inputs.table
    models = fit_models(table, seed)
    chosen = next(iter(models.values()))
    predicted = {name: fitted.predict(table.features) for name, fitted in models.items()} | inputs.others
    frames = _evaluated(inputs, chosen, predicted, seed)
    run_id = run_id_of(table, seed)
    model_file = f"{models_folder(warehouse_path()).name}/{run_id}.skops"
    record = _record(inputs, chosen, seed) | {
        "model_file": model_file,
        "train_seconds": time.perf_counter() - started,
    }
    return TrainingRun(
        run_id=run_id,
        study=table.study,
        estimator=chosen.estimator,
        calibration=method_of(chosen.model),
        model=chosen.model,
        model_file=model_file,
        description=_description(run_id, table, record),
        frames={"model_runs": pl.DataFrame([record], infer_schema_length=None), **frames, **inputs.frames},
    )


def _evaluated(
    inputs: Inputs, chosen: FittedModel, predicted: dict[str, NDArray[np.float64]], seed: int
) -> dict[str, pl.DataFrame]:
    """Table of `ml` -> rows, of all that is told of the models."""
    table, probabilities = inputs.table, predicted[chosen.estimator]
    metrics = _metrics(table, chosen.estimator, predicted, inputs.ceiling, seed)
    importance = importances(chosen, table, seed)
    moved = drift(table, probabilities, seed)
    frames = {
        "metrics": pl.DataFrame([asdict(row) for row in metrics]),
        "scores": table.rows.select("entity_id", "as_of", "split", "label").with_columns(
            probability=pl.Series(probabilities)
        ),
        "feature_importance": importance,
        "shap_values": shap_values(chosen, table, seed),
        "curves": curves(table, predicted | _best_possible(table, inputs.ceiling)),
        "slices": slices(chosen.estimator, table, probabilities, seed),
        "drift": moved,
        "audits": audit(table, probabilities, metrics, importance, moved),
    }
    if inputs.last is not None and not inputs.last.is_empty():
        frames["run_comparisons"] = compare_with_last(table, probabilities, inputs.last, seed)
    return frames


def run_id_of(table: FeatureTable, seed: int) -> str:
    """Equal for equal data, code, parameters, library versions and seed: such runs give the same rows."""
    return f"{table.study.label}-{_digest(table.fingerprint(), code_fingerprint(), _versions(), seed)}"


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
    best = {name: values[test] for name, values in _best_possible(table, ceiling).items()}
    everywhere = {name: values for name, values in best.items() if not np.isnan(values).any()}
    rows = _beside(table, {name: values[test] for name, values in predicted.items()}, everywhere, test, seed)
    for name, values in best.items():
        known = ~np.isnan(values)
        if name not in everywhere and known.any():
            on_known = {other: values[test][known] for other, values in predicted.items()}
            beside = _beside(table, on_known, {name: values[known]}, test[known], seed)
            rows += [row for row in beside if row.estimator == name or row.metric.endswith(f"_{name}")]
    on_train = {chosen: predicted[chosen][train]}
    rows += _rows(evaluate(table.labels[train], on_train, table.clusters[train], seed), "train")
    return [*rows, Metric(chosen, "train", "rows_count", float(len(train)))]


def _beside(
    table: FeatureTable,
    predicted: dict[str, NDArray[np.float64]],
    best: dict[str, NDArray[np.float64]],
    rows: NDArray[np.intp],
    seed: int,
) -> list[Metric]:
    """Metrics of estimators and of the best possible on the same rows, and the distance between them."""
    everything = predicted | best
    evaluated = evaluate(table.labels[rows], everything, table.clusters[rows], seed)
    metrics = _rows(evaluated, "test")
    metrics += [Metric(name, "test", "rows_count", float(len(rows))) for name in everything]
    for name in best:
        metrics += _rows(compare_with(name, evaluated), "test")
    return metrics


def _best_possible(table: FeatureTable, ceiling: pl.DataFrame | None) -> dict[str, NDArray[np.float64]]:
    """What is known of the best possible: (n,) probabilities of the table's rows, NaN where unknown."""
    best = {} if table.oracle is None else {"oracle": table.oracle}
    if ceiling is not None:
        entities = table.rows.select("entity_id")
        known = entities.join(ceiling, on="entity_id", how="left", maintain_order="left")
        best["ceiling"] = known["probability"].fill_null(np.nan).to_numpy()
    return best


def _rows(evaluated: dict[str, Values], split: str) -> list[Metric]:
    return [
        Metric(estimator, split, name, *interval(values))
        for estimator, metrics in evaluated.items()
        for name, values in metrics.items()
    ]


def _spans(table: FeatureTable) -> dict[str, Any]:
    """Rows of the splits with a known label, and their first and last moments, where the log has times."""
    spans: dict[str, Any] = {"refit_rows_count": len(table.known_before_test())}
    for split in LABELLED_SPLITS:
        moments = table.rows["as_of"][table.labelled(split)]
        spans[f"{split}_rows_count"] = len(moments)
        if split != "validation":
            spans |= {f"{split}_from": moments.min(), f"{split}_to": moments.max()}
    return spans


def _record(inputs: Inputs, chosen: FittedModel, seed: int) -> dict[str, Any]:
    table = inputs.table
    study, task = table.study, table.task
    parameters = {**PARAMETERS[chosen.estimator], **chosen.parameters}
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
        "data_batches": json.dumps(inputs.batches, sort_keys=True),
        "data_fingerprint": table.fingerprint()[:12],
        "code_fingerprint": code_fingerprint(),
        "git_commit": _git_commit(),
        **_spans(table),
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
