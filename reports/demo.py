"""The whole run: the four commands in turn, timed, and a summary of what they made. Run by `make demo`."""

import subprocess
import sys
import time
from pathlib import Path

from common.errors import run_command
from common.warehouse import open_warehouse, warehouse_path
from reports.build import BUILD_FOLDER

BIN = Path(sys.executable).parent
STAGES = {
    "python -m ingest": [sys.executable, "-m", "ingest"],
    "dbt build": [str(BIN / "dbt"), "--quiet", "build"],
    "python -m ml.train": [sys.executable, "-m", "ml.train"],
    "python -m reports.build": [sys.executable, "-m", "reports.build"],
}
SOURCES = """
    select source, origin, rows_loaded, rows_rejected from marts.rpt_sources order by sort_order
"""
METRICS = """
    select task, estimator, metric_label, value, ci_low, ci_high
    from marts.rpt_model_metrics
    where split = 'test' and metric in ('roc_auc', 'log_loss', 'ece')
    order by task, metric_order, estimator_order
"""


def main() -> None:
    """Run the stages; stop at the first that fails, with its exit code."""
    seconds = {name: _run_stage(name, command) for name, command in STAGES.items()}
    print("\nDone.")
    _print_tables()
    print("  seconds")
    for name, elapsed in (seconds | {"in all": sum(seconds.values())}).items():
        print(f"    {name:<26}{elapsed:6.1f}")
    print(f"  warehouse  {warehouse_path()}")
    print(f"  open       {(BUILD_FOLDER / 'index.html').resolve().as_uri()}")


def _run_stage(name: str, command: list[str]) -> float:
    print(f"\n> {name}", flush=True)
    started = time.perf_counter()
    finished = subprocess.run(command, check=False)
    if finished.returncode != 0:
        sys.exit(finished.returncode)
    return time.perf_counter() - started


def _print_tables() -> None:
    with open_warehouse(read_only=True) as connection:
        print("  rows")
        for source, origin, loaded, rejected in connection.execute(SOURCES).fetchall():
            print(f"    {source:<12}{origin:<12}{loaded:>10,} loaded {rejected:>8,} rejected")
        print("  model, on test rows [95% interval]")
        for task, estimator, metric, value, low, high in connection.execute(METRICS).fetchall():
            print(f"    {task:<14}{metric:<28}{estimator:<10}{value:.4f} [{low:.4f}, {high:.4f}]")


if __name__ == "__main__":
    sys.exit(run_command(main))
