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
# A line a model: its own figure, and what it is to be held against.
MODELS = """
    select
        runs.task, runs.source, runs.splitter, kept.estimator, kept.value, kept.ci_low, kept.ci_high,
        others.estimators, findings.verdicts
    from marts.rpt_model_runs as runs
    inner join marts.rpt_model_metrics as kept
        on runs.run_id = kept.run_id and runs.estimator = kept.estimator
    inner join (
        select run_id, list({'name': estimator, 'value': value} order by estimator_order) as estimators
        from marts.rpt_model_metrics
        where metric = 'roc_auc' and split = 'test' and estimator in ('baseline', 'ceiling', 'oracle')
        group by run_id
    ) as others on runs.run_id = others.run_id
    inner join (
        select run_id, list(distinct verdict order by verdict) filter (where is_finding) as verdicts
        from marts.rpt_model_audit
        group by run_id
    ) as findings on runs.run_id = findings.run_id
    where kept.metric = 'roc_auc' and kept.split = 'test'
    order by runs.task, runs.source, runs.splitter
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
        print("  models, ROC AUC on test rows [95% interval]")
        for task, source, splitter, kept, value, low, high, others, verdicts in connection.execute(
            MODELS
        ).fetchall():
            beside = ", ".join(f"{one['name']} {one['value']:.3f}" for one in others)
            found = f"audit: {', '.join(verdicts or ['ok'])}"
            name = f"{task}, {source}, by {splitter}"
            print(f"    {name:<46}{kept:<9} {value:.3f} [{low:.3f}, {high:.3f}]  {beside}; {found}")


if __name__ == "__main__":
    sys.exit(run_command(main))
