"""A dbt command sees one state of the warehouse: nothing gets in before it is over, then everything does."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg
from dbt_common.exceptions import DbtRuntimeError

from common.dbt_hold import Plugin
from ingest.__main__ import main as ingest
from ingest.landing.manifest import open_raw
from tests.pipeline import PROJECT

# Another program: for each line it reads, it tries to write to the warehouse and says how that went.
INTRUDER = """
import sys, duckdb
for _ in sys.stdin:
    try:
        duckdb.connect(sys.argv[1]).close()
        print("in", flush=True)
    except duckdb.IOException:
        print("out", flush=True)
"""


class Intruder:
    """The other program; it tries at every event of dbt's from the first node to the end of the command."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.attempts: list[str] = []
        self.is_running = False

    def attempt(self) -> str:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def on_event(self, event: EventMsg) -> None:
        name = event.info.name
        self.is_running = name == "NodeStart" or (self.is_running and name != "CommandCompleted")
        if self.is_running:
            self.attempts.append(self.attempt())


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for both tests: dbt parses the project anew for every other one."""
    folder = tmp_path_factory.mktemp("one_state")
    path = folder / "steam.csv"
    path.write_text("1,Game,purchase,1.0,0\n1,Game,play,2.0,0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(folder / "test.duckdb"))
        assert ingest(["steam", str(path)]) == 0
        yield folder / "test.duckdb"


@pytest.fixture
def intruder(warehouse: Path) -> Iterator[Intruder]:
    command = [sys.executable, "-c", INTRUDER, str(warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Intruder(process)
        process.stdin.close()


def run_models(target: Path, intruder: Intruder, threads: int) -> dbtRunnerResult:
    """`dbt run` of three models, one after the other."""
    folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(target)]
    select = ["--select", "stg_steam__behaviors", "fct_game_ownership", "fct_player_engagement"]
    arguments = ["--quiet", "--log-path", str(target), "run", *folders, *select, "--threads", str(threads)]
    return dbtRunner(callbacks=[intruder.on_event]).invoke(arguments)


@pytest.mark.parametrize(("threads", "fails"), [(1, False), (2, True)], ids=["a run", "a run that fails"])
def test_nothing_gets_in_before_a_command_is_over(
    threads: int, fails: bool, intruder: Intruder, warehouse: Path
) -> None:
    assert intruder.attempt() == "in"
    if fails:
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("alter table raw.steam_behaviors rename column value to other")
    result = run_models(warehouse.parent / "target", intruder, threads)
    assert result.success is not fails
    assert len(intruder.attempts) > 10
    assert set(intruder.attempts) == {"out"}
    # The warehouse is free at once, for this process too, whatever its settings.
    assert intruder.attempt() == "in"
    with duckdb.connect(str(warehouse), config={"threads": 1}) as connection:
        assert connection.execute("select count(*) from raw.steam_behaviors").fetchall() == [(2,)]
        assert intruder.attempt() == "out"
    assert intruder.attempt() == "in"


def test_dbt_says_in_one_line_what_is_wrong_with_the_warehouse(
    intruder: Intruder, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.rename(warehouse.with_suffix(".kept"))
    warehouse.mkdir()
    result = run_models(warehouse.parent / "target", intruder, threads=1)
    warehouse.rmdir()
    warehouse.with_suffix(".kept").rename(warehouse)
    assert not result.success
    [line] = [line.strip() for line in capsys.readouterr().out.splitlines() if str(warehouse) in line]
    assert line.startswith(f"{warehouse} can't be opened as a warehouse (a folder): ")


def test_dbt_says_in_one_line_that_a_warehouse_is_older_than_the_project(
    warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older.duckdb"
    shutil.copyfile(warehouse, older)
    with duckdb.connect(str(older)) as connection:
        connection.execute(
            "create table kept as select * exclude (load_number, revision) from raw.load_manifest"
        )
        connection.execute("drop table raw.load_manifest")
        connection.execute("create table raw.load_manifest as select * from kept")
    plugin = Plugin("dbt_hold", {})
    credentials = SimpleNamespace(path=str(older))
    with pytest.raises(DbtRuntimeError, match="is of an older version: run `python -m ingest` once"):
        plugin.update_connection_config(credentials, {})
    monkeypatch.setenv("WAREHOUSE_PATH", str(older))
    with open_raw():
        pass
    plugin.update_connection_config(credentials, {})
    plugin._let_go(SimpleNamespace(info=SimpleNamespace(name="CommandCompleted")))
