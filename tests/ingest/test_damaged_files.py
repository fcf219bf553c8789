"""Files damaged at random: each is read, with rejects or not, or refused in one line; none is a traceback."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from ingest.__main__ import main

FLAGS = ("--user", "who", "--event", "what", "--at", "when")
ROWS = [
    {
        "who": f"user {number % 7}",
        "what": ["open", "é漢"][number % 2],
        "when": f"2024-03-01T10:00:{number:02}Z",
    }
    | {"n": number * 1.5, "p": {"a": ["[", None], "b": number}}
    for number in range(60)
]


def as_csv() -> bytes:
    lines = [f'{row["who"]},{row["what"]},{row["when"]},"{{""n"": {row["n"]}}}"\n' for row in ROWS]
    return "".join(["who,what,when,p\n", *lines]).encode()


def as_parquet(**how: object) -> bytes:
    began = datetime(2024, 3, 1, tzinfo=UTC)
    table = pyarrow.Table.from_pylist(
        [row | {"when": began + timedelta(hours=number)} for number, row in enumerate(ROWS)]
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, **how)
    return sink.getvalue().to_pybytes()


def as_zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log", content)
    return packed.getvalue()


CSV, JSON_LIST = as_csv(), json.dumps(ROWS, indent=1).encode()
WHOLE = {
    "csv": CSV,
    "csv, utf-16": CSV.decode().encode("utf-16"),
    "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode(),
    "json list": JSON_LIST,
    "parquet": as_parquet(),
    "parquet, plain": as_parquet(compression="none", use_dictionary=False, store_schema=False),
    "csv, gzip": gzip.compress(CSV),
    "list, zstd": zstandard.compress(JSON_LIST),
    "csv, zip": as_zip(CSV),
    "parquet, zstd": zstandard.compress(as_parquet()),
}


def cut(source: random.Random, content: bytearray) -> None:
    del content[source.randrange(len(content)) :]


def cut_out(source: random.Random, content: bytearray) -> None:
    start = source.randrange(len(content))
    del content[start : start + source.randrange(1, 40)]


def double(source: random.Random, content: bytearray) -> None:
    start = source.randrange(len(content))
    content[start:start] = content[start : start + source.randrange(1, 40)]


def flip(source: random.Random, content: bytearray) -> None:
    for _ in range(source.choice([1, 2, 20])):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)


def write_marks(source: random.Random, content: bytearray) -> None:
    for _ in range(source.choice([1, 3])):
        content[source.randrange(len(content))] = source.choice(b'\0\xff"\\[]{}\r\n,')


DAMAGES: list[Callable[[random.Random, bytearray], None]] = [cut, cut_out, double, flip, write_marks]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_damaged_file_is_read_or_refused_in_one_line(kind, tmp_path, monkeypatch, capsys):
    source = random.Random(kind)
    codes = []
    for number in range(7):
        content = bytearray(WHOLE[kind])
        # The first is whole, so that it is known that one can be read.
        if number:
            source.choice(DAMAGES)(source, content)
        path = tmp_path / f"damaged {number}"
        path.write_bytes(content)
        monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / f"warehouse-{number}.duckdb"))
        codes.append(main(["events", str(path), *FLAGS]))
        told = capsys.readouterr()
        if codes[-1]:
            assert (told.out, told.err.count("\n")) == ("", 1)
            assert told.err.startswith(f"error: {path}") and len(told.err) < 520
    assert codes[0] == 0 and set(codes) <= {0, 2}


@pytest.mark.parametrize("kind", ["parquet", "parquet, plain"])
def test_parquet_cut_off_anywhere_is_one_line(kind, ingest_fails, write):
    content = WHOLE[kind]
    for end in range(4, len(content), len(content) // 9):
        told = ingest_fails("events", write("cut", content[:end]), *FLAGS)
        assert "damaged Parquet (" in told and told.endswith(": get the file again")


def test_parquet_whose_texts_are_none_is_one_line(ingest_fails, write):
    content = as_parquet(compression="none", use_dictionary=False, store_schema=False)
    path: Path = write("log", content.replace(b"user 3", b"\xff\xfeer 3"))
    assert "damaged Parquet (" in ingest_fails("events", path, *FLAGS)
