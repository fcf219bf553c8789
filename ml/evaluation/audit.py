"""What makes a good figure worthless: leaks, circular labels, splits that are none."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.features import FeatureTable
from ml.records import Metric

# A feature that ranks the labels this well by itself is more likely their trace than their cause.
SUSPECT_ROC_AUC = 0.98
# A cut of one feature that sorts this share of rows rightly is how the label was made.
CIRCULAR_ACCURACY = 0.999
# All features together: no outcome is known this surely beforehand.
CIRCULAR_ROC_AUC = 0.9999
CONCENTRATED_SHARE = 0.8
STRONG_ROC_AUC = 0.9
# Population stability index from which a feature is another quantity than it was: in other units, or no
# longer filled. Everything drifts with time; that is told, by the usual thresholds, in marts.rpt_model_drift.
SHIFTED_PSI = 2.0
BEST = {
    "ceiling": "the best that can be had from what the log shows by then",
    "oracle": "the true probability",
}


@dataclass(frozen=True)
class Finding:
    """One row of `ml.audits`: `verdict` is 'ok', or in a word what is wrong with `subject`."""

    check_name: str
    subject: str
    verdict: str
    detail: str
    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    threshold: float = math.nan


def audit(
    table: FeatureTable,
    probabilities: NDArray[np.float64],
    metrics: list[Metric],
    importance: pl.DataFrame,
    drift: pl.DataFrame,
) -> pl.DataFrame:
    """Every check of one run.

    Args:
        table: what was trained on, and its splitter.
        probabilities: (n,) of the chosen model.
        metrics: rows of `ml.metrics`: what is said of 'oracle' and 'ceiling' in them.
        importance, drift: rows of `ml.feature_importance` and `ml.drift`.

    Returns:
        rows of `ml.audits`.
    """
    findings = [
        *_against_the_possible(metrics),
        *_single_features(table),
        _all_features(table, probabilities),
        _concentration(table, importance),
        *_shifts(table, drift),
        _split(table),
    ]
    return pl.DataFrame([asdict(finding) for finding in findings])


def _against_the_possible(metrics: list[Metric]) -> list[Finding]:
    """No honest score beats the best possible by more than chance: whatever does has seen the answer."""
    findings = []
    for row in metrics:
        for best in ("ceiling", "oracle"):
            if row.split == "test" and row.metric == f"roc_auc_minus_{best}":
                is_above = row.ci_low > 0
                says = "ranks better than" if is_above else "does not rank better than"
                findings.append(
                    Finding(
                        f"above_{best}",
                        row.estimator,
                        "leak" if is_above else "ok",
                        f"{row.estimator} {says} {BEST[best]}",
                        row.value,
                        row.ci_low,
                        row.ci_high,
                        0.0,
                    )
                )
    return findings


def _single_features(table: FeatureTable) -> list[Finding]:
    """The feature that tells the label best by itself, and every one that tells it too well."""
    rows = np.concatenate([table.labelled(split) for split in ("train", "validation", "test")])
    labels = table.labels[rows]
    found = []
    for name in (*table.numeric, *table.categorical):
        values = single_feature_scores(table, name)[rows]
        roc_auc, accuracy = max(_separation(values, labels, fill) for fill in (-np.inf, np.inf))
        # A cut that says the same of nearly all rows is right about a rare event, and tells nothing.
        is_circular = accuracy >= CIRCULAR_ACCURACY and roc_auc >= SUSPECT_ROC_AUC
        verdict = "circular" if is_circular else "suspect" if roc_auc >= SUSPECT_ROC_AUC else "ok"
        detail = {
            "circular": f"one cut of {name} gives the label back: the label is made of it",
            "suspect": f"{name} alone ranks the label nearly perfectly: it may be recorded after the outcome",
            "ok": f"no feature alone tells the label; {name} comes nearest",
        }[verdict]
        found.append(Finding("single_feature", name, verdict, detail, roc_auc, threshold=SUSPECT_ROC_AUC))
    named = [finding for finding in found if finding.verdict != "ok"]
    return named or sorted(found, key=lambda finding: -finding.value)[:1]


def single_feature_scores(table: FeatureTable, name: str) -> NDArray[np.float64]:
    """(n,) values of a feature as a score; categories as their places in the order of their training rate."""
    if name in table.numeric:
        return table.features[name].to_numpy()
    places = {level: float(place) for place, level in enumerate(table.levels(name))}
    return np.array([places.get(value, np.nan) for value in table.features[name]])


def _separation(values: NDArray[np.float64], labels: NDArray[np.float64], fill: float) -> tuple[float, float]:
    """ROC AUC of (n,) values or of their reverse, and the accuracy of their best cut; NaN is `fill`."""
    _, group = np.unique(np.where(np.isnan(values), fill, values), return_inverse=True)
    positives = np.bincount(group, labels)
    negatives = np.bincount(group, 1 - labels)
    below = np.cumsum(negatives) - negatives
    roc_auc = float((positives * (below + negatives / 2)).sum() / (positives.sum() * negatives.sum()))
    # Rows at or below the cut are said to be negative, those above positive; or the other way round.
    right = np.cumsum(negatives) + positives.sum() - np.cumsum(positives)
    accuracy = float(np.maximum(right, len(labels) - right).max() / len(labels))
    return max(roc_auc, 1 - roc_auc), accuracy


def _all_features(table: FeatureTable, probabilities: NDArray[np.float64]) -> Finding:
    rows = table.labelled("test")
    roc_auc, _ = _separation(probabilities[rows], table.labels[rows], 0.0)
    if roc_auc >= CIRCULAR_ROC_AUC:
        detail = "the features together give the label back: the label is made of them"
        return Finding("all_features", "(all)", "circular", detail, roc_auc, threshold=CIRCULAR_ROC_AUC)
    detail = "the features together leave the label uncertain"
    return Finding("all_features", "(all)", "ok", detail, roc_auc, threshold=CIRCULAR_ROC_AUC)


def _concentration(table: FeatureTable, importance: pl.DataFrame) -> Finding:
    """The share of the first feature in all that shuffling costs. A feature that a weak model leans on alone
    may be all that there is to know; one that ranks the label well by itself deserves a question."""
    falls = importance.with_columns(pl.col("importance_mean").clip(lower_bound=0)).sort(
        "importance_mean", descending=True
    )
    first, total = falls["feature"][0], falls["importance_mean"].sum()
    share = falls["importance_mean"][0] / total if total else math.nan
    rows = table.labelled("test")
    roc_auc, _ = _separation(single_feature_scores(table, first)[rows], table.labels[rows], -np.inf)
    if share > CONCENTRATED_SHARE and roc_auc >= STRONG_ROC_AUC:
        detail = f"the model leans on {first} alone: ask whether it is known before the outcome"
        return Finding("importance", first, "concentrated", detail, share, threshold=CONCENTRATED_SHARE)
    detail = f"{first} has {share:.0%} of the importance, and alone a ROC AUC of {roc_auc:.2f}"
    return Finding("importance", first, "ok", detail, share, threshold=CONCENTRATED_SHARE)


def _shifts(table: FeatureTable, drift: pl.DataFrame) -> list[Finding]:
    """Features that are distributed otherwise where the model is used than where it was fitted.

    What grows with the log by its nature does so; the task names it.
    """
    compared = drift.filter(
        (pl.col("comparison") == "train_to_test")
        & ~pl.col("feature").is_in([*table.task.growing, *table.unused, "score"])
    ).sort("psi", "feature", descending=[True, False], nulls_last=True)
    findings = [
        Finding(
            "feature_shift",
            row["feature"],
            "shift" if row["psi"] >= SHIFTED_PSI else "ok",
            f"{row['feature']} is distributed in the test as in training, or nearly"
            if row["psi"] < SHIFTED_PSI
            else f"{row['feature']} is distributed otherwise in the test than in training",
            row["psi"],
            threshold=SHIFTED_PSI,
        )
        for row in compared.drop_nulls("psi").to_dicts()
    ]
    return [finding for finding in findings if finding.verdict != "ok"] or findings[:1]


def _split(table: FeatureTable) -> Finding:
    """Whether training and test are apart in what the splitter says keeps them apart."""
    splitter = table.study.splitter
    train, test = table.labelled("train"), table.labelled("test")
    moments = table.rows["as_of"].dt.timestamp("us").to_numpy()
    if splitter.by == "user":
        crossing = np.isin(table.clusters[train], table.clusters[test])
        wrong = "of training rows are of users in the test"
    elif splitter.by == "time":
        known = table.rows.select(pl.coalesce("label_known_at", "as_of").dt.timestamp("us")).to_series()
        crossing = known.to_numpy()[train] > moments[test].min()
        wrong = "of training rows had their label after the test began: what is learnt from was not known yet"
    else:
        first_of_test = np.full(table.clusters.max() + 1, np.inf)
        np.minimum.at(first_of_test, table.clusters[test], moments[test])
        crossing = moments[train] > first_of_test[table.clusters[train]]
        wrong = "of training rows are later than their user's test rows"
    share = float(crossing.mean())
    if share > 0:
        return Finding("split", splitter.name, "overlap", f"{share:.1%} {wrong}", share, threshold=0.0)
    kept = {"user": "no user is in both", "time": "training labels were known before the test began"}
    detail = kept.get(splitter.by, "each user's test rows follow their training rows")
    return Finding("split", splitter.name, "ok", detail, share, threshold=0.0)
