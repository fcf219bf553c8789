"""The door to the warehouse: what is none is refused in one line, by every program, before it can hang."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from common.errors import UserError
from common.warehouse import CONFIG, open_warehouse
from ingest.landing.manifest import open_raw

ROOT = Path(__file__).parents[2]


def sqlite_file(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table events (user_id)")
    connection.commit()
    connection.close()


def fifo(path: Path) -> None:
    os.mkfifo(path)


KINDS: dict[str, Callable[[Path], object]] = {
    "x.duckdb": Path.mkdir,
    "fifo.duckdb": fifo,
    "sqlite.duckdb": sqlite_file,
    "empty.duckdb": Path.touch,
    "text.duckdb": lambda path: path.write_text("no database"),
    "data.csv": lambda path: path.write_text("a,b\n1,2\n"),
    "below-a-file": lambda path: path.write_text("a file"),
}
PATHS = [
    *KINDS,
    "below-a-file/x.duckdb",
    ":memory:",
    "md:warehouse",
    "sqlite:warehouse.duckdb",
    "/dev/zero",
    "it's.duckdb",
    'a "b".duckdb',
    "a;b.duckdb",
    "a#b/x.duckdb",
    "a\nb.duckdb",
    "\udcff.duckdb",
    "\udcff/x.duckdb",
    f"{'x' * 300}.duckdb",
    "Marts.old.duckdb",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_warehouse_is_refused_and_left_as_it_is(
    name: str, read_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, make in KINDS.items():
        make(Path(path))
    before = sorted(Path().iterdir())
    monkeypatch.setenv("WAREHOUSE_PATH", name)
    with pytest.raises(UserError) as refused, open_warehouse(read_only=read_only):
        pass
    assert name in str(refused.value) and "WAREHOUSE_PATH" in str(refused.value)
    assert len(str(refused.value)) < 250 + len(name)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    "name", ["a b.duckdb", "ünï.duckdb", "a-b.old.duckdb", "_", "1.duckdb", "it's/x.duckdb"]
)
def test_any_other_name_will_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / name))
    with open_raw():
        pass
    with open_warehouse(read_only=True) as connection:
        assert connection.execute("select count(*) from raw.events").fetchall() == [(0,)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", [("ingest", "status"), ("ingest",), ("ml.train",), ("reports.build",)])
def test_every_program_refuses_a_fifo_with_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.duckdb")
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | {"WAREHOUSE_PATH": str(tmp_path / "x.duckdb")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1 and "(no regular file)" in run.stderr


def test_a_damaged_block_is_one_line(warehouse: Path) -> None:
    with open_raw() as connection:
        connection.execute("create table raw.numbers as select hash(range) as number from range(200000)")
    content = warehouse.read_bytes()
    messages = set()
    for block in range(12_288, len(content), 262_144):
        warehouse.write_bytes(content[: block + 100] + bytes(64) + content[block + 164 :])
        try:
            with open_warehouse(read_only=True) as connection:
                connection.execute("select sum(number), count(*) from raw.numbers").fetchall()
        except UserError as error:
            messages.add(re.sub(r"\d+", "0", str(error).removeprefix(str(warehouse))))
    reason = (
        "Corrupt database file: computed checksum 0 does not match stored checksum 0 in block at location 0"
    )
    assert f" can't be read on ({reason}): if it is damaged, move it away and load anew" in messages


def test_an_error_in_a_query_is_no_damage(warehouse: Path) -> None:
    with pytest.raises(duckdb.BinderException), open_warehouse() as connection:
        connection.execute("select nothing")


def test_looking_at_the_warehouse_does_not_end_the_lock_on_it(warehouse: Path) -> None:
    """POSIX drops a process's locks on a file as soon as it closes it once, however often it is open."""
    program = f"import duckdb; duckdb.connect({str(warehouse)!r}).close()"
    with open_warehouse():
        pass
    with duckdb.connect(str(warehouse), config=CONFIG), open_warehouse():
        held = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Conflicting lock" in held.stderr
    subprocess.run([sys.executable, "-c", program], check=True)
