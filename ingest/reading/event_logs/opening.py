"""Opens a log: what kind of file it is, as its content tells, and what its columns are."""

import json
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

import pyarrow

from common.errors import UserError
from ingest.reading.blocks import BYTE_ORDER_MARK
from ingest.reading.csv_records import check_columns, open_csv
from ingest.reading.event_logs.files import CsvLog, JsonLog, LogFile, ParquetLog
from ingest.reading.event_logs.options import EventLogOptions
from ingest.reading.files import open_text, open_unpacked
from ingest.reading.json_records import json_records
from ingest.reading.packings import packing_of
from ingest.reading.parquet_files import PARQUET_MAGIC, open_parquet

# Rows whose keys are the columns of a JSON file; a key met later only is kept as a property.
ROWS_LOOKED_AT = 1_000


def open_log(path: Path, options: EventLogOptions) -> LogFile:
    """Tell by its content what a file is, and read its columns.

    Raises:
        UserError: there is no such file, it is empty, damaged, neither CSV, JSON nor Parquet, or no CSV
            though `options` names its columns.
    """
    with open_unpacked(path) as file:
        is_parquet = file.peek(4).startswith(PARQUET_MAGIC)
        if packing_of(file) is not None:
            raise UserError(f"{path} is packed twice: unpack it once")
    head = b"" if is_parquet else _text_head(path, options.encoding)
    if is_parquet:
        log: LogFile = _open_parquet(path)
    elif head.startswith((b"[", b"{")):
        log = _open_json(path, options, is_list=head.startswith(b"["))
    else:
        return CsvLog(open_csv(path, options.columns, options.encoding))
    if options.columns:
        raise UserError(f"{path} is no CSV and names its columns itself: leave out --no-header and --columns")
    return log


def _text_head(path: Path, encoding: str | None) -> bytes:
    with open_text(path, encoding) as file:
        head = file.peek(64)[:64].removeprefix(BYTE_ORDER_MARK).lstrip()
    if b"\0" in head:
        raise UserError(
            f"{path} is neither CSV, JSON nor Parquet: save it as one of these, or, if it is text, say how "
            "it is written, such as --encoding utf-16"
        )
    return head


def _open_parquet(path: Path) -> ParquetLog:
    with open_parquet(path) as file:
        schema = file.schema_arrow
    check_columns(path, tuple(schema.names))
    return ParquetLog(path, schema)


def _open_json(path: Path, options: EventLogOptions, *, is_list: bool) -> JsonLog:
    """Take the keys of the first rows for the columns, in the order they are met.

    Raises:
        UserError: none of them is an object with a key.
    """
    blocks = json_records(path, options.encoding, is_list=is_list)
    texts = islice(chain.from_iterable(records.texts for records in blocks), ROWS_LOOKED_AT)
    rows = [row for row in map(_object_of, texts) if row]
    if not rows:
        where = "entries" if is_list else "lines"
        raise UserError(
            f"{path}: its first {where} hold no JSON object that can be read: write one object a line (JSONL)"
        )
    columns = tuple(dict.fromkeys(key for key in chain.from_iterable(rows) if _is_text(key)))
    # A key that has a dot itself goes before a key within a key.
    wanted = [name for name in options.named if name not in columns]
    nested = {name: keys for name in wanted if (keys := _first_path(rows, name))}
    return JsonLog(path, columns, is_list, options.encoding, nested)


def _object_of(text: pyarrow.Scalar) -> dict | None:
    """A row as an object; None if it is no such thing, or none that Python can read."""
    try:
        row = json.loads(text.as_py())
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _is_text(key: str) -> bool:
    """An escape can bring in half of a surrogate pair, which is no text."""
    return key.encode("utf-8", "ignore").decode() == key


def _first_path(rows: Iterable[dict], name: str) -> tuple[str, ...] | None:
    """The keys by which the first of the rows that has `name` has it; None if none does."""
    return next((keys for row in rows if (keys := _path(row, name))), None)


def _path(value: object, name: str) -> tuple[str, ...] | None:
    """The keys that `name` is made of, of those with dots of their own the longest first."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return (name,)
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        key = ".".join(parts[:count])
        if key in value and (rest := _path(value[key], ".".join(parts[count:]))):
            return (key, *rest)
    return None
