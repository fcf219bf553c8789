"""What dbt adds to the SQL it runs, at about a million views: `python -m benchmarks.dbt_overhead [viewers]`.

`dbt build` (models and data tests; unit tests run on rows of their own) is timed from its first node to its
last, its start and parsing aside; then the statements it compiled run once more straight through DuckDB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.warehouse import open_warehouse

ROUNDS = 3
VIEWERS = "33000"


def main() -> None:
    """Print, for each round, the seconds of both and their ratio."""
    viewers = sys.argv[1] if len(sys.argv) > 1 else VIEWERS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAREHOUSE_PATH"] = str(Path(folder) / "benchmark.duckdb")
        for command in (["simulate", "--viewers", viewers], []):
            subprocess.run([sys.executable, "-m", "ingest", *command], check=True)
        for _ in range(ROUNDS):
            seconds, statements = run_dbt(Path(folder) / "target")
            straight = run_straight(statements)
            print(
                f"dbt build {seconds:.2f} s, its {len(statements)} statements straight {straight:.2f} s, "
                f"ratio {seconds / straight:.2f}"
            )


def run_dbt(target: Path) -> tuple[float, list[str]]:
    """Seconds from dbt's first node to its last, and the statements it ran, in the order of finishing."""
    dbt = Path(sys.executable).parent / "dbt"
    build = ["build", "--exclude-resource-type", "unit_test", "--full-refresh", "--target-path", str(target)]
    subprocess.run([str(dbt), "--quiet", *build], check=True)
    record = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
    finished = sorted(
        (result for result in record["results"] if result["timing"]),
        key=lambda result: result["timing"][-1]["completed_at"],
    )
    nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    ran = [result for result in finished if result["unique_id"].split(".")[0] in ("model", "test")]
    return record["elapsed_time"], [statement(nodes[result["unique_id"]], result) for result in ran]


def statement(node: dict, result: dict) -> str:
    """The node's compiled SQL as dbt runs it: made a table or view, or counted."""
    compiled = result["compiled_code"]
    if node["resource_type"] == "test":
        return f"select count(*) from ({compiled}\n)"
    # A full build makes a table of an incremental model.
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    return f"create or replace {kind} {node['relation_name']} as (\n{compiled}\n)"


def run_straight(statements: list[str]) -> float:
    """Seconds that the statements take, one after another on one connection."""
    with open_warehouse() as connection:
        started = time.perf_counter()
        for sql in statements:
            connection.execute(sql).fetchall()
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
