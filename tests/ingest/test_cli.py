"""The command line: codes, one line for what the user can mend, and what status shows."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow
import pytest
from ingest_samples import anime_entry, json_lines

from common.errors import UserError, run_command, terminal_safe
from common.warehouse import open_warehouse
from ingest.__main__ import main
from ingest.landing.manifest import open_raw

ROOT = Path(__file__).parents[2]
HEADINGS = ["source", "origin", "file", "read", "loaded", "rejected", "duplicate", "loaded", "at"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["podcasts"],
        ["anime"],
        ["anime", "a", "b"],
        ["steam", "a", "--max-rejects", "1.5"],
        ["steam", "a", "--max-rejects", "few"],
        ["steam", "a", "--max-rejects", "nan"],
        ["simulate", "--viewers", "many"],
        ["simulate", "--start-date", "2025-02-30"],
        ["status", "--all"],
    ],
)
def test_wrong_arguments_end_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["anime", "--help"], ["simulate", "--help"]])
def test_help_is_no_error(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert "usage: python -m ingest" in capsys.readouterr().out


def test_a_simulation_that_cannot_be_made_is_one_line(ingest_fails, warehouse):
    assert "0 viewers" in ingest_fails("simulate", "--viewers", "0")


def test_status_without_a_warehouse_is_one_line(ingest_fails, warehouse):
    assert ingest_fails("status") == (
        f"no warehouse at {warehouse}: run `python -m ingest` first, or set WAREHOUSE_PATH"
    )
    assert not warehouse.exists()


def test_a_file_that_is_no_warehouse_is_one_line(ingest_fails, warehouse):
    warehouse.parent.mkdir()
    warehouse.write_text("not a database")
    assert "can't be opened as a warehouse" in ingest_fails("simulate")
    assert "can't be opened as a warehouse" in ingest_fails()
    assert warehouse.read_text() == "not a database"


def test_a_full_disk_is_one_line(warehouse):
    with (
        pytest.raises(UserError, match=r"No space left on device.*: nothing was kept of this step"),
        open_warehouse(),
    ):
        raise duckdb.IOException("IO Error: Could not write file: No space left on device\nmore")


def test_status_shows_what_is_loaded_and_rejects_by_reason(ingest, write):
    bad_lines = "1,Game\n1,Game,play\n1,Game,play,lots,0\n"
    ingest("steam", write("steam-200k.csv", "1,Game,play,2.0,0\n2,Game,play,2.0,0\n" + bad_lines))
    ingest("anime", write("release.jsonl", json_lines(anime_entry())))
    lines = ingest("status").splitlines()
    assert lines[1].split() == HEADINGS
    assert lines[3].split()[:7] == ["anime", "real", "release.jsonl", "1", "1", "0", "0"]
    assert lines[4].split()[:7] == ["steam", "real", "steam-200k.csv", "5", "2", "3", "0"]
    assert lines[4].endswith("UTC")
    assert [" ".join(line.split()) for line in lines[-2:]] == [
        "steam steam-200k.csv - too few columns: 5 are needed 2 3",
        "steam steam-200k.csv value the value is not a number 1 5",
    ]


def test_status_of_an_empty_warehouse_tells_what_to_do(ingest, warehouse):
    with open_raw():
        pass
    assert "nothing is loaded: run `python -m ingest`" in ingest("status")


def test_status_of_another_database_tells_what_to_do(ingest_fails, warehouse):
    warehouse.parent.mkdir()
    duckdb.connect(str(warehouse)).close()
    assert ingest_fails("status") == (
        "this database is no warehouse yet: run `python -m ingest`, or set WAREHOUSE_PATH"
    )


def test_text_from_outside_can_not_steer_the_terminal(ingest, write):
    name = "evil\x1b[2J\nname\u202e.csv"
    printed = ingest("steam", write(name, "1,Game,play,2.0,0\n")) + ingest("status")
    assert printed.count("evil\\x1b[2J\\nname\\u202e.csv") == 2
    assert "\x1b" not in printed and "\u202e" not in printed
    assert terminal_safe("plain, ünïcödé, שלום, 漢字, 🎌") == "plain, ünïcödé, שלום, 漢字, 🎌"


def test_an_error_is_one_line_whatever_it_names(capsys):
    def fail() -> None:
        raise UserError("a\nb\rc\x1b]0;title\x07")

    assert run_command(fail) == 2
    assert capsys.readouterr().err == "error: a\\nb\\rc\\x1b]0;title\\x07\n"


def test_a_long_error_keeps_its_place_and_what_to_do(capsys):
    def fail() -> None:
        raise UserError("a file: " + "\x1b" * 9_000 + ": do this")

    assert run_command(fail) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: a file: \\x1b") and told.endswith(": do this\n") and len(told) < 520


@pytest.mark.parametrize("error", [MemoryError, pyarrow.ArrowMemoryError])
def test_memory_that_runs_out_is_one_line(error, capsys):
    def fail() -> None:
        raise error

    assert run_command(fail) == 2
    assert capsys.readouterr().err.startswith("error: memory ran out: nothing was kept of the step in hand")


def test_being_stopped_is_no_traceback(capsys):
    def stop() -> None:
        raise KeyboardInterrupt

    assert run_command(stop) == 130
    assert "nothing was kept of the step in hand" in capsys.readouterr().err


def test_the_module_runs_as_a_command(warehouse, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "ingest", "anime", tmp_path / "nowhere.jsonl"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"error: {tmp_path / 'nowhere.jsonl'}: no such file: check the path\n"


def test_a_warehouse_named_like_a_schema_is_refused(ingest_fails, tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "marts.duckdb"))
    assert "can't be called marts" in ingest_fails("simulate")


def test_output_that_nobody_reads_on_is_no_failure(warehouse):
    reader = subprocess.Popen(
        [sys.executable, "-m", "ingest"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    reader.stdout.close()
    assert (reader.stderr.read(), reader.wait()) == ("", 0)
