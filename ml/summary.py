"""What `python -m ml.train` tells at its end."""

import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from ml.records import Metric, TrainingRun

SPLITS = ("train", "validation", "test")
ESTIMATORS = ("baseline", "logistic", "boosting", "forest", "bg_nbd", "ceiling", "oracle")
SHOWN_METRICS = ("roc_auc", "log_loss", "brier", "calibration_slope", "ece")
TOP_FEATURES = 5


def print_summary(runs: list[TrainingRun], skipped: list[str], warehouse: Path, seconds: float) -> None:
    """A paragraph a run: rows, metrics with intervals, distance to the best possible, features; then time."""
    for run in runs:
        print(
            "\n".join(
                [*_heading(run), *_rows(run), *_metrics(run), *_best(run), *_features(run), *_audit(run)]
            )
        )
    print("\n".join(f"skipped  {line}" for line in skipped))
    print(f"  written  {warehouse}: {len(runs)} runs in ml.model_runs, figures in ml.metrics and beside it")
    print(f"  models   {warehouse.parent / Path(runs[0].model_file).parent}")
    print(f"  seconds  {seconds:.1f}")
    print("next: `python -m reports.build` draws these results")


def _heading(run: TrainingRun) -> list[str]:
    kind = {
        "outcome": "",
        "proxy": " (a proxy label)",
        "circular": " (a circular label, shown for what it is)",
    }
    heading = (
        f"{run.study.label}{kind[run.study.task.label_kind]}: {run.estimator}, calibration {run.calibration}"
    )
    unused = json.loads(run.frames["model_runs"]["unused_features"][0])
    notes = [f"  not used, no training row has a value: {', '.join(unused)}"] if unused else []
    return [f"{heading}, run {run.run_id}", *notes]


def _rows(run: TrainingRun) -> list[str]:
    record = run.frames["model_runs"].row(0, named=True)
    counts = ", ".join(f"{split} {record[f'{split}_rows_count']:,}" for split in SPLITS)
    of_all = f"{counts} of {len(run.frames['scores']):,}"
    if record["test_from"] is None:
        return [f"  rows     {of_all}"]
    return [f"  rows     {of_all}; test {record['test_from']:%Y-%m-%d} to {record['test_to']:%Y-%m-%d}"]


def _metrics(run: TrainingRun) -> list[str]:
    lines = [
        "  test     "
        + " " * 11
        + "".join(f"{name:<24}" for name in SHOWN_METRICS)
        + "[95 %, users resampled]"
    ]
    for estimator in ESTIMATORS:
        found = [run.metric(estimator, "test", name) for name in SHOWN_METRICS]
        if all(found):
            lines.append(
                f"           {estimator:<11}" + "".join(f"{with_interval(row):<24}" for row in found)
            )
    return lines


def _best(run: TrainingRun) -> list[str]:
    lines = []
    for best in ("ceiling", "oracle"):
        gap = run.metric(run.estimator, "test", f"roc_auc_minus_{best}")
        share = run.metric(run.estimator, "test", f"share_of_{best}_gain")
        if gap and share:
            lines.append(
                f"  {run.estimator} minus {best}: roc_auc {with_interval(gap, sign='+')}; reaches "
                f"{with_interval(share)} of its gain in log loss over the baseline"
            )
    return lines


def _features(run: TrainingRun) -> list[str]:
    ranked = (
        run.frames["feature_importance"].sort(pl.col("importance_mean"), descending=True).head(TOP_FEATURES)
    )
    pairs = zip(ranked["feature"], ranked["importance_mean"], strict=True)
    return [f"  leans on {_listed(f'{name} {fall:.3f}' for name, fall in pairs)} (fall in test ROC AUC)"]


def _audit(run: TrainingRun) -> list[str]:
    audits = run.frames["audits"]
    found = audits.filter(pl.col("verdict") != "ok").to_dicts()
    if not found:
        return [f"  audit    ok: {', '.join(audits['check_name'].unique(maintain_order=True))}"]
    return [f"  audit    !! {row['verdict'].upper()}: {row['detail']}" for row in found]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def with_interval(row: Metric, sign: str = "") -> str:
    """Value and interval of a metric; the interval is left out where there is none."""
    value = f"{row.value:{sign}.4f}"
    return value if row.ci_low != row.ci_low else f"{value} [{row.ci_low:{sign}.4f}, {row.ci_high:{sign}.4f}]"
