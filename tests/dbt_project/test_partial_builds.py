"""A part of the project can be built alone, on a warehouse that dbt never saw; and nothing of nothing."""

import json
import shutil
from pathlib import Path

import pytest

from tests.pipeline import run_dbt


def test_a_mart_and_what_it_is_made_of_build_alone(
    raw_warehouse: Path, warehouse: Path, tmp_path: Path
) -> None:
    """Tests that compare with models outside the part wait until those are built; all others run."""
    warehouse.parent.mkdir()
    shutil.copy(raw_warehouse, warehouse)

    run_dbt("build", tmp_path / "dbt", "--select", "+fct_sessions")

    run = json.loads((tmp_path / "dbt" / "run_results.json").read_text(encoding="utf-8"))
    statuses = {result["unique_id"].split(".")[2]: result["status"] for result in run["results"]}
    assert set(statuses.values()) == {"success", "pass"}
    assert statuses["fct_sessions"] == "success"
    assert "fct_cohort_retention" not in statuses
    assert "unique_together_fct_sessions_source__user_id__is_own_session__session_id" in statuses


def test_a_build_of_nothing_says_so_once(warehouse: Path, tmp_path: Path) -> None:
    """Neither the folder nor the file of the warehouse is there: a line, not an error for each table."""
    assert not warehouse.parent.exists()
    with pytest.raises(AssertionError, match=r"nothing is loaded in .*: run `python -m ingest` first"):
        run_dbt("build", tmp_path / "dbt")
    assert not (tmp_path / "dbt" / "run").exists()
