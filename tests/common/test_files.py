"""A file is there whole or not at all, and what killed writers left goes with the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.files import write_whole

KILLED_WRITER = """
import os, sys
from pathlib import Path
from common.files import write_whole

Path.replace = lambda *_: os._exit(9)
write_whole(Path(sys.argv[1]), b"half")
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_clears_up(tmp_path: Path) -> None:
    path = tmp_path / "page[1].html"
    write_whole(path, b"old")
    killed = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, str(path)])
    assert killed.wait() == 9
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {path.name, f".{path.name}.{killed.pid}"}
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {path.name}


def test_what_may_be_of_a_live_writer_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    others = {
        f".page.html.{os.getppid()}",
        ".page.html.1",
        ".page.html.bak",
        ".other.html.999999999",
        "page.html.1",
    }
    for name in others:
        (tmp_path / name).touch()
    write_whole(path, b"new")
    assert names(tmp_path) == others | {path.name}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.mkdir()
    with pytest.raises(OSError):
        write_whole(path, b"new")
    assert names(tmp_path) == {path.name}
