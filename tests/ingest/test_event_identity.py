"""Which rows are the same event: in one file, in two, in a copy of another kind, and read anew."""

import json
from datetime import datetime

import pyarrow
import pytest
from event_samples import FLAGS, ROWS, as_csv, as_jsonl, counts, events, rejects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_samples import manifest, query
from pyarrow import parquet

from ingest.__main__ import main

SECONDS = [1_709_287_200 + 60 * number for number in range(3)]
TIMES = [datetime(2024, 3, 1, 10, number) for number in range(3)]
# One log in many copies: columns in another order, one more of them, ids and times as text or typed.
COPIES = {
    "csv": b"""who,visit,what,thing,when,plan
1,7,open,a,2024-03-01T10:00:00Z,pro
,7,open,a,2024-03-01T10:00:30Z,pro
1,7,open,,2024-03-01T10:01:00Z,pro
1,7,open,,2024-03-01T10:01:00Z,pro
2,,close,b,2024-03-01T10:02:00Z,
""",
    "csv as tools write gaps": b"""when;plan;more;thing;what;visit;who
2024-03-01 10:00:00;pro;x;a;open;7.0;1.0
2024-03-01 10:01:00;pro;x;;open;7.0;1.0
2024-03-01 10:01:00;pro;y;;open;7.0;1.0
2024-03-01 10:02:00;;y;b;close;;2.0
""",
    "jsonl": as_jsonl(
        [
            {"what": "open", "when": SECONDS[0], "who": 1, "visit": 7, "thing": "a", "n": 1},
            {"what": "open", "when": SECONDS[1], "who": 1.0, "visit": "7", "thing": None, "n": 2},
            {"what": "open", "when": f"{SECONDS[1]}000", "who": "1", "visit": 7, "thing": "", "n": 3},
            {"what": "close", "when": "2024-03-01 10:02", "who": 2, "thing": "b", "n": 4},
        ]
    ),
}


def typed_copy(users: pyarrow.Array, times: pyarrow.Array) -> bytes:
    table = pyarrow.table(
        {
            "what": ["open", "open", "open", "close"],
            "visit": pyarrow.array([7, 7, 7, None], pyarrow.float64()),
            "when": times.take(pyarrow.array([0, 1, 1, 2])),
            "who": users,
            "thing": ["a", None, "", "b"],
        }
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


for kind in (pyarrow.int32(), pyarrow.float64(), pyarrow.decimal128(23, 2), pyarrow.string()):
    texts = pyarrow.array(["1", "1", "1", "2"])
    COPIES[f"parquet, users as {kind}"] = typed_copy(
        texts if kind == pyarrow.string() else pyarrow.array([1, 1, 1, 2]).cast(kind, safe=False),
        pyarrow.array(TIMES, pyarrow.timestamp("ns", "UTC")),
    )
COPIES["parquet, times as text"] = typed_copy(
    pyarrow.array([1, 1, 1, 2]), pyarrow.array([time.isoformat() for time in TIMES])
)
COPIES["parquet, times as numbers"] = typed_copy(pyarrow.array([1, 1, 1, 2]), pyarrow.array(SECONDS))
COLUMNS = (*FLAGS, "--session", "visit", "--item", "thing")


@pytest.mark.parametrize("name", COPIES)
def test_every_copy_of_a_log_has_the_same_events(name, ingest, write):
    ingest("events", write("first.csv", COPIES["csv"]), *COLUMNS)
    known = query("select event_id, user_id, session_id, item_id from raw.events order by _row_number")
    assert [row[1:] for row in known] == [
        ("1", "7", "a"),
        ("1", "7", None),
        ("1", "7", None),
        ("2", None, "b"),
    ]
    ingest("events", write("copy", COPIES[name] + b"\n" * (name == "csv")), *COLUMNS, "--source", "copy")
    assert events("copy", "event_id, user_id, session_id, item_id") == known


def test_a_copy_of_another_kind_adds_nothing_and_says_so(ingest, write):
    ingest("events", write("log.csv", COPIES["csv"]), *COLUMNS)
    printed = ingest("events", write("log.jsonl", COPIES["jsonl"]), *COLUMNS)
    assert counts() == [(5, 4, 1, 0), (4, 0, 0, 4)]
    assert "4 of its events were held already" in printed
    assert "warning" not in printed


def test_a_log_read_in_another_way_is_warned_of(ingest, write):
    rows = [{"who": n % 7, "what": "open", "page": f"p{n}", "when": SECONDS[0] + n} for n in range(50)]
    ingest("events", write("1.jsonl", as_jsonl(rows)), *FLAGS)
    by_page = ("--user", "who", "--event", "page", "--at", "when")
    printed = ingest("events", write("2.csv", as_csv(rows)), *by_page)
    assert "warning: 100% of its new events are of users who have others at that instant" in printed
    assert counts() == [(50, 50, 0, 0), (50, 50, 0, 0)]


def test_a_log_that_grew_is_not_warned_of(ingest, write):
    rows = [{"who": n % 7, "what": "open", "when": SECONDS[0] + n} for n in range(50)]
    ingest("events", write("1.jsonl", as_jsonl(rows[:45])), *FLAGS)
    printed = ingest("events", write("2.jsonl", as_jsonl(rows)), *FLAGS)
    assert "45 of its events were held already" in printed and "warning" not in printed
    assert counts() == [(45, 45, 0, 0), (50, 5, 0, 45)]
    # Nor one in which a row is met once more.
    assert "warning" not in ingest("events", write("3.jsonl", as_jsonl([*rows, rows[0]])), *FLAGS)
    assert counts()[2] == (51, 1, 0, 50)


def test_rows_alike_in_two_files_are_one_event_and_with_a_flag_two(ingest, write, tmp_path):
    row = {"who": "a", "what": "open", "when": "2024-03-01"}
    write("part-1.jsonl", as_jsonl([row, row | {"n": 1}]))
    write("part-2.jsonl", as_jsonl([row | {"n": 2}, row, row]))
    ingest("events", tmp_path / "part-*.jsonl", *FLAGS)
    assert counts() == [(2, 2, 0, 0), (3, 1, 0, 2)]
    every = (*FLAGS, "--every-row", "--source", "dates")
    ingest("events", tmp_path / "part-*.jsonl", *every)
    assert counts("dates") == [(2, 2, 0, 0), (3, 3, 0, 0)]
    assert query("select count(distinct event_id) from raw.events where source = 'dates'") == [(5,)]
    # The very same file is known again, and has the same ids when it is read anew.
    assert "1 of 1 files loaded already" in ingest("events", tmp_path / "part-1.jsonl", *every)
    ids = "select event_id from raw.events where source = 'dates' order by 1"
    before = query(ids)
    ingest("events", tmp_path / "part-1.jsonl", *every, "--replace")
    assert query(ids) == before


def test_every_row_has_no_use_for_ids_of_the_log(ingest_fails, write):
    path = write("log.csv", as_csv(ROWS))
    assert "--every-row and --event-id exclude each other" in ingest_fails(
        "events", path, *FLAGS, "--every-row", "--event-id", "n"
    )


def test_ids_that_are_no_text_or_number_are_rejected(ingest, write):
    good = {"id": "e", "who": "true", "what": "[x]", "when": "2024-03-01", "visit": 1, "thing": "{"}
    bad = [
        {"who": {"id": 1}},
        {"who": [1]},
        {"who": True},
        {"what": {}},
        {"visit": [1]},
        {"thing": False},
        {"id": []},
    ]
    flags = (*COLUMNS, "--event-id", "id")
    ingest("events", write("log.jsonl", as_jsonl([good, *(good | change for change in bad)])), *flags)
    assert events(columns="user_id, event_name, session_id, item_id") == [("true", "[x]", "1", "{")]
    assert rejects() == [
        (2, "who", "the user is no text or number"),
        (3, "who", "the user is no text or number"),
        (4, "who", "the user is no text or number"),
        (5, "what", "the event's name is no text or number"),
        (6, "visit", "the session is no text or number"),
        (7, "thing", "the item is no text or number"),
        (8, "id", "the event's id is no text or number"),
    ]


@pytest.mark.parametrize(
    "user", [[[1], [2]], [True, False], [{"id": 1}, {"id": 2}]], ids=["list", "boolean", "object"]
)
def test_a_parquet_column_of_no_ids_is_one_line(user, ingest_fails, write):
    table = pyarrow.table({"who": user, "what": ["x", "x"], "when": TIMES[:2]})
    parquet.write_table(table, path := write("log.parquet", b""))
    assert "2 x the user is no text or number, first in row 1" in ingest_fails("events", path, *FLAGS)


def test_whole_numbers_are_one_id_and_other_numbers_stay(ingest, write):
    texts = ["1", "1.0", "1.00", "-1.0", "1.50", "v1.0", "10", "1.0.0", ".0", "1e3"]
    rows = "".join(f"{text},x,2024-03-01\n" for text in texts)
    ingest("events", write("log.csv", "who,what,when\n" + rows), *FLAGS)
    assert [user for (user,) in events(columns="user_id")] == [
        "1", "1", "1", "-1", "1.50", "v1.0", "10", "1.0.0", ".0", "1e3",
    ]  # fmt: skip


def test_the_same_file_read_in_another_way_is_replaced_or_has_another_name(ingest, ingest_fails, write):
    path = write("log.csv", as_csv(ROWS))
    other = write("other.csv", "who,what,when\nc,open,2024-03-05\n")
    ingest("events", path, other, *FLAGS)
    again = ("--user", "plan", "--event", "what", "--at", "when")
    assert ingest_fails("events", path, *again) == (
        f"{path} is loaded as events already, read in another way: --replace reads it anew, another --source "
        "keeps both"
    )
    ingest("events", path, *again, "--source", "plans")
    assert [row[0] for row in events("plans")] == ["pro", "free"]
    ingest("events", path, *again, "--replace")
    assert sorted(row[0] for row in events()) == ["c", "free", "pro"]
    # The first load is history; every line tells that rows were taken away once.
    assert [row[1:2] + row[6:] for row in manifest("events")] == [
        ("log.csv", False), ("other.csv", True), ("log.csv", True),
    ]  # fmt: skip
    assert query("select distinct revision from raw.load_manifest where source = 'events'") == [(1,)]
    assert query("select distinct revision from raw.load_manifest where source = 'plans'") == [(0,)]


def test_a_load_that_may_lack_what_was_taken_out_is_named(ingest, write):
    ingest("events", write("1.csv", as_csv(ROWS)), *FLAGS)
    ingest("events", write("2.csv", as_csv([*ROWS, ROWS[0] | {"who": "c"}])), *FLAGS)
    other_way = ("--user", "plan", "--event", "what", "--at", "when")
    printed = ingest("events", write("1.csv", as_csv(ROWS)), *other_way, "--replace")
    assert "events: 2 rows taken out of 1.csv" in printed
    assert "events: 2.csv stays, but 2 of its rows were there already when it came" in printed
    ingest("events", write("2.csv", as_csv([*ROWS, ROWS[0] | {"who": "c"}])), *FLAGS, "--replace")
    assert sorted(row[0] for row in events()) == ["a", "b", "c", "free", "pro"]


def test_a_newer_file_of_the_same_name_is_replaced_too(ingest, write):
    ingest("events", write("log.csv", as_csv(ROWS)), *FLAGS)
    ingest("events", write("log.csv", as_csv(ROWS[1:])), *FLAGS, "--replace")
    assert [row[0] for row in events()] == ["b"]
    assert [(row[3], row[6]) for row in manifest("events")] == [(2, False), (1, True)]


def test_a_file_that_cannot_be_read_anew_stays_as_it_was(ingest, ingest_fails, write):
    path = write("log.csv", as_csv(ROWS))
    ingest("events", path, *FLAGS)
    as_time = ("--user", "who", "--event", "what", "--at", "plan")
    assert "none of its 2 rows can be loaded" in ingest_fails("events", path, *as_time, "--replace")
    assert [row[0] for row in events()] == ["a", "b"] and manifest("events")[0][6]


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
    assert {len(event_id) for event_id in ids} == {24}


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


def test_a_row_is_the_same_event_whatever_keys_other_rows_have(ingest, write):
    row = {"user_id": "u", "event_type": "x", "timestamp": "2024-03-01T00:00:00Z", "metadata": {"a": 1}}
    ingest("events", write("1.jsonl", as_jsonl([row])))
    ingest("events", write("2.jsonl", as_jsonl([row, row | {"extra": 1}])))
    assert counts() == [(1, 1, 0, 0), (2, 1, 0, 1)]
    assert [json.loads(row[3]) for row in events()] == [{"a": 1}, {"metadata": {"a": 1}, "extra": 1}]
