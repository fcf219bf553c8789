"""What Spark lacks is told in one line, by dbt, before Spark is started or anything written."""

import json
import stat
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from common.lake import VERSION
from dbt_project import LAKE_VERSION
from tests.pipeline import PROJECT

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not find_spec("pyspark"), reason="the extra spark is not installed: make spark"),
]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Start a build on Spark over a lake; what dbt says of why it won't."""
    monkeypatch.delenv("SPARK_REMOTE", raising=False)

    def build(lake: Path) -> str:
        monkeypatch.setenv("LAKE_PATH", str(lake))
        folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--log-path", str(tmp_path)]
        result = dbtRunner().invoke(["--quiet", "run", "--target", "spark", *folders])
        assert not result.success
        [line] = [line.strip() for line in str(result.exception).splitlines() if "Error" not in line]
        return line

    return build


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """As much of a lake as is looked at before Spark starts."""
    return write_lake(tmp_path / "lake", {"lake_version": 1})


def write_lake(folder: Path, head: object) -> Path:
    folder.mkdir()
    (folder / "lake.json").write_text(json.dumps(head) + "\n")
    return folder


def install_java(folder: Path, version: str) -> None:
    """A program that says it is this Java."""
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)


def test_without_a_lake(refused: Callable[[Path], str], tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert (
        refused(missing)
        == f"no lake at {missing}: run `python -m ingest publish {missing}`, or set LAKE_PATH"
    )
    assert not missing.exists()


def test_a_lake_that_was_published_by_half(refused: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "half" / "raw").mkdir(parents=True)
    assert "never published to its end (it has no lake.json)" in refused(tmp_path / "half")
    assert [path.name for path in (tmp_path / "half").iterdir()] == ["raw"]


def test_the_version_that_is_published_is_the_one_that_is_read() -> None:
    macro = (PROJECT / "dbt_project" / "macros" / "spark" / "lake.sql").read_text()
    assert LAKE_VERSION == VERSION
    assert f"head.lake_version != {VERSION}" in macro


@pytest.mark.parametrize("head", [{"lake_version": 2}, {"lake_version": "1.0"}])
def test_a_lake_of_another_version(refused: Callable[[Path], str], tmp_path: Path, head: object) -> None:
    assert "another version of this project" in refused(write_lake(tmp_path / "newer", head))


@pytest.mark.parametrize("head", [[], "text", {}, None])
def test_a_manifest_that_is_none(refused: Callable[[Path], str], tmp_path: Path, head: object) -> None:
    assert "can't be read as a lake's manifest" in refused(write_lake(tmp_path / "odd", head))


def test_without_java(
    refused: Callable[[Path], str], lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(lake).startswith("Spark needs Java, and there is none: install Java 17")
    assert [path.name for path in lake.iterdir()] == ["lake.json"]


@pytest.mark.parametrize(("version", "shown"), [("1.8.0_392", "8"), ("11.0.2", "11"), ("16", "16")])
def test_a_java_that_is_too_old(
    refused: Callable[[Path], str],
    lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    shown: str,
) -> None:
    install_java(tmp_path / "jre" / "bin", version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jre"))
    java = tmp_path / "jre" / "bin" / "java"
    assert refused(lake).startswith(f"Spark needs Java 17 or newer, and {java} is Java {shown}:")
