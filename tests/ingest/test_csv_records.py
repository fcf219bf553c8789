"""CSV with nothing lost: what is read does not depend on how a file falls into blocks; every line is kept."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ingest.reading.blocks
from common.errors import UserError
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, open_csv

WITH_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path, block_bytes: int) -> tuple[list[dict], list[tuple[int, str, str]]]:
    """All rows, and all rejects as line, reason and text."""
    rows: list[dict] = []
    rejects: list[tuple[int, str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest.reading.blocks, "BLOCK_BYTES", block_bytes)
        for block in open_csv(path).blocks():
            rows += block.rows.to_pylist()
            rejects += [(reject.row_number, reject.reason, reject.raw_text) for reject in block.rejects]
    return rows, sorted(rejects)


@WITH_FILE
@given(
    rows=st.lists(st.tuples(*[st.text('ab ,;"\n\r\té漢', max_size=5)] * 3), max_size=12),
    block_bytes=st.sampled_from([7, 64, 1 << 20]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_wrote_is_read_back(rows, block_bytes, line_end, tmp_path):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("one", "two", "three"), *rows])
    path = tmp_path / "log.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    found, rejects = read(path, block_bytes)
    assert rejects == []
    assert [(row["one"], row["two"], row["three"]) for row in found] == rows


@WITH_FILE
@given(text=st.text('a,"\n\r', max_size=60), block_bytes=st.sampled_from([3, 11, 40]))
def test_torn_text_is_read_alike_in_any_blocks_and_no_line_is_lost(text, block_bytes, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("x,y\n" + text, encoding="utf-8", newline="")
    rows, rejects = read(path, 1 << 20)
    assert read(path, block_bytes) == (rows, rejects)
    records = sorted(
        [(row[ROW_NUMBER], row[RAW_TEXT]) for row in rows] + [(line, raw) for line, _, raw in rejects]
    )
    kept = "\n".join(raw for _, raw in records)
    assert [line for line in kept.replace("\r", "\n").split("\n") if line] == [
        line for line in text.replace("\r", "\n").split("\n") if line
    ]


def test_a_quote_that_is_never_closed_spoils_its_own_line(write):
    path = write("log.csv", 'x,y\n1,2\n"3,4\n5,6\n7,"8\n9"\n')
    rows, rejects = read(path, 1 << 20)
    assert [(row["x"], row["y"], row[ROW_NUMBER]) for row in rows] == [
        ("1", "2", 2),
        ("5", "6", 4),
        ("7", "8\n9", 5),
    ]
    assert rejects == [(3, "a quote is never closed", '"3,4')]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_what_parts_the_columns(delimiter, write):
    path = write("log.csv", delimiter.join(['"a, b"', "c", ""]) + "\n" + delimiter.join("123") + "\n")
    assert open_csv(path).columns == ("a, b", "c", "column 3")
    assert read(path, 1 << 20)[0][0]["column 3"] == "3"


def test_a_header_with_a_name_twice_is_one_line(write):
    with pytest.raises(UserError, match="two columns are called a: give each a name of its own"):
        open_csv(write("log.csv", "a,b,a\n1,2,3\n"))
