"""What training costs: `python -m benchmarks.training [--rows 500000]`.

Draws a viewing log, builds its marts in a folder of its own, and fits next_episode's boosting and
scikit-learn's GradientBoostingClassifier with its default settings on the same rows, one after the other on
one thread; then tells log loss on the test rows. `--train` times the whole of `python -m ml.train` on the
project's own data instead.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from common.warehouse import open_warehouse
from ml.features import FeatureTable, read_features
from ml.pipelines import make_pipeline_of
from ml.tasks import BY_TIME, NEXT_EPISODE, Study

# Labelled views of a viewer in the default 180 days, on the stand-in catalogue.
ROWS_PER_VIEWER = 18
SEED = 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=500_000)
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAREHOUSE_PATH"] = str(Path(folder) / "training.duckdb")
        if options.train:
            _run("-m", "ingest", "simulate")
            _run("-m", "ingest")
            _build("--exclude-resource-type", "test", "unit_test")
            started = time.perf_counter()
            _run("-m", "ml.train")
            print(f"python -m ml.train: {time.perf_counter() - started:.1f} s")
            return
        _run("-m", "ingest", "simulate", "--viewers", str(int(options.rows / ROWS_PER_VIEWER)))
        _build("--select", "+feat_next_episode", "--exclude-resource-type", "test", "unit_test")
        with open_warehouse(read_only=True) as connection:
            table = read_features(connection, Study(NEXT_EPISODE, "viewing", BY_TIME))
        _compare(table, int(options.rows))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


def _compare(table: FeatureTable, count: int) -> None:
    test = table.labelled("test")
    known = np.flatnonzero(~np.isnan(table.labels))
    rows = np.setdiff1d(known, test)
    rows = rows[: min(count, len(rows))]
    parameters = {**NEXT_EPISODE.candidates["boosting"], "early_stopping": False, "max_iter": 100}
    ours = make_pipeline_of("boosting", table, parameters, SEED)
    matrix, held_out = (ours["encode"].fit_transform(table.features.iloc[part]) for part in (rows, test))
    candidates: dict[str, ClassifierMixin] = {
        "ours": ours["model"],
        "GradientBoostingClassifier": GradientBoostingClassifier(random_state=SEED),
    }
    print(f"{len(rows):,} rows, {matrix.shape[1]} features; {len(test):,} test rows")
    seconds = {}
    for name, model in candidates.items():
        with threadpool_limits(1):
            started = time.perf_counter()
            # The slower one takes no missing values: for both they are a number far outside.
            model.fit(np.nan_to_num(matrix, nan=-999.0), table.labels[rows])
            seconds[name] = time.perf_counter() - started
        scores = model.predict_proba(np.nan_to_num(held_out, nan=-999.0))[:, 1]
        labels = table.labels[test]
        print(
            f"  {name:<28}{seconds[name]:8.1f} s   log loss {log_loss(labels, scores):.4f}   "
            f"ROC AUC {roc_auc_score(labels, scores):.4f}"
        )
    print(f"  1/{seconds['GradientBoostingClassifier'] / seconds['ours']:.0f} of the time")


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _build(*arguments: str) -> None:
    dbt = Path(sys.executable).with_name("dbt")
    subprocess.run([str(dbt), "--quiet", "build", *arguments], check=True)


if __name__ == "__main__":
    main()
