"""Event logs of the user's own: every layout and kind of file, and what can't be loaded."""

import gzip
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow
import pytest
import zstandard
from event_samples import FLAGS, ROWS, as_csv, as_jsonl, as_parquet, counts, events, rejects
from ingest_samples import manifest, query
from pyarrow import parquet

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


def test_a_log_without_a_column_of_events_has_one_name(ingest, ingest_fails, write):
    rows = [{"user_id": "a", "timestamp": "2024-03-01", "stars": 4}]
    path = write("log.jsonl", as_jsonl(rows))
    ingest("events", path, "--event-name", "rating's")
    ingest(
        "events", path, "--event-name", "view", "--user", "user_id", "--at", "timestamp", "--source", "named"
    )
    assert events()[0][1::2] == ("rating's", '{"stars":4}')
    assert events("named")[0][1::2] == ("view", '{"stars":4}')
    assert "exclude each other" in ingest_fails("events", path, "--event", "stars", "--event-name", "view")
    assert "belong together" in ingest_fails("events", path, "--user", "user_id", "--event-name", "view")
    assert "has at least one letter" in ingest_fails("events", path, "--event-name", " ")


def test_json_keys_met_late_and_nested_values_are_kept(ingest, write):
    rows = [{"who": "a", "what": "w", "when": "2024-03-01", "p": {"x": [1, None]}, "q": 1}] * 1_000
    late = {"who": "a", "what": "w", "when": "2024-03-02", "late": True}
    ingest("events", write("log.jsonl", as_jsonl([*rows, late])), *FLAGS)
    found = events()
    assert json.loads(found[0][3]) == {"p": {"x": [1, None]}, "q": 1}
    assert json.loads(found[-1][3]) == {"late": True}


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


def test_a_killed_load_leaves_the_warehouse_as_it_was(ingest, write, warehouse):
    ingest("events", write("good.csv", as_csv(ROWS)), *FLAGS)
    many = as_jsonl([ROWS[0] | {"who": number} for number in range(200_000)])
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


def test_very_many_rejects_are_all_kept(ingest, write):
    """The engine loses what is inserted after nothing in one transaction: first a file without rejects."""
    good = "who,what,when\n" + "".join(f"u{n},x,2024-03-01\n" for n in range(150_000))
    bad = "who,what,when\n" + "".join(f"u{n},x,soon\n" for n in range(200_000)) + "u0,x,2024-03-01\n"
    known = write("known.csv", "who,what,when\nu0,x,2024-03-01\n\n")
    ingest("events", write("one.csv", "who,what,when\nu0,x,2024-03-01\n"), *FLAGS)
    ingest("events", known, write("bad.csv", bad), write("good.csv", good), *FLAGS)
    assert counts() == [(1, 1, 0, 0), (1, 0, 0, 1), (200_001, 0, 200_000, 1), (150_000, 149_999, 0, 1)]
    found = "select count(*), count(distinct row_number), count(distinct raw_text) from raw.rejects"
    assert query(f"{found} where batch_id like 'events-%' and file_name = 'bad.csv'") == [(200_000,) * 3]
    assert query("select count(*) from raw.events where source = 'events' and _source_file = 'good.csv'") == [
        (149_999,)
    ]
