"""A lake holds what the warehouse holds; who reads by its manifest finds one publication whole, always."""

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from common.lake import LOCK, MANIFEST, read_lake
from common.warehouse import CONFIG, open_warehouse
from ingest.landing.manifest import open_raw

ROOT = Path(__file__).parents[2]
EVENTS = "user_id,session_id,timestamp,event_type,metadata\n"
FLAGS = ("--source", "shop")
# Publishes in a process of its own for each kill. They come at steps of the code that publishes (a function
# begins or ends, the system is asked to change a folder): before and after the manifest takes its place, at
# the last, and at others evenly spread.
KILLER = """
import os, shutil, sys
from pathlib import Path
from ingest.publishing.publication import publish

CODE = ("/ingest/publishing/", "/common/lake", "/common/files")
folder, spread = Path(sys.argv[1]), int(sys.argv[2])

def run(lake, last):
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
    steps = []
    def profile(frame, event, function):
        is_own = any(part in frame.f_code.co_filename for part in CODE)
        if event in ("call", "return") and is_own and frame.f_code.co_name[0] != "<":
            steps.append(frame.f_code.co_name)
        elif event == "c_call" and getattr(function, "__module__", "") == "posix":
            steps.append(function.__name__)
        else:
            return
        if len(steps) == last:
            os._exit(9)
    sys.setprofile(profile)
    publish(lake)
    sys.setprofile(None)
    (folder / "steps").write_text(" ".join(steps))
    os._exit(0)

shutil.copytree(folder / "lake", folder / "lake-0")
assert run(folder / "lake-0", None) == 0
steps = (folder / "steps").read_text().split()
replaced = steps.index("replace") + 1
kills = {len(steps) * number // (spread + 1) for number in range(1, spread + 1)}
for number, kill in enumerate(sorted(kills | {replaced, replaced + 1, len(steps)}), start=1):
    lake = folder / f"lake-{number}"
    shutil.copytree(folder / "lake", lake)
    assert run(lake, kill) == 9 << 8
"""


def log(*rows: str) -> str:
    return EVENTS + "".join(f"{row}\n" for row in rows)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def parquet_files(lake: Path) -> dict[str, int]:
    """Path -> time of writing, of the files of rows."""
    return {
        str(path.relative_to(lake)): path.stat().st_mtime_ns
        for schema in ("raw", "truth")
        for path in (lake / schema).rglob("*.parquet")
    }


def published(lake: Path) -> dict[str, list[tuple]]:
    """The rows of each table as its manifest names them, the load's id from the manifest."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for table in read_lake(lake).tables:
            rows = []
            loads = (
                [(part.folder, (part.batch_id,), part.rows) for part in table.parts]
                if table.partitioned_by
                else [(table.folder, (), table.rows)]
            )
            for folder, load, count in loads:
                query = f"from read_parquet('{lake / folder}/*.parquet', hive_partitioning = false)"
                part = connection.execute(query).fetchall()
                assert len(part) == count
                rows += [(*row, *load) for row in part]
            assert len(rows) == table.rows
            found[f"{table.schema}.{table.name}"] = sorted(rows, key=repr)
    return found


@pytest.fixture
def copied_warehouse(raw_warehouse: Path, warehouse: Path) -> Path:
    warehouse.parent.mkdir()
    shutil.copy(raw_warehouse, warehouse)
    return warehouse


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def test_every_table_reads_as_in_the_warehouse(copied_warehouse: Path, lake: Path, ingest, write) -> None:
    """Names, order and types of columns, and every value, whatever zone the client's session has."""
    ingest("events", write("a.csv", log("u1,,2025-01-01T00:30:00.123456Z,view,", "u1,,yesterday,view,")))
    ingest("publish", lake)
    with duckdb.connect(str(lake / "engagement.duckdb"), read_only=True, config=CONFIG) as connection:
        connection.execute(f"attach '{copied_warehouse}' as warehouse (read_only)")
        connection.execute("set timezone = 'America/New_York'")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'warehouse'"
        ).fetchall()
        assert len(tables) >= 18 and ("raw", "rejects") in tables
        for schema, table in tables:
            here, there = f"{schema}.{table}", f"warehouse.{schema}.{table}"
            described = [
                [(name, kind) for name, kind, *_ in connection.execute(f"describe {relation}").fetchall()]
                for relation in (here, there)
            ]
            assert described[0] == described[1]
            [(rows, held)] = connection.execute(
                f"select (select count(*) from {here}), (select count(*) from {there})"
            ).fetchall()
            assert rows == held, here
            assert not connection.execute(f"from {here} except all from {there}").fetchall(), here


def test_times_are_instants_and_files_say_their_load(warehouse: Path, lake: Path, ingest, write) -> None:
    ingest("events", *FLAGS, write("a.csv", log("u1,,2025-01-01T12:00:00+02:00,view,")))
    ingest("publish", lake)
    [events] = [table for table in read_lake(lake).tables if table.name == "events"]
    [part] = events.parts
    assert list(events.columns)[-1] == events.partitioned_by == "_batch_id"
    assert (events.columns["occurred_at"], events.rows, part.rows) == ("timestamp", 1, 1)
    assert part.folder == f"raw/events/_batch_id={part.batch_id}"
    [file] = (lake / part.folder).iterdir()
    with duckdb.connect() as connection:
        query = f"select * from read_parquet('{file}', hive_partitioning = false)"
        kinds = {name: kind for name, kind, *_ in connection.execute(f"describe {query}").fetchall()}
        assert kinds["occurred_at"] == "TIMESTAMP WITH TIME ZONE" and "_batch_id" not in kinds
        connection.execute("set timezone = 'Asia/Tokyo'")
        assert connection.execute(f"select occurred_at::varchar from ({query})").fetchall() == [
            ("2025-01-01 19:00:00+09",)
        ]


def test_a_second_publication_writes_what_is_new(warehouse: Path, lake: Path, ingest, write) -> None:
    ingest("events", *FLAGS, write("a.csv", log("u1,,2025-01-01T12:00:00Z,view,")))
    ingest("publish", lake)
    first = parquet_files(lake)
    manifest = (lake / MANIFEST).read_bytes()

    assert "loads: 0 written, 1 kept, 0 dropped" in ingest("publish", lake)
    assert parquet_files(lake) == first
    assert (lake / MANIFEST).read_bytes() == manifest

    ingest("events", *FLAGS, write("b.csv", log("u2,,2025-01-02T12:00:00Z,view,")))
    assert "loads: 1 written, 1 kept, 0 dropped" in ingest("publish", lake)
    second = parquet_files(lake)
    assert first.items() <= second.items()
    assert {path.split("/")[1] for path in second.keys() - first.keys()} == {"events", "load_manifest"}
    assert [row[2] for row in published(lake)["raw.events"]] == ["u1", "u2"]


def test_what_is_removed_is_named_no_longer_and_goes_with_the_next(
    warehouse: Path, lake: Path, ingest, write
) -> None:
    """Whoever reads by the manifest before still finds its files."""
    for name, user in (("a.csv", "u1"), ("b.csv", "u2")):
        ingest("events", *FLAGS, write(name, log(f"{user},,2025-01-01T12:00:00Z,view,")))
    ingest("publish", lake)
    before = tree(lake / "raw/events")
    ingest("remove", "shop", "--file", "a.csv")
    assert "loads: 0 written, 1 kept, 1 dropped" in ingest("publish", lake)
    assert [row[2] for row in published(lake)["raw.events"]] == ["u2"]
    assert tree(lake / "raw/events") == before
    ingest("publish", lake)
    [left] = read_lake(lake).tables[1].parts
    assert {path.split("/")[0] for path in tree(lake / "raw/events")} == {left.folder.split("/")[-1]}
    assert len(list((lake / "raw/load_manifest").iterdir())) == 1


def test_a_load_of_the_same_name_from_another_warehouse_is_not_taken_for_it(
    warehouse: Path, lake: Path, ingest, write
) -> None:
    """The file, its number and its rows are the same, its times were read in another zone."""
    path = write("a.csv", log("u1,,2025-01-01T12:00:00,view,"))
    ingest("events", *FLAGS, path)
    ingest("publish", lake)
    old = read_lake(lake).tables[1].parts[0]
    warehouse.unlink()
    ingest("events", *FLAGS, "--time-zone", "Asia/Tokyo", path)
    ingest("publish", lake)
    new = read_lake(lake).tables[1].parts[0]
    assert new.batch_id == old.batch_id and new.folder != old.folder
    assert [row[6].hour for row in published(lake)["raw.events"]] == [3]
    with duckdb.connect(str(lake / "engagement.duckdb"), config=CONFIG) as connection:
        assert connection.execute("select _batch_id, occurred_at from raw.events").fetchall() == [
            (old.batch_id, datetime(2025, 1, 1, 3))
        ]


def test_any_name_of_a_load_and_any_table_of_raw_will_do(warehouse: Path, lake: Path, ingest) -> None:
    with open_raw() as connection:
        connection.execute(
            "insert into raw.steam_behaviors values "
            "('e', 'u', 'it''s', 'play', 1, 'steam/ä=%2F b-1', 'f', 1, '2025-01-01')"
        )
        connection.execute(
            'create table raw."odd name" as select 1.50::decimal(9, 2) as "a ""b""", null::date as day'
        )
    ingest("publish", lake)
    with duckdb.connect(str(lake / "engagement.duckdb"), config=CONFIG) as connection:
        assert connection.execute("select _batch_id, game_title from raw.steam_behaviors").fetchall() == [
            ("steam/ä=%2F b-1", "it's")
        ]
        [(number, day)] = connection.execute('from raw."odd name"').fetchall()
        assert (str(number), day) == ("1.50", None)


def test_a_table_that_spark_has_no_type_for_is_one_line(warehouse: Path, lake: Path, ingest_fails) -> None:
    with open_raw() as connection:
        connection.execute("create table raw.notes as select {'a': 1} as note")
    assert ingest_fails("publish", lake).startswith("raw.notes: its column note is STRUCT(a INTEGER), which")
    assert not (lake / MANIFEST).exists() and not (lake / "raw").exists()


def test_killed_anywhere_a_lake_is_as_before_or_as_after(
    warehouse: Path, lake: Path, tmp_path: Path, ingest, write
) -> None:
    """Loads come, go and are replaced; the next publication mends what was left, and leaves nothing over."""
    for name, user in (("a.csv", "u1"), ("b.csv", "u2")):
        ingest("events", *FLAGS, write(name, log(f"{user},,2025-01-01T12:00:00Z,view,")))
    ingest("publish", lake)
    before = published(lake)
    ingest("remove", "shop", "--file", "a.csv")
    ingest("events", *FLAGS, write("c.csv", log("u3,,2025-01-01T12:00:00Z,view,")))
    subprocess.run([sys.executable, "-c", KILLER, str(tmp_path), "6"], cwd=ROOT, check=True)
    after = published(tmp_path / "lake-0")
    assert [row[2] for row in after["raw.events"]] == ["u2", "u3"]
    killed = [tmp_path / f"lake-{number}" for number in range(1, len(list(tmp_path.glob("lake-*"))))]
    states = [published(folder) for folder in killed]
    changed = states.index(after)
    assert 1 < changed < len(killed) - 1
    assert states == [before] * changed + [after] * (len(killed) - changed)
    for folder in killed[changed - 2 : changed + 1]:
        ingest("publish", folder)
        assert published(folder) == after
        ingest("publish", folder)
        assert written_folders(folder) == named_folders(folder)


def written_folders(lake: Path) -> set[str]:
    return {path.rpartition("/")[0] for path in parquet_files(lake)}


def named_folders(lake: Path) -> set[str]:
    return {folder for table in read_lake(lake).tables for folder in table.folders}


def other_things(folder: Path) -> None:
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / "mine.csv").write_text("1")


def a_file(path: Path) -> None:
    path.write_text("1")


def another_version(folder: Path) -> None:
    folder.mkdir()
    (folder / MANIFEST).write_text('{"lake_version": 2, "publication": "x", "published_at": "x"}\n')


def a_damaged_manifest(folder: Path) -> None:
    folder.mkdir()
    (folder / MANIFEST).write_text("{")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "other": (other_things, "holds other things and is no lake"),
    "file": (a_file, "can't be a lake (Not a directory)"),
    "version": (another_version, "is a lake of version 2, this project writes version 1"),
    "damaged": (a_damaged_manifest, "can't be read as the manifest of a lake"),
    "a=b": (lambda folder: None, "can't be a lake: choose a path without ="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_no_lake_is_one_line_and_stays(
    name: str, warehouse: Path, tmp_path: Path, ingest_fails
) -> None:
    with open_raw():
        pass
    make, reason = REFUSED[name]
    make(tmp_path / name)
    before = tree(tmp_path)
    assert reason in ingest_fails("publish", tmp_path / name)
    assert tree(tmp_path) == before


def test_without_a_warehouse_nothing_is_made(warehouse: Path, lake: Path, ingest_fails) -> None:
    assert ingest_fails("publish", lake).startswith(f"no warehouse at {warehouse}: run")
    warehouse.parent.mkdir()
    with duckdb.connect(str(warehouse)):
        pass
    assert "is no warehouse yet" in ingest_fails("publish", lake)
    assert not lake.exists()


def test_the_warehouses_own_folder_and_a_lake_as_warehouse_are_refused(
    warehouse: Path, lake: Path, ingest, ingest_fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_raw():
        pass
    assert "holds other things" in ingest_fails("publish", warehouse.parent)
    ingest("publish", lake)
    for path in (lake, lake / "engagement.duckdb"):
        monkeypatch.setenv("WAREHOUSE_PATH", str(path))
        assert ingest_fails("publish", lake).startswith(f"WAREHOUSE_PATH is a lake ({lake})")


def test_one_publication_at_a_time(warehouse: Path, lake: Path, ingest, ingest_fails) -> None:
    with open_raw():
        pass
    ingest("publish", lake)
    with (lake / LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert ingest_fails("publish", lake) == (
            f"{lake} is being published to by another process: wait for it to end"
        )
    ingest("publish", lake)


def test_a_lake_whose_duckdb_file_is_in_use_stays(warehouse: Path, lake: Path, ingest, ingest_fails, write):
    with open_raw():
        pass
    ingest("publish", lake)
    ingest("events", *FLAGS, write("a.csv", log("u1,,2025-01-01T12:00:00Z,view,")))
    before = (tree(lake), (lake / MANIFEST).read_bytes())
    database = str(lake / "engagement.duckdb")
    reader = f"import duckdb; held = duckdb.connect({database!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        assert "engagement.duckdb is in use by" in ingest_fails("publish", lake)
        process.communicate("\n")
    assert (tree(lake), (lake / MANIFEST).read_bytes()) == before


def test_a_full_disk_is_one_line_and_leaves_the_lake_as_it_was(
    warehouse: Path, lake: Path, ingest, write
) -> None:
    with open_raw():
        pass
    ingest("publish", lake)
    with open_warehouse() as connection:
        connection.execute(
            "insert into raw.steam_behaviors select md5(range::varchar), 'u', 'g', 'play', 1, 'steam-1', "
            "'f', range, '2025-01-01' from range(200000)"
        )
    before = (tree(lake), (lake / MANIFEST).read_bytes())
    limit = 1_000_000  # bytes of any file: beyond it, writing fails as on a full disk
    run = subprocess.run(
        [sys.executable, "-m", "ingest", "publish", str(lake)],
        cwd=ROOT,
        env=os.environ | {"WAREHOUSE_PATH": str(warehouse)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith(f"error: {lake} can't be written (") and "File too large" in run.stderr
    assert (tree(lake), (lake / MANIFEST).read_bytes()) == before


def test_the_manifest_is_an_object_a_line(warehouse: Path, lake: Path, ingest) -> None:
    """What Spark's side reads of it."""
    with open_raw():
        pass
    ingest("publish", lake)
    head, *tables = map(json.loads, (lake / MANIFEST).read_text(encoding="utf-8").splitlines())
    assert head.keys() == {"lake_version", "publication", "published_at"} and head["lake_version"] == 1
    assert {(table["schema"], table["table"], table["partitioned_by"]) for table in tables} >= {
        ("raw", "load_manifest", None),
        ("raw", "rejects", None),
        ("raw", "events", "_batch_id"),
        ("truth", "viewers", None),
    }
    for table in tables:
        assert (lake / table["folder"]).is_dir() and table["parts"] == [] and table["rows"] == 0
        assert all(column.keys() == {"name", "type"} for column in table["columns"])
