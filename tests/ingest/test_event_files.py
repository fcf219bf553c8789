"""What a log may be: JSON in a list or with keys in keys, CSV without a header, other encodings, packed."""

import gzip
import io
import json
import tempfile
import zipfile
from datetime import datetime

import pyarrow
import pytest
import zstandard
from ingest_samples import query
from pyarrow import parquet

FLAGS = ("--user", "who", "--event", "what", "--at", "when")
ROWS = [
    {"who": "José", "what": "open", "when": "2024-03-01T10:00:00Z", "plan": "pro"},
    {"who": "b", "what": "buy", "when": "2024-03-01T11:00:00Z", "plan": "free"},
]


def events(source: str = "events") -> list[tuple]:
    return query(
        f"""
        select user_id, event_name, occurred_at, properties, _row_number
        from raw.events where source = '{source}' order by _row_number
        """
    )


def rejects() -> list[tuple]:
    return query("select row_number, raw_text from raw.rejects order by 1")


def as_csv(rows: list[dict] = ROWS, *, header: bool = True) -> str:
    lines = [",".join(rows[0])] if header else []
    return "".join(line + "\n" for line in [*lines, *(",".join(map(str, row.values())) for row in rows)])


def as_parquet(rows: list[dict] = ROWS) -> bytes:
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", content)
    return packed.getvalue()


LIST = json.dumps(ROWS).encode()
SAME_LOG = {
    "list": LIST,
    "list over lines": json.dumps(ROWS, indent=2, ensure_ascii=False).encode(),
    "list, byte-order mark": b"\xef\xbb\xbf \r\n" + LIST + b"\n",
    "list, zip": zipped(LIST),
    "csv, utf-16": as_csv().encode("utf-16"),
    "list, utf-16": LIST.decode().encode("utf-16"),
    "csv, zip": zipped(as_csv().encode()),
    "parquet, gzip": gzip.compress(as_parquet()),
    "parquet, zstd": zstandard.compress(as_parquet()),
    "parquet, zip": zipped(as_parquet()),
}


@pytest.mark.parametrize("content", SAME_LOG.values(), ids=SAME_LOG)
def test_the_same_log_is_read_from_every_kind_of_file(content, ingest, write):
    ingest("events", write("log", content), *FLAGS)
    found = [(*row[:3], json.loads(row[3])) for row in events()]
    assert found == [
        ("José", "open", datetime(2024, 3, 1, 10), {"plan": "pro"}),
        ("b", "buy", datetime(2024, 3, 1, 11), {"plan": "free"}),
    ]


@pytest.mark.parametrize(
    ("encoding", "flag"), [("cp1252", "cp1252"), ("latin-1", "latin-1"), ("utf-16-le", "utf-16-le")]
)
def test_another_encoding_is_said_by_a_flag(encoding, flag, ingest, write):
    for number, text in enumerate((as_csv(), json.dumps(ROWS, ensure_ascii=False))):
        path = write(f"log-{number}", text.encode(encoding))
        ingest("events", path, *FLAGS, "--encoding", flag, "--source", f"s{number}")
        assert [row[0] for row in events(f"s{number}")] == ["José", "b"]


def test_what_is_no_utf_8_names_the_flag(ingest_fails, write):
    path = write("log", as_csv().encode("cp1252"))
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path}: line 2, byte 4: not UTF-8: save the file as UTF-8, or, for `ingest events`, say what it "
        "is, such as --encoding cp1252"
    )
    wrong = ingest_fails("events", path, *FLAGS, "--encoding", "utf-16")
    assert "not utf-16: name another by --encoding" in wrong or "has no column who" in wrong
    for name in ("martian", "base64", "a\0b"):
        assert "no encoding of text: say utf-16, latin-1, cp1252" in ingest_fails(
            "events", path, *FLAGS, "--encoding", name
        )


def test_a_csv_without_a_header_has_its_columns_named(ingest, write):
    path = write("log.csv", as_csv(header=False))
    ingest("events", path, *FLAGS, "--no-header", "--columns", "who,what,when,tariff")
    found = [(row[0], json.loads(row[3]), row[4]) for row in events()]
    assert found == [("José", {"tariff": "pro"}, 1), ("b", {"tariff": "free"}, 2)]


def test_what_a_csv_without_a_header_needs_is_said(ingest_fails, write):
    path = write("log.csv", as_csv(header=False))
    named = ("--no-header", "--columns", "who,what,when,tariff")
    for flags in (named[:1], named[1:]):
        assert "--no-header and --columns belong together" in ingest_fails("events", path, *FLAGS, *flags)
    few = ("--no-header", "--columns", "who,what,when")
    assert ingest_fails("events", path, *FLAGS, *few) == (
        f"{path}: line 1 has 4 columns, but --columns names 3: name each"
    )
    twice = ("--no-header", "--columns", "who,what,when,who")
    assert "two columns are called who" in ingest_fails("events", path, *FLAGS, *twice)
    for content in (LIST, as_parquet(), json.dumps(ROWS[0]).encode()):
        assert "names its columns itself: leave out --no-header and --columns" in ingest_fails(
            "events", write("other", content), *FLAGS, *named
        )


def test_rows_of_a_csv_without_a_header_that_do_not_fit_are_rejects(ingest, write):
    text = as_csv(header=False) + "a,open,2024-03-01\n"
    ingest("events", write("log.csv", text), *FLAGS, "--no-header", "--columns", "who,what,when,plan")
    assert query("select row_number, reason from raw.rejects") == [
        (3, "too few columns: --columns names 4 (found 3)")
    ]


NESTED = [
    {"user": {"id": "a", "plan": "pro"}, "e": {"name": "open", "at": {"utc": "2024-03-01"}}, "n": 1},
    {"user": "b", "e": {"name": "buy", "at": {"utc": "2024-03-01"}}, "n": 2},
]
NESTED_FLAGS = ("--user", "user.id", "--event", "e.name", "--at", "e.at.utc")


@pytest.mark.parametrize("as_list", [True, False])
def test_a_key_within_a_key_is_named_by_dots(as_list, ingest, write):
    text = json.dumps(NESTED) if as_list else "".join(json.dumps(row) + "\n" for row in NESTED)
    ingest("events", write("log", text), *NESTED_FLAGS)
    [(user, event, at, properties, _)] = events()
    assert (user, event, at) == ("a", "open", datetime(2024, 3, 1))
    # What holds the keys that are named stays whole.
    assert json.loads(properties) == NESTED[0]
    assert query("select column_name, reason from raw.rejects") == [("user.id", "the user is missing")]


def test_every_flag_takes_a_key_within_a_key(ingest, write):
    row = {"c": {"u": "u", "w": "w", "t": "2024-03-01", "s": "s", "i": "i", "id": "e1", "p": [1], "q/~": 2}}
    flags = ("--user", "c.u", "--event", "c.w", "--at", "c.t", "--session", "c.s", "--item", "c.i")
    more = ("--event-id", "c.id", "--properties", "c.p,c.q/~")
    ingest("events", write("log", json.dumps(row)), *flags, *more)
    assert query("select event_id, user_id, session_id, item_id, properties from raw.events") == [
        ("e1", "u", "s", "i", '{"c.p":[1],"c.q/~":2}')
    ]


def test_a_key_with_a_dot_goes_before_a_key_within_a_key(ingest, ingest_fails, write):
    row = {"who": "a", "w.x": "dotted", "w": {"x": "nested", "y.z": "both"}, "when": "2024-03-01"}
    path = write("log", json.dumps(row))
    for source, flag, wanted in (("one", "w.x", "dotted"), ("two", "w.y.z", "both")):
        ingest("events", path, "--user", "who", "--event", flag, "--at", "when", "--source", source)
        assert [event[1] for event in events(source)] == [wanted]
    assert json.loads(events("one")[0][3]) == row["w"]
    assert ingest_fails("events", path, "--user", "who", "--event", "w.none", "--at", "when") == (
        f"{path} has no column w.none (it has who, w.x, w, when): name another by --event"
    )


def test_entries_of_a_list_that_are_no_objects_are_rejects_by_their_place(ingest, write):
    good = json.dumps(ROWS[0])
    entries = [good, '  "a, [text"', "17", "[1, {}]", good, "{no json}", ""]
    ingest("events", write("log", f"[{', '.join(entries)}, {good}\n]"), *FLAGS)
    assert rejects() == [(2, '"a, [text"'), (3, "17"), (4, "[1, {}]"), (6, "{no json}"), (7, "")]
    assert [row[4] for row in events()] == [1, 5, 8]


BAD_LISTS = {
    "cut off": (LIST[:-20], "the JSON list ends early, in entry 2: get the file again"),
    "a bracket too many": (LIST + b"]", "goes on behind its JSON list: write one list, or one object a line"),
    "lists a line": (b"[1, 2]\n[3, 4]\n", "goes on behind its JSON list"),
    "empty": (b"[ ]", "its first entries hold no JSON object that can be read"),
    "no objects": (b"[1, 2]", "its first entries hold no JSON object that can be read"),
    "not utf-8": (LIST.replace(b"Jos\\u00e9", b"Jos\xe9"), "entry 1, byte 13: not UTF-8"),
    "a quote too many": (LIST.replace(b'"buy"', b'"buy""'), "the JSON list ends early, in entry 2"),
}


@pytest.mark.parametrize(("content", "message"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_a_list_that_can_not_be_parted_is_one_line(content, message, ingest_fails, write):
    assert message in ingest_fails("events", write("log", content), *FLAGS)


def empty_parquet() -> bytes:
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist(ROWS).slice(0, 0)
    parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "content",
    [b"who,what,when\n", b"who,what,when", b"who,what,when\n\n\r\n\n", empty_parquet()],
    ids=["csv", "no line end", "line ends", "parquet"],
)
def test_a_log_without_rows_is_refused(content, ingest, ingest_fails, write):
    good = write("good.csv", as_csv())
    path = write("log", content)
    told = ingest_fails("events", good, path, *FLAGS)
    assert told == f"{path} has columns, but no rows: check that it is the file you mean"
    assert query("select count(*) from raw.events") == [(0,)]


@pytest.mark.parametrize("content", [b"\n", b"\r\n\n", b"\xef\xbb\xbf", b",,\n1,2,3\n"])
def test_a_first_line_that_names_nothing_is_one_line(content, ingest_fails, write):
    path = write("log", content)
    assert ingest_fails("events", path, *FLAGS) == f"{path}: line 1 is blank: it has to name the columns"


@pytest.mark.parametrize("depth", [985, 50_000])
@pytest.mark.parametrize("as_list", [True, False])
def test_json_however_deep_is_no_failure(depth, as_list, ingest, ingest_fails, write):
    deep = '{"who": "a", "what": "w", "when": "2024-03-01", "deep": ' + "[" * depth + "]" * depth + "}"
    flat = json.dumps(ROWS[0])
    text = f"[{deep}, {flat}]" if as_list else f"{deep}\n{flat}\n"
    ingest("events", write("log", text), *FLAGS)
    assert [row[0] for row in events()] == ["a", "José"]
    if depth > 1_000:
        path = write("only", f"[{deep}]" if as_list else deep)
        assert "hold no JSON object that can be read" in ingest_fails("events", path, *FLAGS)


def test_half_of_a_surrogate_pair_in_a_key_spoils_its_row_only(ingest, write):
    bad = '{"who": "a", "what": "w", "when": "2024-03-01", "a\\ud800b": 1}'
    ingest("events", write("log", f"{bad}\n{json.dumps(ROWS[1])}\n"), *FLAGS)
    assert [row[0] for row in events()] == ["b"]
    assert rejects() == [(1, bad)]


def test_a_disk_without_room_for_packed_parquet_is_one_line(ingest_fails, write, monkeypatch, tmp_path):
    path = write("log", gzip.compress(as_parquet()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path} can't be unpacked to a temporary file (No such file or directory): free disk space, or set "
        "TMPDIR to another folder"
    )


def test_a_file_packed_twice_is_one_line(ingest_fails, write):
    path = write("log", gzip.compress(zipped(as_csv().encode())))
    assert ingest_fails("events", path, *FLAGS) == f"{path} is packed twice: unpack it once"


def test_an_error_lists_some_of_many_columns_and_keeps_what_to_do(ingest_fails, write):
    names = [f"a rather long name of a column in place {number}" for number in range(3_000)]
    path = write("wide.csv", ",".join(names) + "\n")
    told = ingest_fails("events", path, *FLAGS)
    assert "has no column who (it has a rather long name of a column in place 0, a rather long name" in told
    assert told.endswith(" and 2,993 more): name another by --user")
    assert len(told) < 500
    long = write("long.csv", "who,what," + "x" * 30_000 + "," + "x" * 30_000 + "\n")
    told = ingest_fails("events", long, *FLAGS)
    assert told.endswith("…: give each a name of its own") and len(told) < 400


def test_more_columns_than_any_table_has_is_one_line(ingest_fails, write):
    path = write("wide.csv", ",".join(map(str, range(10_001))) + "\n")
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path} has 10,001 columns, and 10,000 can be read: check that it is the file you mean"
    )
