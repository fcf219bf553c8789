"""What of a Parquet log every engine reads alike where it lies, and so need not be copied."""

import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import pyarrow
from pyarrow import types

from common.errors import UserError, listed, shortened
from ingest.reading.event_logs.files import MOST_EXACT, LogFile, ParquetLog, literal
from ingest.reading.event_logs.options import FLAGS, Columns, EventLogOptions
from ingest.reading.event_logs.parquet_types import is_text
from ingest.reading.files import open_file
from ingest.reading.parquet_files import PARQUET_MAGIC, open_parquet

BY_COPY = "load it by copy, without --in-place"
# A list of paths is a pattern to one engine or the other, where these stand in one.
PATTERN_CHARACTERS = re.compile(r"[*?\[\]{},\\\x00-\x1f\ud800-\udfff]")
# Engines add columns of these names to what they read.
TAKEN_NAMES = ("_metadata", "file_row_number")
# A decimal of so many digits is the same number as a double.
MOST_DIGITS = 15
FOOTER_LENGTH_BYTES = 8

# Texts of times that the models read: numbers since 1970, ISO 8601, and numeric dates in a known order.
CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?"
ZONE = r" *(?:[Zz]|UTC|GMT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)"
BASIC = r"\d{8}(?:T(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:[.,]\d{1,9})?(?:" + ZONE + ")?)?"
YEAR_FIRST = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]" + CLOCK + "(?:" + ZONE + ")?)?"
YEAR_LAST = r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?:,?[T ]" + CLOCK + "(?:" + ZONE + ")?)?"
PLAIN_TIME = rf"\d{{9,19}}|\d{{9,17}}\.\d{{1,9}}|{BASIC}|{YEAR_FIRST}|{YEAR_LAST}"


@dataclass(frozen=True)
class FileInPlace:
    """A Parquet file that is read where it lies.

    Args:
        log: the file with all its columns.
        columns: which of them is what.
        size_bytes, modified_at: of the file as it is now; the time is UTC, to the microsecond.
        fingerprint: SHA-256 of its size and its Parquet footer, which tells where each column's bytes lie.
    """

    log: ParquetLog
    columns: Columns
    size_bytes: int
    modified_at: datetime
    fingerprint: str

    @property
    def path(self) -> Path:
        """Where it lies, from the root, by way of no symbolic link."""
        return self.log.path.resolve()

    @cached_property
    def narrow_log(self) -> ParquetLog:
        """The file with those columns alone that tell which event a row is, or whether it is one."""
        text = self._json_column
        needed = {*self.columns.used, *([text] if text else [])}
        fields = [field for field in self.log.schema if field.name in needed]
        return replace(self.log, schema=pyarrow.schema(fields))

    def mapping(self, options: EventLogOptions) -> str:
        """How the file is read, as JSON: its columns with their kinds, which is what, and the options."""
        kept = self.columns.kept(self.log.columns)
        kinds = {field.name: _kind(field.type) for field in self.log.schema}
        return json.dumps(
            {
                "columns": [{"name": name, "kind": kind} for name, kind in kinds.items()],
                "roles": {name: getattr(self.columns, name) for name in FLAGS},
                "properties": list(kept),
                "event_name": options.event_name,
                "date_order": options.date_order or "",
                "time_zone": options.time_zone,
                # Files of other types are read apart, even where their kinds are the same.
                "types": [str(field.type) for field in self.log.schema],
            },
            ensure_ascii=False,
        )

    def unlike(self) -> str:
        """SQL of why engines may read a row of `judged` otherwise than a load by copy; null if they don't."""
        log = self.narrow_log
        is_odd_time = f"occurred_at is not null and not regexp_full_match(time_text, {literal(PLAIN_TIME)})"
        cases = [
            (is_odd_time, f"'the time is written like ' || layout_of({log.text(self.columns.at)})"),
            *self._unlike_ids(log),
            *self._unlike_json(log),
        ]
        return "case " + " ".join(f"when {condition} then {reason}" for condition, reason in cases) + " end"

    def _unlike_ids(self, log: ParquetLog) -> list[tuple[str, str]]:
        cases = []
        for column in self.columns.used:
            if column == self.columns.at or not types.is_floating(log.schema.field(column).type):
                continue
            name = log.placed(column)
            is_whole = f"abs({name}) < {MOST_EXACT} and {name} = trunc({name})"
            reason = literal(f"an id in {shortened(column)} is no whole number")
            cases.append((f"isfinite({name}) and not ({is_whole})", reason))
        return cases

    @property
    def _json_column(self) -> str | None:
        """The one column left over, if it is text: the properties themselves, where it holds JSON objects."""
        kept = self.columns.kept(self.log.columns)
        if len(kept) == 1 and is_text(self.log.schema.field(kept[0]).type):
            return kept[0]
        return None

    def _unlike_json(self, log: ParquetLog) -> list[tuple[str, str]]:
        name = self._json_column
        if name is None:
            return []
        text = log.text(name)
        is_object = rf"ltrim({text}, E' \t\r\n')[1] = '{{'"
        strings = r"""'"(?:[^"\\]|\\.)*"'"""
        # Strings may be written with any escapes: what they say is the same to all.
        bare = rf"""regexp_replace(regexp_replace({text}, {strings}, '""', 'g'), '[ \t\r\n]+', '', 'g')"""
        return [
            (
                f"{is_object} and not json_valid({text})",
                literal(f"{shortened(name)} is JSON that is damaged"),
            ),
            (
                f"{is_object} and cast(json({bare}) as varchar) <> {bare}",
                literal(f"{shortened(name)} has numbers as 1.00 or 1e5 in its JSON"),
            ),
        ]


def open_in_place(log: LogFile, columns: Columns) -> FileInPlace:
    """See that a file can be read where it lies, as far as its columns tell.

    Raises:
        UserError: it is no plain Parquet file, engines take its path for a pattern, or they don't read all of
            its columns alike.
    """
    path = log.path
    if not isinstance(log, ParquetLog) or not _is_plain(path):
        raise UserError(f"{path} is no plain Parquet file, and only such are read in place: {BY_COPY}")
    if PATTERN_CHARACTERS.search(str(path.resolve())):
        raise UserError(
            f"{path}: a path with one of *?[]{{}},\\ is a pattern to some engines: rename it, or {BY_COPY}"
        )
    _check_names(path, log.columns)
    _check_kinds(log, columns)
    status = path.stat()
    fingerprint = _fingerprint(path, status.st_size)
    return FileInPlace(log, columns, status.st_size, modified_at(status), fingerprint)


def modified_at(status: os.stat_result) -> datetime:
    """When a file was last written (UTC), to the microsecond."""
    return datetime(1970, 1, 1) + timedelta(microseconds=status.st_mtime_ns // 1_000)


def _is_plain(path: Path) -> bool:
    with open_file(path) as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def _fingerprint(path: Path, size: int) -> str:
    """SHA-256 of a Parquet file's size and footer: what else is in it need not be read."""
    with open_file(path) as file:
        file.seek(size - FOOTER_LENGTH_BYTES)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - FOOTER_LENGTH_BYTES - length))
        return hashlib.sha256(str(size).encode() + file.read()).hexdigest()


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    counted = Counter(name.lower() for name in names)
    twice = [name for name in names if counted[name.lower()] > 1]
    if twice:
        raise UserError(f"{path}: {listed(twice)} are one column to some engines: {BY_COPY}")
    taken = [name for name in names if name.lower() in TAKEN_NAMES]
    if taken:
        raise UserError(f"{path}: some engines have a column {listed(taken)} of their own: {BY_COPY}")


def _check_kinds(log: ParquetLog, columns: Columns) -> None:
    """See that each column can be read, each that is something can be that, and each that is kept written."""
    with open_parquet(log.path) as file:
        physical_types = {column.path: column.physical_type for column in file.schema}
    for field in log.schema:
        # Times of Spark's older kind are in nanoseconds here, and in microseconds to all other readers.
        if _is_unreadable(field.type) and physical_types.get(field.name) != "INT96":
            raise UserError(
                f"{log.path}: Spark can't read a column of {field.type} ({shortened(field.name)}): {BY_COPY}"
            )
    for role, flag in FLAGS.items():
        name = getattr(columns, role)
        kind = None if name is None else log.schema.field(name).type
        is_fit = _is_time if role == "at" else _is_id
        if kind is not None and not is_fit(kind):
            what = "a time" if role == "at" else "an id"
            raise UserError(
                f"{log.path}: {flag} {shortened(name)} is of {kind}, which not every engine reads alike as "
                f"{what}: {BY_COPY}"
            )
    unfit = [name for name in columns.kept(log.columns) if not _is_property(log.schema.field(name).type)]
    if unfit:
        raise UserError(
            f"{log.path}: not every engine writes {listed(unfit)} alike as JSON: name the properties to keep "
            f"by --properties, or {BY_COPY}"
        )


def _is_unreadable(kind: pyarrow.DataType) -> bool:
    if types.is_nested(kind):
        return any(_is_unreadable(kind.field(number).type) for number in range(kind.num_fields))
    is_fine = types.is_timestamp(kind) and kind.unit == "ns"
    return is_fine or types.is_time(kind) or types.is_float16(kind) or types.is_decimal256(kind)


def _is_id(kind: pyarrow.DataType) -> bool:
    is_whole = types.is_decimal(kind) and kind.scale == 0
    return is_whole or _kind(kind) in ("text", "integer", "float")


def _is_time(kind: pyarrow.DataType) -> bool:
    return _kind(kind) in ("text", "integer", "float", "decimal", "timestamp", "timestamptz", "date")


def _is_property(kind: pyarrow.DataType) -> bool:
    if types.is_decimal(kind):
        return kind.precision <= MOST_DIGITS
    return _kind(kind) != "other"


def _kind(kind: pyarrow.DataType) -> str:
    """What the models' SQL tells apart."""
    if types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    tests = {
        "text": is_text,
        "integer": types.is_integer,
        "float": types.is_floating,
        "decimal": types.is_decimal,
        "boolean": types.is_boolean,
        "date": types.is_date,
        "null": types.is_null,
    }
    return next((name for name, is_kind in tests.items() if is_kind(kind)), "other")
