"""What `python -m ml.train` tells at its end."""

from collections.abc import Iterable
from pathlib import Path

from ml.records import Metric, SplitSpan, TrainingRun

ESTIMATORS = ("baseline", "logistic", "boosting", "oracle")
SPLITS = ("train", "validation", "test", "embargo", "open")
SHOWN_METRICS = ("roc_auc", "log_loss", "brier", "ece", "accuracy")
TOP_FEATURES = 8


def print_summary(runs: list[TrainingRun], warehouse: Path, seconds: float) -> None:
    """Rows, metrics with intervals, the distance to the oracle, warnings, features, files, time."""
    for run in runs:
        print("\n".join([*_heading(run), *_rows(run), *_metrics(run), *_oracle(run), *_warnings(run)]))
        print("\n".join([*_features(run), f"  model    {warehouse.parent / run.model_file}"]))
    print(f"  written  {warehouse}: ml.model_runs, ml.metrics, ml.scores, ml.feature_importance")
    print(f"  seconds  {seconds:.1f}")
    print("next: `python -m reports.build` draws these results")


def _heading(run: TrainingRun) -> list[str]:
    return [f"{run.task}: {run.estimator}, {run.model.calibrator.method} calibration, run {run.run_id}"]


def _rows(run: TrainingRun) -> list[str]:
    spans = [run.spans[split] for split in SPLITS if split in run.spans]
    return ["  rows", *[f"    {_span(span)}" for span in spans]]


def _span(span: SplitSpan) -> str:
    return f"{span.split:<11}{span.rows_count:>9,}  {span.from_at:%Y-%m-%d} to {span.to_at:%Y-%m-%d}"


def _metrics(run: TrainingRun) -> list[str]:
    lines = ["  test metrics [95 % interval, users resampled]"]
    lines.append("    " + " " * 11 + "".join(f"{name:<24}" for name in SHOWN_METRICS))
    for estimator in ESTIMATORS:
        found = [run.metric(estimator, "test", name) for name in SHOWN_METRICS]
        if all(found):
            lines.append(f"    {estimator:<11}" + "".join(f"{_with_interval(row):<24}" for row in found))
    return lines


def _oracle(run: TrainingRun) -> list[str]:
    gaps = [run.metric(run.estimator, "test", f"{name}_minus_oracle") for name in SHOWN_METRICS]
    share = run.metric(run.estimator, "test", "share_of_oracle_gain")
    if share is None:
        return []
    return [
        f"  {run.estimator} minus oracle (the true probability)",
        *[
            f"    {row.metric.removesuffix('_minus_oracle'):<11}{_with_interval(row, sign='+')}"
            for row in gaps
        ],
        f"    share of the oracle's gain over the baseline in log loss: {_with_interval(share)}",
    ]


def _warnings(run: TrainingRun) -> list[str]:
    lines = []
    for estimator in ESTIMATORS:
        above = run.metric(estimator, "test", "is_above_oracle")
        if above and above.value:
            lines.append(
                f"  !! LEAK: {estimator} ranks better than the true probability does; its features hold the "
                "answer. Do not use these figures."
            )
    if run.metric(run.estimator, "test", "is_label_circular").value:
        culprits = ", ".join(run.circular_features) or "the features together"
        lines.append(
            f"  !! CIRCULAR: {culprits} separate the label perfectly; the label is made of its features. "
            "Do not use these figures."
        )
    return lines


def _features(run: TrainingRun) -> list[str]:
    ranked = sorted(run.importance.items(), key=lambda item: -item[1][0])[:TOP_FEATURES]
    return [
        "  what the model leans on (fall in test ROC AUC when shuffled, sd)",
        *_aligned((name, f"{mean:.4f} ({sd:.4f})") for name, (mean, sd) in ranked),
    ]


def _aligned(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"    {name:<32}{text}" for name, text in pairs]


def _with_interval(row: Metric, sign: str = "") -> str:
    return f"{row.value:{sign}.4f} [{row.ci_low:{sign}.4f}, {row.ci_high:{sign}.4f}]"
