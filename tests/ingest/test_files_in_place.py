"""Registering logs that are read where they lie: what is written of them, and what is refused in one line."""

import gzip
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pyarrow
import pytest
from event_samples import FLAGS, ROWS, as_csv, as_jsonl, as_parquet, counts
from ingest_samples import manifest, query
from pyarrow import parquet

from ingest.landing import in_place
from ingest.landing.manifest import Batch

IN_PLACE = ("--in-place", *FLAGS)
START = datetime(2024, 3, 1, tzinfo=UTC)


def rows(first: int, last: int) -> list[dict]:
    return [{"who": f"u{i}", "what": "open", "when": START + timedelta(hours=i)} for i in range(first, last)]


@pytest.fixture
def files(write) -> list[Path]:
    """Events 0 to 4, 3 to 7 and 10 to 11; the last row of the first has no user."""
    bad = {**rows(9, 10)[0], "who": None}
    parts = [[*rows(0, 5), bad], rows(3, 8), rows(10, 12)]
    return [write(f"{number}.parquet", as_parquet(part)) for number, part in enumerate(parts, start=1)]


def registry() -> list[tuple]:
    return query("select has_repeats, is_shared from raw.files_in_place order by path")


def test_files_are_loads_of_which_nothing_is_copied(ingest, files) -> None:
    printed = ingest("events", *files, *IN_PLACE)
    assert "2.parquet: 2 of its events were held already" in printed
    assert counts() == [(6, 5, 1, 0), (5, 3, 0, 2), (2, 2, 0, 0)]
    assert registry() == [(False, True), (False, True), (False, False)]
    assert query("select count(*) from raw.events") == query("select count(*) from raw.rejects") == [(0,)]
    assert query("select column_name, reason, rows_count, first_row_number from raw.rejects_in_place") == [
        ("who", "the user is missing", 1, 6)
    ]


def test_files_registered_one_by_one_are_counted_as_at_once(ingest, files) -> None:
    for file in files:
        ingest("events", file, *IN_PLACE)
    assert counts() == [(6, 5, 1, 0), (5, 3, 0, 2), (2, 2, 0, 0)]
    assert registry() == [(False, True), (False, True), (False, False)]


def test_the_same_files_again_are_a_no_op(ingest, files, tmp_path) -> None:
    ingest("events", *files, *IN_PLACE)
    (tmp_path / "link.parquet").symlink_to(files[0])
    before = query("from raw.load_manifest"), query("from raw.files_in_place")
    assert "3 of 3 files loaded already" in ingest("events", *files, *IN_PLACE)
    assert "1 of 1 files loaded already" in ingest("events", tmp_path / "link.parquet", *IN_PLACE)
    assert (query("from raw.load_manifest"), query("from raw.files_in_place")) == before


def test_rows_alike_are_as_many_events_as_the_file_with_most_of_them(ingest, write) -> None:
    parts = [rows(0, 1) * 2, rows(0, 1) * 3, rows(0, 1)]
    files = [write(f"{number}.parquet", as_parquet(part)) for number, part in enumerate(parts)]
    ingest("events", *files, *IN_PLACE)
    assert counts() == [(2, 2, 0, 0), (3, 1, 0, 2), (1, 0, 0, 1)]
    assert registry() == [(True, True), (True, True), (False, True)]


def test_what_is_removed_leaves_its_shared_events_to_the_others(ingest, files) -> None:
    ingest("events", *files, *IN_PLACE)
    printed = ingest("remove", "events", "--file", "1.parquet")
    assert "5 rows taken out, its 1 rejected ones too" in printed and "stays" not in printed
    assert [(*row[2:6], row[6]) for row in manifest("events")] == [
        (6, 5, 1, 0, False),
        (5, 5, 0, 0, True),
        (2, 2, 0, 0, True),
    ]
    assert registry() == [(False, False), (False, False)]
    assert query("from raw.rejects_in_place") == []
    ingest("remove", "events")
    assert registry() == []


def test_replace_reads_a_changed_file_anew(ingest, ingest_fails, files, write) -> None:
    ingest("events", *files, *IN_PLACE)
    write("2.parquet", as_parquet(rows(4, 9)))
    assert "2.parquet has changed since it was registered as events: --replace" in ingest_fails(
        "events", *files, *IN_PLACE
    )
    assert "2.parquet has changed since it was registered: `python" in ingest("status")
    assert "3 rows taken out of 2.parquet" in ingest("events", files[1], *IN_PLACE, "--replace")
    current = [row for row in manifest("events") if row[6]]
    assert [row[1:6] for row in current] == [
        ("1.parquet", 6, 5, 1, 0),
        ("3.parquet", 2, 2, 0, 0),
        ("2.parquet", 5, 4, 0, 1),
    ]
    assert "has changed" not in ingest("status")


def test_a_file_that_was_written_again_counts_as_changed(ingest, ingest_fails, write) -> None:
    content = as_parquet(rows(0, 3))
    file = write("a.parquet", content)
    ingest("events", file, *IN_PLACE)
    write("a.parquet", content)
    assert "has changed since" in ingest_fails("events", file, *IN_PLACE)


def test_a_source_is_copied_or_in_place(ingest, ingest_fails, files) -> None:
    ingest("events", files[0], *FLAGS)
    assert "events was loaded by copy, and a source is either that" in ingest_fails(
        "events", files[1], *IN_PLACE
    )
    ingest("events", files[0], *IN_PLACE, "--source", "other")
    assert "other is read in place, and a source is either that or copied" in ingest_fails(
        "events", files[1], *FLAGS, "--source", "other"
    )


def test_other_options_for_a_registered_file_are_refused(ingest, ingest_fails, files) -> None:
    ingest("events", files[0], *IN_PLACE)
    line = ingest_fails("events", files[0], *IN_PLACE, "--every-row")
    assert "is registered as events already, read in another way: --replace" in line


def test_a_log_in_place_is_an_event_log(ingest, files) -> None:
    ingest("events", files[0], *IN_PLACE)
    assert "clickstream" not in ingest()


def test_status_tells_rejects_by_reason(ingest, files) -> None:
    ingest("events", *files, *IN_PLACE)
    assert "events  1.parquet  who     the user is missing     1             6" in ingest("status")


def test_more_rejects_than_allowed_leave_nothing(ingest_fails, files) -> None:
    line = ingest_fails("events", files[2], *files, *IN_PLACE, "--max-rejects", "0.1")
    assert "1 of 6 rows can't be loaded" in line and "more than --max-rejects 0.1" in line
    assert registry() == query("from raw.load_manifest") == query("from raw.rejects_in_place") == []


def test_what_is_stopped_leaves_the_warehouse_as_it_was(ingest, files, monkeypatch) -> None:
    ingest("events", files[0], *IN_PLACE)
    before = (
        query("from raw.load_manifest"),
        query("from raw.files_in_place"),
        query("from raw.rejects_in_place"),
    )
    recorded: list[Batch] = []

    def stop_at_the_second(_: object, batch: Batch) -> None:
        recorded.append(batch)
        if len(recorded) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(in_place, "record", stop_at_the_second)
    with pytest.raises(AssertionError):
        ingest("events", *files, *IN_PLACE)
    assert len(recorded) == 2
    assert before == (
        query("from raw.load_manifest"),
        query("from raw.files_in_place"),
        query("from raw.rejects_in_place"),
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", as_csv(ROWS)), ("a.jsonl", as_jsonl(ROWS)), ("a.parquet.gz", None)],
)
def test_only_plain_parquet_is_read_in_place(ingest_fails, write, name: str, content: bytes | None) -> None:
    file = write(name, content or gzip.compress(as_parquet(ROWS)))
    assert "is no plain Parquet file" in (line := ingest_fails("events", file, *IN_PLACE))
    assert "load it by copy, without --in-place" in line


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a,b.parquet", "a{b}.parquet"])
def test_a_path_that_some_engine_takes_for_a_pattern_is_refused(ingest_fails, write, name: str) -> None:
    assert "is a pattern to some engines" in ingest_fails("events", write(name, as_parquet(ROWS)), *IN_PLACE)


def test_a_missing_column_is_told_with_those_there_are(ingest_fails, files) -> None:
    line = ingest_fails("events", files[0], "--in-place", "--user", "whom", "--event", "what", "--at", "when")
    assert line.endswith("has no column whom (it has who, what, when): name another by --user")


def test_files_of_one_registration_have_the_same_columns(ingest, ingest_fails, files, write) -> None:
    other = write("other.parquet", as_parquet([{**row, "plan": "pro"} for row in rows(20, 21)]))
    line = ingest_fails("events", files[0], other, *IN_PLACE)
    assert "other.parquet: its columns or their types are not those of" in line
    ingest("events", files[0], *IN_PLACE)
    ingest("events", other, *IN_PLACE)
    assert len(set(query("select mapping_id from raw.files_in_place"))) == 2


def test_a_file_without_rows_is_refused(ingest_fails, write) -> None:
    table = pyarrow.Table.from_pylist(rows(0, 1)).slice(1)
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink)
    assert "has columns, but no rows" in ingest_fails(
        "events", write("none.parquet", sink.getvalue().to_pybytes()), *IN_PLACE
    )


SECONDS = [1_700_000_000, 1_700_000_060]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            {"when": pyarrow.array(SECONDS, pyarrow.timestamp("ns"))},
            "Spark can't read a column of timestamp[ns] (when)",
        ),
        ({"n": pyarrow.array([time(1), time(2)])}, "Spark can't read a column of time64[us] (n)"),
        (
            {"n": pyarrow.array([1, 2]).cast(pyarrow.decimal256(50))},
            "Spark can't read a column of decimal256(50, 0)",
        ),
        ({"who": [True, False]}, "--user who is of bool, which not every engine reads alike as an id"),
        ({"who": [[1], [2]]}, "--user who is of list<"),
        ({"who": [1.5, 2.0]}, "1 x an id in who is no whole number, first in row 1"),
        ({"when": ["Jan 5, 2024", "2024-01-05"]}, "1 x the time is written like aaa 9, 9999, first in row 1"),
        ({"when": ["2024-01-05 10:00 PM", "2024-01-05"]}, "1 x the time is written like 9999-99-99 99:99 aa"),
        ({"when": ["2024-01-05 24:00:00", "2024-01-05"]}, "1 x the time is written like 9999-99-99 99:99:99"),
        (
            {"more": [{"a": 1}, None]},
            "not every engine writes more alike as JSON: name the properties to keep by",
        ),
        ({"more": ['{"a": 1', None]}, "1 x more is JSON that is damaged, first in row 1"),
        ({"more": [None, '{"a": 1.50}']}, "1 x more has numbers as 1.00 or 1e5 in its JSON, first in row 2"),
        ({"Who": ["a", "b"]}, "who, Who are one column to some engines"),
        ({"_metadata": ["a", "b"]}, "some engines have a column _metadata of their own"),
    ],
)
def test_what_engines_read_in_several_ways_is_refused(ingest_fails, write, columns: dict, line: str) -> None:
    table = {"who": ["a", "b"], "what": ["open", "buy"], "when": pyarrow.array(SECONDS), **columns}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(table), sink)
    told = ingest_fails("events", write("a.parquet", sink.getvalue().to_pybytes()), *IN_PLACE)
    assert line in told and "load it by copy, without --in-place" in told


def test_columns_that_engines_write_in_several_ways_may_be_left_out(ingest, write) -> None:
    file = write("a.parquet", as_parquet([{**row, "more": {"a": 1}, "plan": "pro"} for row in rows(0, 2)]))
    ingest("events", file, *IN_PLACE, "--properties", "plan")
    assert counts() == [(2, 2, 0, 0)]
