"""`python -m ml.audit`: are features what they would have been at their moment? The log is cut there, the
marts built anew from what is left, and each feature's values compared."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
from scipy.stats import binomtest
from tqdm import tqdm

from common.errors import UserError, run_command
from common.lake import lake_of
from common.quoting import quote_identifier, quote_text
from common.warehouse import CONFIG, connect, open_warehouse, warehouse_path
from ml.evaluation.audit import Finding
from ml.features import studies_of
from ml.tasks import TASKS, Task

PROJECT = Path(__file__).parents[1]
# Of each source, its rows, when one began and when it was over; all other sources are event logs.
LOGS = {
    "viewing": [("viewing_events", "started_at", "started_at + to_seconds(watch_seconds)")],
    "movielens": [
        ("movielens_ratings", "rated_at", "rated_at"),
        ("movielens_tags", "tagged_at", "tagged_at"),
    ],
}
# What is left was over when the first row after the moment was: a log has a day that it reaches.
CUT = """
    delete from raw.{table}
    where {rows} and {over} > (
        select min({over}) from raw.{table} where {rows} and {begun} >= ?
    )
"""
WITHOUT_TIMES = "steam"
DEFAULT_CUTS = 2
# The last rows before a cut: those that a feature which looks ahead would look furthest past.
ROWS_PER_CUT = 2000
# Relative; sums are added up in another order.
TOLERANCE = 1e-6


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the features of trained tasks with those of the log cut at some moments, and write what
    differs.

    Raises:
        UserError: no task to look at was trained, or a cut log can't be built.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.audit", description=__doc__)
    parser.add_argument("--task", choices=[task.name for task in TASKS], help="this one alone (default: all)")
    parser.add_argument("--cuts", type=int, default=DEFAULT_CUTS, help="moments a task (%(default)s)")
    options = parser.parse_args(arguments)
    if options.cuts < 1:
        raise UserError(f"--cuts {options.cuts}: give 1 or more moments")
    if lake_of(warehouse_path()):
        raise UserError("a lake's log is cut by nobody: audit the warehouse that was published")
    started = time.perf_counter()
    chosen = [task for task in TASKS if options.task in (None, task.name)]
    found = {task.name: _audit(task, options.cuts) for task in chosen if _is_trained(task)}
    if not found:
        raise UserError(
            "none of these tasks was trained, or their logs have no times: run `python -m ml.train`"
        )
    with open_warehouse() as connection:
        for name, findings in found.items():
            _write(connection, name, findings)
    for name, findings in found.items():
        for finding in findings:
            print(f"{name}: {finding.verdict:<8} {finding.detail}")
    print(f"  written  {warehouse_path()}: ml.audits, check as_of; seen in marts.rpt_model_audit")
    print(f"  seconds  {time.perf_counter() - started:.1f}")


def _is_trained(task: Task) -> bool:
    with open_warehouse(read_only=True) as connection:
        rows = connection.execute("select source from ml.model_runs where task = ?", [task.name]).fetchall()
    return any(source != WITHOUT_TIMES for (source,) in rows)


def _audit(task: Task, cuts: int) -> list[Finding]:
    with open_warehouse(read_only=True) as connection:
        sources = {study.source for study in studies_of(connection, task)}
        moments = _moments(connection, task, cuts)
        rows = [_last_rows(connection, task, moment) for moment in moments]
    pairs = []
    for moment, whole in zip(tqdm(moments, desc=task.name, unit="cut", disable=None), rows, strict=True):
        with tempfile.TemporaryDirectory(dir=warehouse_path().parent) as folder:
            cut = _features_of_cut_log(task, sources, moment, Path(folder))
        pairs.append(whole.join(cut, on=task.key, how="left", suffix="_cut"))
    return compare(task, pl.concat(pairs))


def compare(task: Task, pairs: pl.DataFrame) -> list[Finding]:
    """Findings of rows that hold each feature as `<name>` and, of the cut log, as `<name>_cut`."""
    findings = []
    for name in task.features:
        whole, cut = pl.col(name), pl.col(f"{name}_cut")
        is_same = whole.eq_missing(cut)
        if name in task.numeric:
            is_same |= ((whole - cut).abs() <= TOLERANCE * pl.max_horizontal(whole.abs(), 1.0)).fill_null(
                False
            )
        differing = pairs.filter(~is_same)
        if differing.is_empty():
            continue
        share = len(differing) / len(pairs)
        sign = _sign_test(differing[name], differing[f"{name}_cut"]) if name in task.numeric else ""
        detail = f"{name} is another on {share:.1%} of rows when the log ends at their moment{sign}"
        findings.append(Finding("as_of", name, "leak", detail, share, threshold=0.0))
    if findings:
        return findings
    detail = f"no feature changes on {len(pairs):,} rows when the log ends at their moment"
    return [Finding("as_of", "(all)", "ok", detail, 0.0, threshold=0.0)]


def _sign_test(whole: pl.Series, cut: pl.Series) -> str:
    """Whether the whole log's values are higher, or lower, more often than chance would have it."""
    higher, lower = int((whole > cut).sum()), int((whole < cut).sum())
    if not higher + lower:
        return ""
    p_value = binomtest(higher, higher + lower).pvalue
    return f"; higher in {higher:,}, lower in {lower:,} (sign test, p = {p_value:.2g})"


def _moments(connection: duckdb.DuckDBPyConnection, task: Task, cuts: int) -> list[datetime]:
    """As-of moments of rows, evenly over the middle of their time."""
    places = [(number + 1) / (cuts + 1) for number in range(cuts)]
    [(moments,)] = connection.execute(
        f"select quantile_disc(as_of, {places}) from {task.feature_model} where as_of is not null"
    ).fetchall()
    return list(dict.fromkeys(moments))


def _last_rows(connection: duckdb.DuckDBPyConnection, task: Task, moment: datetime | None) -> pl.DataFrame:
    """The last rows up to a moment; of all rows without one."""
    key = quote_identifier(task.key)
    columns = [
        f"cast({key} as varchar) as {key}",
        *[f"cast({name} as double) as {name}" for name in map(quote_identifier, task.numeric)],
        *[f"cast({name} as varchar) as {name}" for name in map(quote_identifier, task.categorical)],
    ]
    limits = f"where as_of <= ? order by as_of desc, {key} limit {ROWS_PER_CUT}" if moment else ""
    query = f"select {', '.join(columns)} from {task.feature_model} {limits}"
    return pl.DataFrame(connection.sql(query, params=[moment] if moment else []).to_arrow_table())


def _features_of_cut_log(task: Task, sources: set[str], moment: datetime, folder: Path) -> pl.DataFrame:
    """The features that dbt makes of a copy of the warehouse whose logs end at a moment."""
    path = folder / "cut.duckdb"
    shutil.copyfile(warehouse_path(), path)
    environment = os.environ | {"WAREHOUSE_PATH": str(path)}
    with closing(connect(path, CONFIG)) as connection:
        for source in sources:
            rows = "true" if source in LOGS else f"source = {quote_text(source)}"
            for table, begun, over in LOGS.get(source, [("events", "occurred_at", "occurred_at")]):
                # The stream of events, which tasks of all sources are made on, has a row when it begins.
                known = over if task.source else begun
                connection.execute(CUT.format(table=table, rows=rows, begun=begun, over=known), [moment])
    model = task.feature_model.partition(".")[2]
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "run", "--full-refresh"]
    command += ["--select", f"+{model}", "--target-path", str(folder / "target"), "--log-path", str(folder)]
    built = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if built.returncode:
        last = (built.stdout.strip() or built.stderr.strip()).splitlines()[-1:]
        raise UserError(f"{task.feature_model} can't be built of the log up to {moment}: {' '.join(last)}")
    with closing(connect(path, CONFIG, read_only=True)) as connection:
        return _last_rows(connection, task, None)


def _write(connection: duckdb.DuckDBPyConnection, task: str, findings: list[Finding]) -> None:
    """Put the findings to the newest runs of a task, in place of those of an earlier look."""
    rows = pl.DataFrame([asdict(finding) for finding in findings]).fill_nan(None)
    connection.register("findings", rows)
    connection.execute("begin transaction")
    connection.execute("delete from ml.audits where task = ? and check_name = 'as_of'", [task])
    connection.execute(
        """
        insert into ml.audits by name
        select runs.run_id, runs.task, findings.*
        from (
            select run_id, task from ml.model_runs
            where task = ?
            qualify row_number() over (partition by source, splitter order by trained_at desc, run_id) = 1
        ) as runs
        cross join findings
        """,
        [task],
    )
    connection.execute("commit")
    connection.unregister("findings")


if __name__ == "__main__":
    sys.exit(run_command(main))
