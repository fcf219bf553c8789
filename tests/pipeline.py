"""The stages as a test runs them: in this process, on the warehouse that `WAREHOUSE_PATH` names."""

import contextlib
import json
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

PROJECT = Path(__file__).parents[1]


def run_dbt(command: str, target: Path, *arguments: str, project: Path = PROJECT) -> None:
    """Run a dbt command on the project or a copy, its output below `target`; fail the test if dbt fails."""
    folders = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target)]
    quiet = ["--quiet", "--log-path", str(target)]
    result = dbtRunner().invoke([*quiet, command, *folders, *arguments])
    failed = (
        [] if result.result is None else [node for node in result.result if node.status in ("error", "fail")]
    )
    assert result.success, result.exception or [f"{node.node.name}: {node.message}" for node in failed]


def compile_models(target: Path, select: str, variables: dict[str, object]) -> Path:
    """Compile a model, and all it is made of, with other variables; the path of the manifest."""
    chosen = ["--select", f"+{select}", "--vars", json.dumps(variables)]
    # dbt prints some of what it compiles.
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(None):
        patch.setenv("WAREHOUSE_PATH", str(target / "empty.duckdb"))
        run_dbt("compile", target, *chosen)
    return target / "manifest.json"
