"""Another value of a var changes numbers and breaks no build, its data tests and unit tests included."""

import json
import shutil
from pathlib import Path

import yaml

from tests.pipeline import PROJECT, run_dbt

# Another sensible value for every var, and an awkward one where there is: a name with a quote, a key with a
# dot, a zone behind UTC, a grid that doesn't divide 28 days.
CHANGED = {
    "session_gap_seconds": 600,
    "reporting_time_zone": "America/Los_Angeles",
    "conversion_events": ["it's done", "add_to_cart"],
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
}


def test_a_build_with_every_var_changed_passes(raw_warehouse: Path, warehouse: Path, tmp_path: Path) -> None:
    usual = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert usual.keys() == CHANGED.keys()
    assert not [name for name, value in usual.items() if value == CHANGED[name]]
    warehouse.parent.mkdir()
    shutil.copy(raw_warehouse, warehouse)

    run_dbt("build", tmp_path / "dbt", "--vars", json.dumps(CHANGED))

    run = json.loads((tmp_path / "dbt" / "run_results.json").read_text(encoding="utf-8"))
    assert run["args"]["vars"] == CHANGED
    statuses = {result["unique_id"]: result["status"] for result in run["results"]}
    assert not {node for node, status in statuses.items() if status not in ("success", "pass", "no-op")}
    manifest = json.loads((tmp_path / "dbt" / "manifest.json").read_text(encoding="utf-8"))
    assert statuses.keys() >= {*manifest["nodes"], *manifest["unit_tests"]}
