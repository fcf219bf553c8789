"""Loads: what replaces, what appends, what is counted, and that a load is whole or didn't happen."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ingest_samples import METADATA, anime_entry, json_lines, manifest, query
from test_anime import ODD_TITLES

import ingest.making.viewing as simulator
from ingest.__main__ import main
from ingest.landing.manifest import open_raw, transaction

ROOT = Path(__file__).parents[2]
SMALL_LOG = ("simulate", "--viewers", "30", "--days", "40", "--seed", "7")


def snapshot() -> dict[str, list[tuple]]:
    """Every row of every table that ingest writes."""
    tables = query(
        """
        select schema_name || '.' || table_name from duckdb_tables()
        where schema_name in ('raw', 'truth') order by 1
        """
    )
    return {table: sorted(query(f"select * from {table}"), key=repr) for (table,) in tables}


@pytest.fixture(scope="module")
def master_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a small catalogue, a viewing log on it and one play, made once."""
    folder = tmp_path_factory.mktemp("loaded")
    path = folder / "loaded.duckdb"
    (folder / "a.jsonl").write_text(json_lines(*(anime_entry(number) for number in range(20))))
    (folder / "s.csv").write_text("1,Game,play,2.0,0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        for arguments in (("anime", str(folder / "a.jsonl")), ("steam", str(folder / "s.csv")), SMALL_LOG):
            assert main([*arguments]) == 0
    return path


@pytest.fixture
def loaded(master_warehouse: Path, warehouse: Path) -> None:
    """The test's own copy of the loaded warehouse."""
    warehouse.parent.mkdir()
    shutil.copyfile(master_warehouse, warehouse)


def titles() -> list[str]:
    return [title for (title,) in query("select title from raw.anime order by title")]


def test_a_catalogue_is_loaded_with_its_line_in_the_manifest(ingest, write):
    entries = [anime_entry(1), anime_entry(2), anime_entry(2), anime_entry(3, title=None)]
    path = write("release.jsonl", json_lines(*entries))
    printed = ingest("anime", path)
    assert "anime (real): 4 rows read, 2 loaded, 1 rejected, 1 duplicate" in printed
    assert "python -m ingest status" in printed and "dbt build" in printed
    assert manifest("anime") == [("real", "release.jsonl", 4, 2, 1, 1, True)]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    [(batch_id, found, licence, published_on, seconds, age)] = query(
        """
        select batch_id, sha256, licence, cast(published_on as varchar), load_seconds,
            date_diff('second', loaded_at, cast(now() at time zone 'UTC' as timestamp))
        from raw.load_manifest
        """
    )
    assert (batch_id, found) == (f"anime-{sha256[:12]}-1", sha256)
    assert (licence, published_on) == ("A licence", "2025-12-13")
    assert seconds > 0 and 0 <= age < 60
    assert query("select distinct _batch_id, _source_file from raw.anime") == [(batch_id, "release.jsonl")]
    assert query("select anime_id, _row_number, tags from raw.anime order by 1") == [
        ("myanimelist:1", 2, ["comedy", "drama"]),
        ("myanimelist:2", 3, ["comedy", "drama"]),
    ]


def test_a_reject_is_kept_with_its_place_reason_and_text(ingest, write):
    bad = '{"title": "Odd",  "type": "PODCAST"}'
    ingest("anime", write("release.jsonl", json_lines(anime_entry(), bad)))
    [(batch_id,)] = query("select batch_id from raw.load_manifest")
    assert query("select * from raw.rejects") == [
        (
            batch_id,
            "anime",
            "release.jsonl",
            3,
            "type",
            "type is none of MOVIE, ONA, OVA, SPECIAL, TV, UNKNOWN",
            bad,
        )
    ]


@pytest.mark.parametrize(
    ("source", "name", "content"),
    [("anime", "a.jsonl", json_lines(anime_entry())), ("steam", "s.csv", "1,Game,play,2.0,0\n")],
)
def test_the_file_that_is_loaded_is_not_loaded_again(source, name, content, ingest, write):
    ingest(source, write(name, content))
    before = snapshot()
    assert "is loaded already: nothing to do" in ingest(source, write("copy-" + name, content))
    assert snapshot() == before


def test_another_catalogue_replaces_the_one_there_is_and_the_first_can_come_back(ingest, write):
    first = write("first.jsonl", json_lines(anime_entry(1), anime_entry(2)))
    second = write("second.jsonl", json_lines(anime_entry(2), anime_entry(3), anime_entry(4)))
    ingest("anime", first)
    ingest("anime", second)
    assert titles() == ["Title 2", "Title 3", "Title 4"]
    ingest("anime", first)
    assert titles() == ["Title 1", "Title 2"]
    assert manifest("anime") == [
        ("real", "first.jsonl", 2, 2, 0, 0, False),
        ("real", "second.jsonl", 3, 3, 0, 0, False),
        ("real", "first.jsonl", 2, 2, 0, 0, True),
    ]
    ids = [batch_id for (batch_id,) in query("select batch_id from raw.load_manifest order by load_number")]
    assert [batch_id.rsplit("-", 1)[1] for batch_id in ids] == ["1", "2", "3"]
    assert ids[2].rsplit("-", 1)[0] == ids[0].rsplit("-", 1)[0]
    assert query("select distinct _batch_id from raw.anime") == [(ids[2],)]


def test_a_longer_steam_file_adds_what_is_new(ingest, write):
    twice = "1,Dota 2,play,0.5,0\n"
    once = "1,Dota 2,purchase,1.0,0\n"
    ingest("steam", write("first.csv", twice * 2 + once))
    # Known: the row that is there twice, and the purchase. New: a third of the same, and another player.
    longer = "2,Dota 2,play,0.5,0\n" + twice * 3 + once + "2,Dota 2,play,lots,0\n"
    printed = ingest("steam", write("longer.csv", longer))
    assert "6 rows read, 2 loaded, 1 rejected, 3 duplicate" in printed
    assert manifest("steam") == [
        ("real", "first.csv", 3, 3, 0, 0, True),
        ("real", "longer.csv", 6, 2, 1, 3, True),
    ]
    counted = query("select user_id, behavior, count(*) from raw.steam_behaviors group by all order by all")
    assert counted == [("1", "play", 3), ("1", "purchase", 1), ("2", "play", 1)]
    # The shorter one again: its content is there, under its own hash.
    assert "is loaded already" in ingest("steam", write("first.csv", twice * 2 + once))
    # A shorter one that was never loaded holds nothing new, and that is no failure.
    assert "1 rows read, 0 loaded, 0 rejected, 1 duplicate" in ingest("steam", write("part.csv", once))


@pytest.mark.parametrize("kind", ODD_TITLES)
def test_odd_titles_reach_the_warehouse_unchanged(kind, ingest, write):
    ingest("anime", write("a.jsonl", json_lines(anime_entry(title=ODD_TITLES[kind]))))
    assert titles() == [ODD_TITLES[kind]]


def test_odd_game_titles_reach_the_warehouse_unchanged(ingest, write):
    names = [title for kind, title in ODD_TITLES.items() if kind != "control characters"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    ingest("steam", write("s.csv", "".join(f"1,{name},play,1,0\n" for name in quoted)))
    found = query("select game_title from raw.steam_behaviors order by _row_number")
    assert [name for (name,) in found] == names


def test_fill_loads_a_stand_in_of_each_source_once(ingest):
    printed = ingest()
    assert "anime (stand-in): 2,000 rows read, 2,000 loaded, 0 rejected, 0 duplicate" in printed
    origins = query("select source, origin, licence from raw.load_manifest order by source")
    licence = "MIT (generated by this project)"
    assert origins == [
        ("anime", "stand-in", licence),
        ("clickstream", "simulated", licence),
        ("movielens", "stand-in", licence),
        ("steam", "stand-in", licence),
        ("viewing", "simulated", licence),
    ]
    assert ingest().count("loaded already") == 5
    assert query("select count(*) from raw.load_manifest") == [(5,)]


def test_fill_never_puts_a_stand_in_over_real_rows(loaded, ingest):
    before = snapshot()
    printed = ingest()
    assert "anime (real): loaded already, from a.jsonl" in printed
    assert "steam (real): loaded already, from s.csv" in printed
    assert "viewing (simulated): loaded already, from simulated: viewers=30 days=40 seed=7" in printed
    after = snapshot()
    for table in ("raw.anime", "raw.steam_behaviors", "raw.viewing_events", "truth.viewers"):
        assert after[table] == before[table]


def test_a_real_file_takes_the_place_of_its_stand_in(ingest, write):
    ingest(*SMALL_LOG)  # loads the stand-in catalogue first
    ingest()
    ingest("anime", write("a.jsonl", json_lines(*(anime_entry(number) for number in range(20)))))
    ingest("steam", write("s.csv", "1,Game,play,2.0,0\n"))
    assert query("select count(*) from raw.anime") == [(20,)]
    assert query("select user_id from raw.steam_behaviors") == [("1",)]
    current = query("select source, origin from raw.load_manifest where is_current order by source")
    assert ("anime", "real") in current and ("steam", "real") in current
    assert ("viewing", "simulated") in current


def test_the_viewing_log_is_made_anew_when_its_catalogue_is_replaced(loaded, ingest, write):
    printed = ingest(
        "anime", write("b.jsonl", json_lines(*(anime_entry(number) for number in range(20, 50))))
    )
    assert (
        "the viewing log was made anew, with the same options, because its catalogue was replaced" in printed
    )
    assert "viewing (simulated):" in printed
    first, second = query(
        """
        select file_name, options, is_current, rows_loaded from raw.load_manifest
        where source = 'viewing' order by loaded_at
        """
    )
    assert first[:3] == (
        "simulated: viewers=30 days=40 seed=7 start_date=2025-01-01",
        '{"viewers": 30, "days": 40, "seed": 7, "start_date": "2025-01-01"}',
        False,
    )
    assert second[:3] == (*first[:2], True)
    assert query("select count(*), count(distinct _batch_id) from raw.viewing_events") == [(second[3], 1)]
    strangers = "select count(*) from raw.viewing_events anti join raw.anime using (anime_id)"
    assert query(strangers) == [(0,)]
    assert query("select count(*) from truth.titles anti join raw.anime using (anime_id)") == [(0,)]
    assert query(
        "select count(*) from truth.episode_choices anti join raw.viewing_events using (event_id)"
    ) == [(0,)]
    assert query("select count(*) from raw.viewing_viewers union all select count(*) from truth.viewers") == [
        (30,),
        (30,),
    ]


def test_the_same_simulation_is_not_made_twice_and_another_replaces_it(loaded, ingest):
    before = snapshot()
    assert "the viewing log of these options is loaded already" in ingest(*SMALL_LOG)
    assert snapshot() == before
    ingest(*SMALL_LOG[:-1], "8")
    assert [load[-1] for load in manifest("viewing")] == [False, True]
    ingest(*SMALL_LOG)
    again = snapshot()
    for table in ("truth.viewers", "truth.episode_choices", "truth.titles", "truth.effects"):
        assert again[table] == before[table]
    for table in ("raw.viewing_events", "raw.viewing_viewers"):
        assert [row[:3] for row in again[table]] == [row[:3] for row in before[table]]


def test_another_simulator_makes_the_log_anew(loaded, ingest, monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text("changed = true")
    monkeypatch.setattr(simulator, "__file__", str(tmp_path / "__init__.py"))
    assert "viewing (simulated)" in ingest(*SMALL_LOG)


def test_too_many_rejects_fail_the_load_only_when_told(ingest, ingest_fails, write, warehouse):
    good, bad = "1,Game,play,2.0,0\n", "1,Game,play,lots,0\n"
    path = write("s.csv", good * 3 + bad + "1,Game\n")
    problem = ingest_fails("steam", path, "--max-rejects", "0.39")
    assert problem == (
        f"{path}: 2 of 5 rows can't be loaded (40.0%; 1 x the value is not a number, first in row 4), "
        "more than --max-rejects 0.39: mend the file or allow more"
    )
    assert not warehouse.exists()
    ingest("steam", path, "--max-rejects", "0.4")
    assert manifest("steam") == [("real", "s.csv", 5, 3, 2, 0, True)]


def test_a_file_of_which_no_row_can_be_loaded_is_a_failure(ingest_fails, write, warehouse):
    path = write("s.csv", "1,Game,play,lots,0\n" * 3)
    assert ingest_fails("steam", path) == (
        f"{path}: none of its 3 rows can be loaded (3 x the value is not a number, first in row 1): "
        "check the file"
    )
    assert not warehouse.exists()


BAD_FILES = {
    "missing": ("anime", None),
    "empty": ("anime", b""),
    "truncated": ("anime", b"\x28\xb5\x2f\xfd\x04"),
    "not UTF-8": ("steam", b"1,Caf\xe9,play,1,0\n"),
    "ends early": ("anime", b'{"data": [{"title": "A'),
    "unusable": ("anime", json_lines(anime_entry(type="PODCAST")).encode()),
    "no catalogue to watch": ("anime", json_lines(anime_entry(status="UPCOMING", episodes=0)).encode()),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_changes_nothing(kind, loaded, ingest_fails, write, tmp_path):
    before = snapshot()
    source, content = BAD_FILES[kind]
    ingest_fails(source, write("bad", content) if content is not None else tmp_path / "nowhere")
    assert snapshot() == before


KILLED = """
import os, signal, sys
import ingest.landing.deliveries, ingest.landing.viewing
from ingest.__main__ import main

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

{target} = die
main(sys.argv[1:])
"""


@pytest.mark.parametrize("target", ["ingest.landing.deliveries.record", "ingest.landing.viewing.record"])
def test_a_load_that_is_killed_did_not_happen(target, loaded, ingest, write):
    before = snapshot()
    path = write("b.jsonl", json_lines(*(anime_entry(number) for number in range(20, 60))))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(target=target), "anime", path], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert snapshot() == before
    ingest("steam", write("s2.csv", "2,Game,play,2.0,0\n"))
    assert [load[-1] for load in manifest("steam")] == [True, True]


PAUSED = """
import sys
import ingest.landing.deliveries
from ingest.__main__ import main

record = ingest.landing.deliveries.record

def pause(*arguments):
    print("inserted", flush=True)
    sys.stdin.readline()
    record(*arguments)

ingest.landing.deliveries.record = pause
sys.exit(main(sys.argv[1:]))
"""


def test_the_second_of_two_loads_says_who_holds_the_warehouse(ingest_fails, write, warehouse):
    path = write("s.csv", "1,Game,play,2.0,0\n")
    first = subprocess.Popen(
        [sys.executable, "-c", PAUSED, "steam", path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "inserted\n"
    problem = ingest_fails("anime", write("a.jsonl", json_lines(anime_entry())))
    assert str(warehouse) in problem and f"(PID {first.pid})" in problem and "wait for it to end" in problem
    first.communicate("go on\n")
    assert first.returncode == 0
    assert manifest("steam") == [("real", "s.csv", 1, 1, 0, 0, True)]
    assert query("select count(*) from raw.anime") == [(0,)]


def test_a_file_name_that_is_no_text_is_stored_as_text(ingest, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("1,Game,play,2.0,0\n")
    ingest("steam", path)
    assert manifest("steam")[0][1] == "caf\ufffd.csv"


def test_a_metadata_line_without_licence_leaves_the_sources_own(ingest, write):
    metadata = {key: value for key, value in METADATA.items() if key != "license"}
    ingest("anime", write("a.jsonl", json_lines(anime_entry(), metadata=metadata)))
    assert query("select licence from raw.load_manifest") == [("not told by the file",)]


def test_an_interrupted_transaction_leaves_nothing(warehouse):
    with open_raw() as connection, pytest.raises(KeyboardInterrupt), transaction(connection):
        connection.execute("insert into raw.rejects values ('b', 's', 'f', 1, null, 'r', null)")
        raise KeyboardInterrupt
    assert query("select count(*) from raw.rejects") == [(0,)]


def test_very_many_rejects_are_all_kept(ingest, write):
    rows = "".join(f"{user},Dota 2,sold,1.0,0\n" for user in range(200_000))
    ingest("steam", write("s.csv", "1,Dota 2,play,1.0,0\n" + rows))
    assert manifest("steam")[0][2:6] == (200_001, 1, 200_000, 0)
    found = "select count(*), count(distinct row_number) from raw.rejects where source = 'steam'"
    assert query(f"{found} and batch_id like 'steam-%' and file_name = 's.csv'") == [(200_000, 200_000)]


def test_the_real_files_are_loaded_whole(ingest, shared_data):
    started = time.process_time()
    ingest("anime", shared_data / "anime-offline-database.jsonl.zst")
    assert time.process_time() - started < 5
    ingest("steam", shared_data / "steam-200k.csv")
    assert time.process_time() - started < 10
    assert [load[2:] for load in manifest("anime")] == [(39_277, 39_277, 0, 0, True)]
    assert [load[2:] for load in manifest("steam")] == [(200_000, 200_000, 0, 0, True)]
    assert query(
        """
        select
            count(*) filter (behavior = 'purchase'), count(*) filter (behavior = 'play'),
            count(distinct user_id), count(distinct game_title), count(distinct event_id)
        from raw.steam_behaviors
        """
    ) == [(129_511, 70_489, 12_393, 5_155, 200_000)]
