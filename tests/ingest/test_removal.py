"""Taking loads back: all of them is gone, nothing else is, and what comes after is counted anew."""

import shutil
from dataclasses import fields
from pathlib import Path

import duckdb
import pytest
from ingest_samples import anime_entry, json_lines, query

from common.warehouse import open_warehouse
from ingest.__main__ import main
from ingest.landing.manifest import RAW_TABLES, Batch

HEADER = "user_id,timestamp,event_type\n"
LOGS = {
    "a.csv": HEADER + "1,2025-01-01 10:00:00,view\n2,2025-01-01 11:00:00,view\n",
    "b.csv": HEADER + "1,2025-01-01 10:00:00,view\n3,2025-01-02 10:00:00,buy\nx,never,view\n",
    "c.csv": HEADER + "4,2025-01-03 10:00:00,view\n",
}
NEW_COLUMNS = ("load_number", "revision")
SOURCES = ["anime", "clickstream", "movielens", "shop", "steam", "viewing"]


@pytest.fixture(scope="module")
def master_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with every kind of source, made once: a log of three files beside what is made up."""
    folder = tmp_path_factory.mktemp("removal")
    for name, text in LOGS.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "catalogue.jsonl").write_text(json_lines(*map(anime_entry, range(20)), anime_entry(title=None)))
    path = folder / "loaded.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        for arguments in (
            ("anime", str(folder / "catalogue.jsonl")),
            ("simulate", "--viewers", "30", "--days", "40"),
            ("clickstream", "--users", "20", "--days", "10"),
            *(("events", str(folder / name), "--source", "shop") for name in LOGS),
            (),
        ):
            assert main([*arguments]) == 0
    return path


@pytest.fixture
def loaded(master_warehouse: Path, warehouse: Path) -> Path:
    """The test's own copy of it."""
    warehouse.parent.mkdir()
    shutil.copyfile(master_warehouse, warehouse)
    return warehouse


def contents() -> dict[str, set[tuple]]:
    """Of every table that ingest writes but the manifest, by source: how many rows, and a sum over them."""
    tables = query(
        """
        select schema_name || '.' || table_name, list_contains(list(column_name), 'source')
        from duckdb_columns()
        where schema_name in ('raw', 'truth') and table_name <> 'load_manifest'
        group by all
        """
    )
    owners = {"raw.anime": "anime", "raw.steam_behaviors": "steam"}
    sums = []
    for table, has_source in tables:
        owner = owners.get(table) or ("movielens" if "movielens" in table else "viewing")
        source = "source" if has_source else f"'{owner}'"
        sums.append(
            f"select {source}, '{table}', count(*), sum(hash(rows)) from {table} as rows group by all"
        )
    found: dict[str, set[tuple]] = {}
    for source, *sum_of_rows in query(" union all ".join(sums)):
        if sum_of_rows[1]:
            found.setdefault(source, set()).add(tuple(sum_of_rows))
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_is_removed_is_gone_and_nothing_else(source: str, loaded, ingest) -> None:
    before = contents()
    assert sorted(before) == SOURCES
    printed = ingest("remove", source)
    gone = {source, "viewing"} if source == "anime" else {source}
    assert contents() == {name: rows for name, rows in before.items() if name not in gone}
    lines = query("select source, is_current, revision from raw.load_manifest")
    assert {(name, current, revision) for name, current, revision in lines} == {
        (name, name not in gone, int(name in gone)) for name in SOURCES
    }
    assert [line.split()[0] for line in printed.splitlines() if " rows taken out" in line] == (
        ["shop"] * 3 if source == "shop" else sorted(gone)
    )
    assert ("the viewing log went with the catalogue" in printed) == (source == "anime")
    assert "dbt build" in printed.splitlines()[-1]
    assert not any(line.startswith(f"{source} ") for line in ingest("status").splitlines())


def test_what_goes_is_counted(loaded, ingest) -> None:
    assert ingest("remove", "shop").splitlines()[:3] == [
        "shop (real): 2 rows taken out; they came from a.csv",
        "shop (real): 1 rows taken out, its 1 rejected ones too; they came from b.csv",
        "shop (real): 1 rows taken out; they came from c.csv",
    ]
    assert "rows taken out, its truth too; they came from simulated: users=20" in ingest(
        "remove", "clickstream"
    )


def test_one_file_of_several_can_be_removed(loaded, ingest) -> None:
    before = contents()
    printed = ingest("remove", "shop", "--file", "a.csv")
    assert query("select user_id, _source_file from raw.events where source = 'shop' order by user_id") == [
        ("3", "b.csv"),
        ("4", "c.csv"),
    ]
    assert {**contents(), "shop": None} == {**before, "shop": None}
    # One row of b.csv was in a.csv too, and none of c.csv was anywhere.
    assert [line for line in printed.splitlines() if "stays" in line] == [
        "shop: b.csv stays, but 1 of its rows were there already when it came: if they went now, remove it "
        "too and load it again"
    ]
    assert query("select file_name, is_current, revision from raw.load_manifest where source = 'shop'") == [
        ("a.csv", False, 1),
        ("b.csv", True, 1),
        ("c.csv", True, 1),
    ]


def test_what_a_later_file_held_too_comes_back_with_it(loaded, ingest, write) -> None:
    ingest("remove", "shop", "--file", "a.csv")
    ingest("remove", "shop", "--file", "b.csv")
    ingest("events", write("b.csv", LOGS["b.csv"]), "--source", "shop")
    users = query("select user_id from raw.events where source = 'shop' order by user_id")
    assert users == [("1",), ("3",), ("4",)]


def test_all_loads_of_files_of_a_name_go_and_the_last_takes_the_source_with_it(loaded, ingest, write) -> None:
    ingest("events", write("c.csv", HEADER + "5,2025-01-03 10:00:00,view\n"), "--source", "shop")
    printed = ingest("remove", "shop", "--file", "c.csv")
    assert printed.count("they came from c.csv") == 2
    ingest("remove", "shop", "--file", "b.csv")
    ingest("remove", "shop", "--file", "a.csv")
    assert "shop" not in contents()


def test_a_file_can_be_named_as_status_shows_it(loaded, ingest, write) -> None:
    ingest("events", write("bell\x07.csv", LOGS["c.csv"].replace("4,", "6,")), "--source", "shop")
    assert "they came from bell\\x07.csv" in ingest("remove", "shop", "--file", "bell\\x07.csv")


def test_a_load_of_steam_can_be_removed_alone(loaded, ingest, write) -> None:
    ingest("steam", write("first.csv", "1,Game,play,2.0,0\n"))
    ingest("steam", write("second.csv", "1,Game,play,2.0,0\n2,Game,play,3.0,0\n"))
    assert "second.csv stays" in ingest("remove", "steam", "--file", "first.csv")
    assert query("select user_id, _source_file from raw.steam_behaviors") == [("2", "second.csv")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("shops",), f"nothing is loaded as shops: there is {', '.join(SOURCES)}"),
        (("\udcff",), f"nothing is loaded as \\udcff: there is {', '.join(SOURCES)}"),
        (("shop", "--file", "d.csv"), "shop has no rows of a file d.csv: there is a.csv, b.csv, c.csv"),
    ],
)
def test_what_is_not_loaded_cannot_be_removed(arguments, line, loaded, ingest_fails) -> None:
    before = loaded.read_bytes()
    assert ingest_fails("remove", *arguments) == line
    assert loaded.read_bytes() == before


def test_nothing_is_removed_of_no_warehouse(ingest_fails, warehouse: Path) -> None:
    assert "no warehouse at" in ingest_fails("remove", "steam")
    assert not warehouse.parent.exists()


def test_a_removal_that_is_interrupted_did_not_happen(loaded, monkeypatch) -> None:
    before = contents()
    # The viewing log goes last, after the catalogue.
    monkeypatch.setattr("ingest.landing.viewing.TABLES", ["raw.viewing_events", "raw.no_such_table"])
    with pytest.raises(duckdb.CatalogException):
        main(["remove", "anime"])
    assert contents() == before
    assert query("select count(*) from raw.load_manifest where not is_current") == [(0,)]


def test_fill_puts_a_stand_in_where_a_source_was_removed(loaded, ingest) -> None:
    for source in ("anime", "steam", "shop"):
        ingest("remove", source)
    printed = ingest()
    assert (
        "anime (stand-in)" in printed and "viewing (simulated)" in printed and "steam (stand-in)" in printed
    )
    # The generated log is there still, and no log of the user's own is made up.
    assert "clickstream (simulated): loaded already" in printed and "shop" not in printed


def test_numbers_and_ids_of_loads_are_never_used_twice(loaded, ingest, write) -> None:
    [(number, batch_id)] = query(
        "select load_number, batch_id from raw.load_manifest where file_name = 'c.csv'"
    )
    with open_warehouse() as connection:
        for table in ("raw.events", "raw.load_manifest"):
            connection.execute(f"delete from {table} where source = 'shop'")
    ingest("events", write("c.csv", LOGS["c.csv"]), "--source", "shop")
    [(new_number, new_batch_id, digest)] = query(
        "select load_number, batch_id, sha256 from raw.load_manifest where source = 'shop'"
    )
    assert new_number > number and new_batch_id != batch_id
    assert digest[:12] in batch_id and digest[:12] in new_batch_id
    assert query("select distinct _batch_id from raw.events where source = 'shop'") == [(new_batch_id,)]


def test_a_warehouse_from_before_loads_were_numbered_goes_on(loaded, ingest, write) -> None:
    """As older versions made it: without numbers, revisions and the sequence."""
    columns = [field.name for field in fields(Batch) if field.name not in NEW_COLUMNS]
    with open_warehouse() as connection:
        connection.execute(f"create table old as select {', '.join(columns)} from raw.load_manifest")
        connection.execute("drop table raw.load_manifest")
        connection.execute("drop sequence raw.load_numbers")
        definition = RAW_TABLES.read_text(encoding="utf-8").split("raw.load_manifest (")[1].split(";")[0]
        kept = [line for line in definition.splitlines() if line.strip().split(" ")[0] not in NEW_COLUMNS]
        connection.execute("create table raw.load_manifest (" + "\n".join(kept))
        connection.execute("insert into raw.load_manifest by name select * from old")
        connection.execute("drop table old")
    before = ingest("status")
    ingest("events", write("d.csv", LOGS["c.csv"].replace("4,", "5,")), "--source", "shop")
    lines = query("select file_name, load_number, revision from raw.load_manifest order by loaded_at")
    assert [number for _, number, _ in lines] == [*range(1, len(lines) + 1)]
    assert {revision for *_, revision in lines} == {0} and lines[-1][0] == "d.csv"
    assert len(ingest("status").splitlines()) == len(before.splitlines()) + 1
    ingest("remove", "shop")
    assert query("select distinct revision from raw.load_manifest where source = 'shop'") == [(1,)]
