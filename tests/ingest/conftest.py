"""Short ways to write a file, and to run the command line on a warehouse of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.__main__ import main


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file below the test's own folder and tell its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def ingest(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `python -m ingest` with these arguments, which has to work out; returns what it prints."""

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out

    return run


@pytest.fixture
def ingest_fails(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `python -m ingest`, which has to end with code 2 and one line; returns that line."""

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        return printed.err.removeprefix("error: ").removesuffix("\n")

    return run
