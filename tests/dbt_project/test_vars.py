"""Another value of a var changes numbers and breaks no build, its data tests and unit tests included."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.pipeline import PROJECT, run_dbt

# Another sensible value for every var, and an awkward one where there is: a name with a quote, a key with a
# dot, a zone behind UTC, a grid that doesn't divide 28 days.
CHANGED = {
    "session_gap_seconds": 600,
    "reporting_time_zone": "America/Los_Angeles",
    "conversion_events": ["it's done", "add_to_cart"],
    "conversion_first_events": 2,
    "path_events_limit": 5,
    "engaged_rating": 3.5,
    "continuation_window_days": 10,
    "minimum_at_risk": 5,
    "proxy_churn_share": 0.35,
    "last_day_is_complete": True,
    "lifecycle_window_days": 40,
    "churn_horizon_days": 14,
    "as_of_grid_days": 5,
    "survival_titles_limit": 3,
    "user_segment_properties": ["utm.source", "plan"],
    "retention_curve_days": 30,
    "recent_days": 60,
    "train_share": 0.5,
    "validation_share": 0.3,
    "effect_sd": 0.5,
    "rate_prior_views": 5,
    "completion_prior_views": 2,
    "taste_tags_limit": 10,
    "taste_prior_picks": 2,
    "start_prior_titles": 2,
    "start_prior_days": 14,
    "psi_watch": 0.2,
    "psi_act": 0.5,
}


LADDER = ["marts.fct_events", "intermediate.int_sessions_aggregated", "marts.fct_user_days"]
SELECT_LADDER = [argument for table in LADDER for argument in ("--select", "+" + table.split(".")[1])]


@pytest.fixture(scope="module")
def changed_build(raw_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that was never built with any other vars; dbt's artifacts lie beside it."""
    path = tmp_path_factory.mktemp("changed") / "changed.duckdb"
    shutil.copy(raw_warehouse, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        run_dbt("build", path.parent, "--vars", json.dumps(CHANGED))
    return path


def test_every_var_has_another_value_here() -> None:
    usual = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert usual.keys() == CHANGED.keys()
    assert not [name for name, value in usual.items() if value == CHANGED[name]]


def test_a_build_with_every_var_changed_passes(changed_build: Path) -> None:
    run = json.loads((changed_build.parent / "run_results.json").read_text(encoding="utf-8"))
    assert run["args"]["vars"] == CHANGED
    statuses = {result["unique_id"]: result["status"] for result in run["results"]}
    assert not {node for node, status in statuses.items() if status not in ("success", "pass", "no-op")}
    manifest = json.loads((changed_build.parent / "manifest.json").read_text(encoding="utf-8"))
    assert statuses.keys() >= {*manifest["nodes"], *manifest["unit_tests"]}


def test_vars_that_change_later_reach_the_rows_that_are_there(
    changed_build: Path, raw_warehouse: Path, warehouse: Path, tmp_path: Path
) -> None:
    """What grows by loads is built anew: as if the vars had never had another value."""
    warehouse.parent.mkdir()
    shutil.copy(raw_warehouse, warehouse)
    run_dbt("run", tmp_path / "dbt", *SELECT_LADDER)
    before = ladder(warehouse)

    run_dbt("run", tmp_path / "dbt", *SELECT_LADDER, "--vars", json.dumps(CHANGED))

    assert not [table for table, rows in ladder(warehouse).items() if rows == before[table]]
    assert ladder(warehouse) == ladder(changed_build)


def ladder(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the incremental models."""
    with duckdb.connect(path, read_only=True) as connection:
        return {
            table: connection.execute(f"select * from {table} order by all").fetchall() for table in LADDER
        }
