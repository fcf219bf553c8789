"""Event logs of the user's own: every layout and kind of file, times, ids, and what can't be loaded."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_samples import manifest, query
from pyarrow import parquet

from ingest.__main__ import main
from ingest.reading.event_logs.statements import TIMES

# The layout of small clickstream tools, as they write it; three of the dozen rows can't be used.
DOZEN = """\
user_id,session_id,timestamp,event_type,metadata
u1,s1,2024-03-01T10:00:00Z,page_view,"{""page"": ""home"", ""device"": ""phone""}"
u1,s1,2024-03-01T10:00:30.250Z,search,"{""query"": ""tea, green"", ""device"": ""phone""}"
u1,s1,2024-03-01T10:01:00Z,add_to_cart,"{""item"": 3}"
u1,s1,2024-03-01T10:02:00Z,purchase,{}
u2,s2,2024-03-01T23:59:59Z,page_view,
u2,s2,2024-03-02T00:00:01Z,page_view,"{""page"": ""home""}"
u2,s2,2024-03-02T00:00:01Z,page_view,"{""page"": ""home""}"
u3,s3,2024-03-02T08:00:00Z,page_view,no object
u3,s4,2024-03-03T08:00:00Z,signup_complete,"[1, 2]"
,s5,2024-03-03T08:00:01Z,page_view,{}
u4,s6,soon,page_view,{}
u4,s6,2024-03-03T09:00:00Z,,{}
"""
FLAGS = ("--user", "who", "--event", "what", "--at", "when")


def events(
    source: str = "events", columns: str = "user_id, event_name, occurred_at, properties"
) -> list[tuple]:
    return query(f"select {columns} from raw.events where source = '{source}' order by _row_number")


def rejects(source: str = "events") -> list[tuple]:
    return query(
        f"select row_number, column_name, reason from raw.rejects where source = '{source}' order by 1"
    )


def counts(source: str = "events") -> list[tuple]:
    """Rows read, loaded, rejected and duplicate, of each load in turn."""
    return [row[2:6] for row in manifest(source)]


def test_the_layout_of_small_tools_loads_without_a_flag(ingest, write):
    assert "12 rows read, 9 loaded, 3 rejected, 0 duplicate" in ingest("events", write("small.csv", DOZEN))
    second = datetime(2024, 3, 1, 10, 0, 30, 250_000)
    found = events(columns="user_id, session_id, event_name, occurred_at, properties")
    assert found[1] == ("u1", "s1", "search", second, '{"query":"tea, green","device":"phone"}')
    assert [row[4] for row in found[3:5]] == ["{}", None]
    assert [json.loads(row[4]) for row in found[7:]] == [{"metadata": "no object"}, {"metadata": "[1, 2]"}]
    assert rejects() == [
        (11, "user_id", "the user is missing"),
        (12, "timestamp", "the time can't be read, written like aaaa"),
        (13, "event_type", "the event's name is missing"),
    ]
    assert counts() == [(12, 9, 3, 0)]


def test_rejects_keep_the_row_as_delivered(ingest, write):
    ingest("events", write("small.csv", DOZEN))
    assert query("select raw_text, file_name from raw.rejects where row_number = 12") == [
        ("u4,s6,soon,page_view,{}", "small.csv")
    ]


ROWS = [
    {"who": "a", "what": "open", "when": "2024-03-01T10:00:00Z", "plan": "pro", "n": 3},
    {"who": "b", "what": "buy", "when": "2024-03-01T11:00:00Z", "plan": "free", "n": 4},
]


def as_jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_parquet(rows: list[dict]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


KINDS = {
    "csv": as_csv(ROWS),
    "semicolons": as_csv(ROWS).replace(b",", b";"),
    "jsonl": as_jsonl(ROWS),
    "parquet": as_parquet(ROWS),
    "csv, gzip": gzip.compress(as_csv(ROWS)),
    "jsonl, zstd": zstandard.compress(as_jsonl(ROWS)),
    "csv, byte-order mark": b"\xef\xbb\xbf" + as_csv(ROWS),
}


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.txt"])
def test_the_content_tells_what_a_file_is_whatever_its_name(name, content, ingest, write):
    ingest("events", write(name, content), *FLAGS)
    found = [(*row[:3], json.loads(row[3])) for row in events()]
    assert [row[:3] for row in found] == [
        ("a", "open", datetime(2024, 3, 1, 10)),
        ("b", "buy", datetime(2024, 3, 1, 11)),
    ]
    # CSV knows text only.
    assert [(row[3]["plan"], int(row[3]["n"]), len(row[3])) for row in found] == [
        ("pro", 3, 2),
        ("free", 4, 2),
    ]


def test_every_column_has_its_flag(ingest, write):
    row = {
        "id": "e1",
        "visit": "v1",
        "thing": "t1",
        "who": "a",
        "what": "open",
        "when": 1_709_287_200,
        "x": 1,
        "y": 2,
    }
    more = ("--event-id", "id", "--session", "visit", "--item", "thing", "--properties", "y,who")
    ingest("events", write("log.jsonl", as_jsonl([row])), *FLAGS, *more, "--source", "shop")
    assert events("shop", "event_id, session_id, item_id, properties") == [
        ("e1", "v1", "t1", '{"y":2,"who":"a"}')
    ]


def test_json_keys_met_late_and_nested_values_are_kept(ingest, write):
    rows = [{"who": "a", "what": "w", "when": "2024-03-01", "p": {"x": [1, None]}, "q": 1}] * 1_000
    late = {"who": "a", "what": "w", "when": "2024-03-02", "late": True}
    ingest("events", write("log.jsonl", as_jsonl([*rows, late])), *FLAGS)
    found = events()
    assert json.loads(found[0][3]) == {"p": {"x": [1, None]}, "q": 1}
    assert json.loads(found[-1][3]) == {"late": True}


def test_parquet_times_have_types(ingest, write):
    at = datetime(2024, 7, 1, 10, tzinfo=UTC)
    table = pyarrow.table(
        {
            "who": ["a"],
            "what": ["open"],
            "zoned": pyarrow.array([at], pyarrow.timestamp("us", "America/New_York")),
            "bare": pyarrow.array([at.replace(tzinfo=None)], pyarrow.timestamp("ns")),
            "seconds": pyarrow.array([at.timestamp()], pyarrow.float64()),
            "milliseconds": pyarrow.array([int(at.timestamp() * 1_000)], pyarrow.int64()),
            "day": pyarrow.array([at.date()], pyarrow.date32()),
        }
    )
    path = write("log.parquet", b"")
    parquet.write_table(table, path)
    wanted = at.replace(tzinfo=None)
    for column in ("zoned", "bare", "seconds", "milliseconds"):
        ingest("events", path, "--source", column, "--user", "who", "--event", "what", "--at", column)
        assert events(column, "occurred_at") == [(wanted,)], column
    ingest("events", path, "--source", "day", "--user", "who", "--event", "what", "--at", "day")
    assert events("day", "occurred_at") == [(datetime(2024, 7, 1),)]


NOON = datetime(2024, 2, 29, 12)
# Text, date order, time zone: what it is in UTC, or None.
TIME_CASES = [
    ("2024-02-29T12:00:00Z", None, "UTC", NOON),
    ("2024-02-29 12:00:00", None, "UTC", NOON),
    ("2024-02-29 12:00", None, "UTC", NOON),
    ("2024/02/29 12:00:00", None, "UTC", NOON),
    ("2024-02-29T14:00:00+02:00", None, "UTC", NOON),
    ("2024-02-29T14:00:00+02:00", None, "Asia/Tokyo", NOON),
    ("2024-02-29T17:30:00+0530", None, "UTC", NOON),
    ("2024-02-29 08:30:00-03:30", None, "UTC", NOON),
    ("2024-02-29 14:00+02", None, "UTC", NOON),
    ("2024-02-29 12:00:00 UTC", None, "Asia/Tokyo", NOON),
    ("2024-02-29 12:00:00.123456", None, "UTC", NOON + timedelta(microseconds=123_456)),
    ("2024-02-29 12:00:00,5", None, "UTC", NOON + timedelta(milliseconds=500)),
    ("2024-02-29", None, "UTC", datetime(2024, 2, 29)),
    ("1709208000", None, "Asia/Tokyo", NOON),
    ("1709208000.5", None, "UTC", NOON + timedelta(milliseconds=500)),
    ("1709208000250", None, "UTC", NOON + timedelta(milliseconds=250)),
    ("1709208000000001", None, "UTC", NOON + timedelta(microseconds=1)),
    ("29/02/2024 12:00", "day-first", "UTC", NOON),
    ("29.02.2024 12:00:00", "day-first", "UTC", NOON),
    ("2/29/2024 12:00 PM", "month-first", "UTC", NOON),
    ("2/29/2024, 12:00:00 am", "month-first", "UTC", datetime(2024, 2, 29)),
    ("03/04/2024", "day-first", "UTC", datetime(2024, 4, 3)),
    ("03/04/2024", "month-first", "UTC", datetime(2024, 3, 4)),
    ("03/04/2024", None, "UTC", None),
    ("29/02/2024", "month-first", "UTC", None),
    # Berlin: winter, summer, an hour that the clock skips (an hour later), one it shows twice (the later).
    ("2024-02-29 13:00", None, "Europe/Berlin", NOON),
    ("2024-07-01 14:00", None, "Europe/Berlin", datetime(2024, 7, 1, 12)),
    ("2024-03-31 02:30", None, "Europe/Berlin", datetime(2024, 3, 31, 1, 30)),
    ("2024-10-27 02:30", None, "Europe/Berlin", datetime(2024, 10, 27, 1, 30)),
    ("2023-02-29", None, "UTC", None),
    ("2024-13-01", None, "UTC", None),
    ("2024-02-29 25:00", None, "UTC", None),
    ("2024-02-29 12:00:61", None, "UTC", None),
    ("24-02-29", None, "UTC", None),
    ("86400", None, "UTC", None),
    ("infinity", None, "UTC", None),
    ("2024-02-29T12:00:00Z or so", None, "UTC", None),
    ("2024-02-29T12:00:00+25:00", None, "UTC", None),
    ("2024-02-29T12:00:00+01:99", None, "UTC", None),
]


@pytest.fixture(scope="module")
def times() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(TIMES)
    return connection


@pytest.mark.parametrize(("text", "date_order", "time_zone", "wanted"), TIME_CASES)
def test_times_in_every_layout(text, date_order, time_zone, wanted, times):
    found = times.execute("select utc_time($1, $2, $3)", [text, date_order, time_zone]).fetchone()
    assert found == (wanted,)


@given(
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_an_offset_is_taken_off_as_python_does(at, minutes, times):
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = f"{at.isoformat()}{offset}"
    wanted = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    assert times.execute("select utc_time($1, null, 'UTC')", [text]).fetchone() == (wanted,)


def test_a_date_that_can_be_either_is_never_guessed(ingest, ingest_fails, write):
    rows = [{"who": "a", "what": "open", "when": f"{day:02}/03/2024"} for day in range(1, 32)]
    path = write("log.jsonl", as_jsonl(rows))
    reason = "the time can be day first or month first: say which by --day-first or --month-first"
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path}: none of its 31 rows can be loaded (31 x {reason}, first in row 1): check the file"
    )
    ingest("events", path, *FLAGS, "--day-first")
    assert counts() == [(31, 31, 0, 0)]


def test_times_out_of_range_are_rejected(ingest, write):
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    late = tomorrow + timedelta(days=2)
    stamps = ["1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", tomorrow.isoformat(), late.isoformat()]
    ingest(
        "events", write("l.jsonl", as_jsonl([{"who": 1, "what": "w", "when": at} for at in stamps])), *FLAGS
    )
    assert counts() == [(4, 2, 2, 0)]
    assert [(row, reason) for row, _, reason in rejects()] == [
        (1, "the time is before 1990"),
        (4, "the time is in the future"),
    ]


def test_unreadable_times_are_counted_by_layout(ingest, write):
    stamps = ["2024-03-01", "1 Mar 2024", "2 Apr 2024", "12:30", None]
    ingest(
        "events", write("l.jsonl", as_jsonl([{"who": 1, "what": "w", "when": at} for at in stamps])), *FLAGS
    )
    printed = [line.split("  ") for line in ingest("status").splitlines() if "the time" in line]
    found = sorted(
        (cells[-1].strip(), next(cell for cell in cells if "the time" in cell)) for cells in printed
    )
    assert found == [
        ("2", "the time can't be read, written like 9 aaa 9999"),
        ("4", "the time can't be read, written like 99:99"),
        ("5", "the time is missing"),
    ]


def test_lines_that_are_no_objects_are_rejected(ingest, write):
    lines = [*as_jsonl(ROWS).splitlines(), b"no json", b"[1]", b'"text"', b"", b'{"who": 1, "what"', b"null"]
    ingest("events", write("log.jsonl", b"\n".join(lines)), *FLAGS)
    assert counts() == [(7, 2, 5, 0)]
    assert rejects() == [(row, None, "the line is no JSON object") for row in (3, 4, 5, 7, 8)]


def test_torn_csv_rows_are_rejected(ingest, write):
    text = as_csv(ROWS) + b'a,open,2024-03-01,x\n"a,open,2024-03-01,x,1\na,open,2024-03-01,x,1\n'
    ingest("events", write("log.csv", text), *FLAGS)
    assert counts() == [(5, 3, 2, 0)]
    assert [(row, reason) for row, _, reason in rejects()] == [
        (4, "too few columns: the header names 5 (found 4)"),
        (5, "a quote is never closed"),
    ]


def test_rows_alike_are_events_of_their_own_and_the_same_ones_again(ingest, write):
    row = {"who": "a", "what": "open", "when": "2024-03-01"}
    other = row | {"when": "2024-03-02"}
    ingest("events", write("1.jsonl", as_jsonl([row, row])), *FLAGS)
    ingest("events", write("2.jsonl", as_jsonl([row, other, row, row])), *FLAGS)
    assert counts() == [(2, 2, 0, 0), (4, 2, 0, 2)]
    assert len(query("select distinct event_id from raw.events")) == 4


def test_ids_made_of_the_content_sort_by_time(ingest, write):
    # 2024-03-01T10:00:00Z is second 1,709,287,200 since 1970, in hexadecimal 65e1a720.
    rows = "who,what,when\nu,b,2024-03-01T10:00:00.900Z\nu,c,2024-03-01T10:00:16Z\nu,a,1999-12-31T23:59:59Z\n"
    ingest("events", write("log.csv", rows), *FLAGS)
    ids = [event_id for (event_id,) in events(columns="event_id")]
    assert [event_id[:8] for event_id in ids] == ["65e1a720", "65e1a730", "386d437f"]
    assert {len(event_id) for event_id in ids} == {32}


def test_an_id_of_the_log_is_one_event_however_often_delivered(ingest, write):
    row = {"id": "1", "who": "a", "what": "open", "when": "2024-03-01"}
    changed = row | {"what": "close"}
    rows = [row, changed, row | {"id": ""}, row | {"id": None}]
    ingest("events", write("1.jsonl", as_jsonl(rows)), *FLAGS, "--event-id", "id")
    ingest("events", write("2.jsonl", as_jsonl([row, row | {"id": "2"}])), *FLAGS, "--event-id", "id")
    assert counts() == [(4, 3, 0, 1), (2, 1, 0, 1)]
    assert query("select event_id, event_name from raw.events where event_id in ('1', '2')") == [
        ("1", "open"),
        ("2", "open"),
    ]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_that_grew_adds_what_is_new_whatever_was_loaded_before(data, tmp_path):
    """Deliveries that each begin with the one before: in the end all rows are there once."""
    names = st.sampled_from(["open", "close"])
    rows = data.draw(st.lists(st.builds(dict, who=st.integers(1, 2), what=names, when=st.just("2024-03-01"))))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=3)) | {len(rows)})
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        patch.setenv("WAREHOUSE_PATH", str(folder / "test.duckdb"))
        for number, cut in enumerate(cuts):
            path = folder / f"{number}.jsonl"
            path.write_bytes(as_jsonl(rows[:cut]) or b'{"who": "", "what": "", "when": ""}')
            main(["events", str(path), *FLAGS])
        if rows:
            assert query("select count(*), count(distinct event_id) from raw.events") == [
                (len(rows), len(rows))
            ]


def test_several_files_and_sources_side_by_side(ingest, write, tmp_path):
    for number in (1, 2, 3):
        write(f"day-{number}.jsonl", as_jsonl([{"who": "a", "what": "w", "when": f"2024-03-0{number}"}]))
    ingest("events", tmp_path / "day-*.jsonl", tmp_path / "day-2.jsonl", *FLAGS, "--source", "app")
    ingest("events", tmp_path / "day-1.jsonl", *FLAGS, "--source", "web")
    assert [row[1] for row in manifest("app")] == ["day-1.jsonl", "day-2.jsonl", "day-3.jsonl"]
    assert counts("app") == [(1, 1, 0, 0)] * 3
    assert query("select source, count(*) from raw.events group by 1 order by 1") == [("app", 3), ("web", 1)]
    assert "2 of 2 files loaded already" in ingest(
        "events", tmp_path / "day-[12].jsonl", *FLAGS, "--source", "app"
    )


def test_the_command_says_what_to_do(ingest_fails, write, warehouse):
    path = write("log.csv", as_csv(ROWS))
    has = "(it has who, what, when, plan, n)"
    assert ingest_fails("events", path) == f"{path} has no column user_id {has}: name another by --user"
    wrong = ("--user", "who", "--event", "what", "--at", "at")
    assert ingest_fails("events", path, *wrong) == f"{path} has no column at {has}: name another by --at"
    assert ingest_fails("events", path, *FLAGS, "--properties", "n,m") == (
        f"{path} has no column m {has}: name another by --properties"
    )
    assert "belong together" in ingest_fails("events", path, "--user", "who")
    assert "this name is taken" in ingest_fails("events", path, *FLAGS, "--source", "viewing")
    assert "small letters" in ingest_fails("events", path, *FLAGS, "--source", "My log")
    assert "no such time zone" in ingest_fails("events", path, *FLAGS, "--time-zone", "Berlin")
    assert ingest_fails("events", "logs/*.csv") == "logs/*.csv: no such file: check the path"
    assert not warehouse.exists()


BAD_FILES = {
    "empty": (b"", "is empty"),
    "object over several lines": (
        b'{\n "who": "a"\n}\n',
        "its first lines hold no JSON object that can be read: write one object a line (JSONL)",
    ),
    "damaged zip": (b"PK\x03\x04rest", "damaged zip data"),
    "utf-16 without its mark": (
        "who,what\n".encode("utf-16-le"),
        "is neither CSV, JSON nor Parquet: save it",
    ),
    "latin-1": (b"who,what,when\nJos\xe9,x,2024-03-01\n", "line 2, byte 4: not UTF-8"),
    "damaged parquet": (as_parquet(ROWS)[:-50], "damaged Parquet"),
    "cut-off gzip": (gzip.compress(as_csv(ROWS) * 99)[:-30], "the gzip data ends early"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_read_is_one_line_and_changes_nothing(
    content, message, ingest, ingest_fails, write
):
    ingest("events", write("good.csv", as_csv(ROWS)), *FLAGS)
    good = write("more.csv", as_csv(ROWS).replace(b"2024", b"2023"))
    assert message in ingest_fails("events", good, write("bad.csv", content), *FLAGS)
    assert counts() == [(2, 2, 0, 0)]
    assert len(events()) == 2


def test_the_same_file_read_in_another_way_needs_another_name(ingest, ingest_fails, write):
    path = write("log.csv", as_csv(ROWS))
    ingest("events", path, *FLAGS)
    again = ("--user", "plan", "--event", "what", "--at", "when")
    assert "choose another --source" in ingest_fails("events", path, *again)
    ingest("events", path, *again, "--source", "plans")
    assert [row[0] for row in events("plans")] == ["pro", "free"]


def test_too_many_rejects_change_nothing(ingest_fails, write, warehouse):
    message = ingest_fails("events", write("small.csv", DOZEN), "--max-rejects", "0.2")
    assert "3 of 12 rows can't be loaded (25.0%; 1 x the event's name is missing, first in row 13)" in message
    assert query("select count(*) from raw.events") == query("select count(*) from raw.rejects") == [(0,)]


def test_hostile_names_stay_names(ingest, write):
    name = """x"; drop table raw.events; --'"""
    row = {name: "v", "who'": "a", 'wh"at': "open", "wh/en~": "2024-03-01"}
    flags = ("--user", "who'", "--event", 'wh"at', "--at", "wh/en~")
    for number, content in enumerate((as_jsonl([row]), as_parquet([row]))):
        ingest("events", write("log", content), *flags, "--source", f"s{number}")
        assert json.loads(events(f"s{number}")[0][3]) == {name: "v"}


def as_parquet_columns(names: list[str], *values: list) -> bytes:
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(column) for column in values], names), sink)
    return sink.getvalue().to_pybytes()


CLASHING = ["Who", "who", "what", "when", "_row_number", "_raw_text", "block"]
CLASHING_ROWS = [["UPPER", "lower", "x", "2024-03-01", "5", "r", "b"]] * 3 + [
    ["UPPER", "lower", "x", "no time", "5", "r", "b"]
]


@pytest.mark.parametrize(
    "content",
    [
        "".join(",".join(row) + "\n" for row in [CLASHING, *CLASHING_ROWS]).encode(),
        as_parquet_columns(CLASHING, *map(list, zip(*CLASHING_ROWS, strict=True))),
        as_jsonl([dict(zip(CLASHING, row, strict=True)) for row in CLASHING_ROWS]),
    ],
    ids=["csv", "parquet", "jsonl"],
)
def test_names_alike_but_for_case_and_names_of_the_loaders_own_are_told_apart(content, ingest, write):
    ingest("events", write("log", content), *FLAGS)
    assert counts() == [(4, 3, 1, 0)]
    assert len(query("select distinct event_id, _row_number from raw.events")) == 3
    assert [(row[0], json.loads(row[3])) for row in events()] == [
        ("lower", {"Who": "UPPER", "_row_number": "5", "_raw_text": "r", "block": "b"})
    ] * 3
    [(raw_text,)] = query("select raw_text from raw.rejects")
    assert "no time" in raw_text and "UPPER" in raw_text and "lower" in raw_text


def test_a_parquet_column_named_twice_is_one_line(ingest_fails, write):
    path = write("log.parquet", as_parquet_columns(["who", "who", "what", "when"], *[["a"]] * 4))
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path}: two columns are called who: give each a name of its own"
    )


def test_numbers_that_json_lacks_are_null(ingest, write):
    values = [[float("nan"), float("inf"), 1.5], ["k"] * 3, ["a"] * 3, ["x"] * 3, ["2024-03-01"] * 3]
    ingest("events", write("log", as_parquet_columns(["n", "k", "who", "what", "when"], *values)), *FLAGS)
    assert [row[3] for row in events()] == [f'{{"n":{number},"k":"k"}}' for number in ("null", "null", 1.5)]


def test_a_row_is_the_same_event_whatever_keys_other_rows_have(ingest, write):
    row = {"user_id": "u", "event_type": "x", "timestamp": "2024-03-01T00:00:00Z", "metadata": {"a": 1}}
    ingest("events", write("1.jsonl", as_jsonl([row])))
    ingest("events", write("2.jsonl", as_jsonl([row, row | {"extra": 1}])))
    assert counts() == [(1, 1, 0, 0), (2, 1, 0, 1)]
    assert [json.loads(row[3]) for row in events()] == [{"a": 1}, {"metadata": {"a": 1}, "extra": 1}]


def test_a_killed_load_leaves_the_warehouse_as_it_was(ingest, write, warehouse):
    ingest("events", write("good.csv", as_csv(ROWS)), *FLAGS)
    many = as_jsonl([ROWS[0] | {"n": number} for number in range(200_000)])
    code = (
        "import ingest.landing.event_logs as load, os\n"
        "from ingest.__main__ import main\n"
        "load.record = lambda *_: os._exit(9)\n"
        f"main({['events', str(write('many.jsonl', many)), *FLAGS]!r})"
    )
    stopped = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert stopped.returncode == 9
    assert len(events()) == 2 and counts() == [(2, 2, 0, 0)]
    ingest("events", write("many.jsonl", many), *FLAGS)
    assert counts() == [(2, 2, 0, 0), (200_000, 200_000, 0, 0)]
