"""The whole way on Spark: published, built with all tests, compared with DuckDB, trained and reported on."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from reports.build import BUILD_FOLDER, build
from tests.pipeline import PROJECT

pytestmark = [pytest.mark.spark_build, pytest.mark.timeout(1800)]

# From the very instant of the first event on; and from every cart to the next purchase.
ROLLING = """rolling,,,first_time,rolling,,,,,,,Windows of 24 hours and more from a user's first event.
bought,add_to_cart,purchase,recurring,rolling,7,8,6,,,,A purchase after a cart.
"""
DBT = str(Path(sys.executable).with_name("dbt"))


@dataclass(frozen=True)
class Engines:
    """A warehouse and its lake, each with the same marts."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "engagement.duckdb"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def run(
        self, *command: str, warehouse: Path | None = None, project: Path = PROJECT
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on them; on the lake alone where it is given as the warehouse."""
        paths = {
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(project),
            "WAREHOUSE_PATH": str(warehouse or self.warehouse),
            "LAKE_PATH": str(self.lake),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder),
        }
        return subprocess.run(command, cwd=PROJECT, env=os.environ | paths, capture_output=True, text=True)

    def python(self, module: str, *arguments: str, **options: Path) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", module, *arguments, **options)


def succeed(result: subprocess.CompletedProcess[str]) -> str:
    """What a command printed."""
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def engines(has_spark: None, built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    """Built on both, on Spark with all data and unit tests, of one more log that is read where it lies."""
    engines = Engines(tmp_path_factory.mktemp("spark"))
    shutil.copy(built_warehouse, engines.warehouse)
    log = engines.folder / "log.parquet"
    with duckdb.connect(engines.warehouse) as connection:
        connection.execute(f"copy (select user_id, event_name, occurred_at from raw.events) to '{log}'")
    columns = ["--user", "user_id", "--event", "event_name", "--at", "occurred_at"]
    succeed(engines.python("ingest", "events", str(log), "--in-place", "--source", "shop", *columns))
    succeed(engines.run(DBT, "--quiet", "run"))
    succeed(engines.python("ingest", "publish", str(engines.lake)))
    # What a build that was killed half-way leaves behind.
    with duckdb.connect() as connection:
        for left in ("marts/dim_games", "staging/retention_definitions"):
            (engines.lake / left).mkdir(parents=True)
            connection.execute(f"copy (select 1 as left_behind) to '{engines.lake / left}/part-0.parquet'")
    succeed(engines.run(DBT, "--quiet", "build", "--target", "spark"))
    return engines


def test_both_engines_make_the_same_marts(engines: Engines) -> None:
    told = succeed(engines.python("benchmarks.parity")).splitlines()
    equal, of, count = told[-1].split()[:3]
    assert of == "of" and equal == count and int(count) >= 50
    # Scores that training wrote in DuckDB are what Spark's views read.
    [shown] = [line.split() for line in told if line.startswith("rpt_calibration ")]
    assert shown[1] == shown[2] and int(shown[1]) > 50, told


def test_both_engines_make_the_same_marts_of_other_settings(engines: Engines, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "dbt_project", project / "dbt_project")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, project)
    with (project / "dbt_project" / "seeds" / "retention_definitions.csv").open("a") as seed:
        seed.write(ROLLING)
    settings = {
        "reporting_time_zone": "America/Santiago",
        "session_gap_seconds": 600,
        "last_day_is_complete": True,
        "conversion_events": ["it's", "purchase"],
        "churn_horizon_days": 14,
    }
    succeed(engines.python("benchmarks.parity", "--vars", json.dumps(settings), project=project))


def test_training_and_reports_work_on_what_spark_built(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed(engines.run(DBT, "--quiet", "run", "--target", "lake"))
    with duckdb.connect(engines.lake / "engagement.duckdb", read_only=True) as connection:
        runs = [run_id for (run_id,) in connection.execute("select run_id from ml.model_runs").fetchall()]
        connection.execute("select count(*) from marts.rpt_headline_figures")
    # A run is named after its data and settings: of the other engine's marts it is the same run.
    told = succeed(engines.python("ml.train", warehouse=engines.lake))
    # Of ratings, some feature differs in its last digit: equal to parity's eye, not to a digest.
    same = [run_id for run_id in runs if not run_id.startswith("rating_engagement")]
    assert [run_id for run_id in same if run_id not in told] == [] and len(same) == len(runs) - 3
    succeed(engines.python("ml.train", "--task", "game_play", "--seed", "7", warehouse=engines.lake))
    with duckdb.connect(engines.lake / "engagement.duckdb", read_only=True) as connection:
        [(count,)] = connection.execute("select count(*) from ml.model_runs").fetchall()
    assert count > len(runs)
    query = "select count(*) as runs_count from {{ ref('stg_ml__model_runs') }}"
    shown = engines.run(DBT, "--quiet", "show", "--inline", query, "--target", "spark", "--output", "json")
    assert f'"runs_count": {count}' in succeed(shown)
    monkeypatch.setenv("WAREHOUSE_PATH", str(engines.lake))
    monkeypatch.chdir(tmp_path)
    build()
    assert "simulated" in (tmp_path / BUILD_FOLDER / "index.html").read_text(encoding="utf-8")


def test_a_mart_missing_on_one_side_is_told_in_one_line(engines: Engines) -> None:
    with duckdb.connect(engines.warehouse) as connection:
        connection.execute("drop table marts.dim_games")
    result = engines.python("benchmarks.parity")
    assert result.returncode == 2
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert line == "error: DuckDB has no dim_games: run `dbt build`"
