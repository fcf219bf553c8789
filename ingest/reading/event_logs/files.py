"""A log's file, whatever its name says it is: its columns, its rows by and by, and SQL for what they hold."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet
from tqdm import tqdm

from common.errors import UserError
from common.warehouse import quote_identifier
from ingest.reading.blocks import BYTE_ORDER_MARK, line_blocks, line_records
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, CsvFile, open_csv
from ingest.reading.delivery import Reject
from ingest.reading.event_logs.options import Columns
from ingest.reading.event_logs.parquet_types import is_text, readable
from ingest.reading.files import decode, open_unpacked

PARQUET_MAGIC, ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
BATCH_ROWS = 100_000
# Lines whose keys are the columns of a JSONL file; a key met later only is kept as a property.
LINES_LOOKED_AT = 1_000
# Why a row could not be parted into columns: a column of each block as the statements see it.
TORN = "_torn"
# Up to here every whole number is a float of its own.
MOST_EXACT = 2**53
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}

Block = tuple[pyarrow.Table, list[Reject]]


class LogFile(ABC):
    """A file of events. A block is a table with `_row_number`, and the rows that could not be parted.

    In a block the file's columns are called by their place: SQL takes `Who` and `who` for one name, and a
    file may have a `_row_number` of its own.
    """

    path: Path
    columns: tuple[str, ...]

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """All rows, some at a time.

        Raises:
            UserError: the file is damaged or not UTF-8.
        """

    @property
    def rows(self) -> str:
        """SQL of a block, which is called `block`, as the other expressions read it."""
        return "block"

    @property
    @abstractmethod
    def raw_text(self) -> str:
        """SQL of the row as delivered."""

    @property
    def torn(self) -> str:
        """SQL of why a row could not be parted into columns; null where it could."""
        return TORN

    @abstractmethod
    def text(self, column: str) -> str:
        """SQL of a column's value as text; null where it is empty."""

    def id_text(self, column: str) -> str:
        """SQL of a column's value as an id: the same text for the same id, whatever kind of file holds it."""
        return f"id_text({self.text(column)})"

    def is_unfit(self, column: str, text: str) -> str:
        """SQL of whether a column's value can be no id, being no text or number; `text` is its `id_text`."""
        return "false"

    def instant(self, column: str, zone: str) -> str:
        """SQL of a time that has a type, in UTC; null where it has none, and is read as text.

        Args:
            zone: SQL of the time zone of times that name none.
        """
        return "cast(null as timestamp)"

    @abstractmethod
    def value(self, column: str) -> str:
        """SQL of a column's value as a JSON object can hold it."""

    def placed(self, column: str) -> str:
        """SQL of a column of a block, as it is called there."""
        return quote_identifier(_place(self.columns.index(column)))

    def properties(self, columns: Columns) -> str:
        """SQL of a JSON object of the columns that are kept as properties, or null without any.

        If only one is kept and holds a JSON object, this is the properties itself.
        """
        kept = columns.kept(self.columns)
        if not kept:
            return "cast(null as json)"
        fields = _json_object({column: self.value(column) for column in kept})
        if len(kept) > 1:
            return fields
        only = self.text(kept[0])
        return f"case when {only} is not null then coalesce({_json_if_object(only)}, {fields}) end"


@dataclass(frozen=True)
class CsvLog(LogFile):
    """Text columns, told apart as `ingest.reading.csv_records` does."""

    file: CsvFile

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def columns(self) -> tuple[str, ...]:
        return self.file.columns

    def blocks(self) -> Iterator[Block]:
        for block in self.file.blocks():
            yield _by_place(block.rows, self.columns, ROW_NUMBER, RAW_TEXT), block.rejects

    def text(self, column: str) -> str:
        return f"trimmed({self.placed(column)})"

    @property
    def raw_text(self) -> str:
        return rf"rtrim({RAW_TEXT}, E'\r\n')"

    def value(self, column: str) -> str:
        return f"nullif({self.placed(column)}, '')"


@dataclass(frozen=True)
class ParquetLog(LogFile):
    """Typed columns; a row's text is written out as JSON."""

    path: Path
    schema: pyarrow.Schema

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    def blocks(self) -> Iterator[Block]:
        file = parquet.ParquetFile(self.path)
        first = 1
        with tqdm(
            total=file.metadata.num_rows, desc=self.path.name, disable=None, delay=2, leave=False
        ) as bar:
            try:
                for batch in file.iter_batches(BATCH_ROWS):
                    numbers = pyarrow.array(np.arange(first, first + batch.num_rows))
                    rows = pyarrow.table(
                        [*map(readable, batch.columns), numbers], [*self.columns, ROW_NUMBER]
                    )
                    yield _by_place(rows, self.columns, ROW_NUMBER), []
                    first += batch.num_rows
                    bar.update(batch.num_rows)
            except (OSError, pyarrow.ArrowException) as error:
                raise _damaged_parquet(self.path, error) from error

    def text(self, column: str) -> str:
        name, kind = self.placed(column), self.schema.field(column).type
        if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_floating(kind):
            return f"cast({self.value(column)} as varchar)"
        if is_text(kind):
            return f"trimmed({name})"
        return f"trimmed(cast({name} as varchar))"

    def id_text(self, column: str) -> str:
        kind = self.schema.field(column).type
        if pyarrow.types.is_integer(kind):
            return f"cast({self.placed(column)} as varchar)"
        if pyarrow.types.is_floating(kind):
            name = self.placed(column)
            is_whole = f"abs({name}) < {MOST_EXACT} and {name} = trunc({name})"
            whole = f"cast(cast({name} as bigint) as varchar)"
            return f"case when {is_whole} then {whole} else {self.text(column)} end"
        return super().id_text(column)

    def is_unfit(self, column: str, text: str) -> str:
        kind = self.schema.field(column).type
        return (
            f"{text} is not null"
            if pyarrow.types.is_boolean(kind) or pyarrow.types.is_nested(kind)
            else "false"
        )

    def instant(self, column: str, zone: str) -> str:
        name, kind = self.placed(column), self.schema.field(column).type
        if pyarrow.types.is_timestamp(kind):
            at = f"of_{UNITS[kind.unit]}({name})"
            return at if kind.tz else f"from_zone({at}, {zone})"
        if pyarrow.types.is_date32(kind):
            return f"from_zone(cast({name} as timestamp), {zone})"
        if pyarrow.types.is_date64(kind):
            return f"from_zone(of_milliseconds({name}), {zone})"
        if pyarrow.types.is_integer(kind):
            return f"since_1970(try_cast({name} as bigint))"
        if pyarrow.types.is_floating(kind):
            return f"fraction_since_1970(case when isfinite({name}) then cast({name} as double) end)"
        return super().instant(column, zone)

    @property
    def raw_text(self) -> str:
        return f"cast({_json_object({column: self.value(column) for column in self.columns})} as varchar)"

    def value(self, column: str) -> str:
        name, kind = self.placed(column), self.schema.field(column).type
        if pyarrow.types.is_timestamp(kind):
            at = f"of_{UNITS[kind.unit]}({name})"
            return f"strftime({at}, '%Y-%m-%dT%H:%M:%S.%fZ')" if kind.tz else f"cast({at} as varchar)"
        if pyarrow.types.is_date64(kind):
            return f"cast(cast(of_milliseconds({name}) as date) as varchar)"
        # JSON has no NaN and no infinity.
        return f"case when isfinite({name}) then {name} end" if pyarrow.types.is_floating(kind) else name


@dataclass(frozen=True)
class JsonLog(LogFile):
    """An object a line."""

    path: Path
    columns: tuple[str, ...]

    def blocks(self) -> Iterator[Block]:
        for first_line, block in line_blocks(self.path):
            records = line_records(self.path, first_line, block)
            yield (
                pyarrow.table({ROW_NUMBER: pyarrow.array(records.line_numbers), RAW_TEXT: records.texts}),
                [],
            )

    @property
    def rows(self) -> str:
        return f"(select *, {_json_if_object(RAW_TEXT)} as _object from block)"

    @property
    def torn(self) -> str:
        return f"case when _object is null then coalesce({TORN}, 'the line is no JSON object') end"

    @property
    def raw_text(self) -> str:
        return rf"rtrim({RAW_TEXT}, E'\r\n')"

    def text(self, column: str) -> str:
        return f"trimmed(json_extract_string(_object, {_pointer(column)}))"

    def is_unfit(self, column: str, text: str) -> str:
        kind = f"json_type(_object, {_pointer(column)})"
        return (
            f"case when {text}[1] in ('{{', '[') or {text} in ('true', 'false') "
            f"then {kind} in ('OBJECT', 'ARRAY', 'BOOLEAN') else false end"
        )

    def value(self, column: str) -> str:
        return f"json_extract(_object, {_pointer(column)})"

    def properties(self, columns: Columns) -> str:
        if columns.properties is not None:
            return super().properties(columns)
        kept = columns.kept(self.columns)
        left_over = _without(columns.used)
        if len(kept) != 1:
            return left_over
        inner = _json_if_object(self.text(kept[0]))
        return f"coalesce(json_merge_patch({_without((*columns.used, *kept))}, {inner}), {left_over})"


def open_log(path: Path) -> LogFile:
    """Tell by its content what a file is, and read its columns.

    Raises:
        UserError: there is no such file, it is empty, damaged, or neither CSV, JSONL nor Parquet.
    """
    with open_unpacked(path) as file:
        head = file.peek(64)[:64].removeprefix(BYTE_ORDER_MARK).lstrip()
    if head.startswith(PARQUET_MAGIC):
        return _open_parquet(path)
    if head.startswith(ZIP_MAGIC):
        raise UserError(f"{path} is a zip archive or a workbook: unpack it, or save it as CSV")
    if head.startswith(b"["):
        raise UserError(f"{path} is one JSON list: write one object a line (JSONL)")
    if head.startswith(b"{"):
        return JsonLog(path, _json_keys(path))
    if b"\0" in head:
        raise UserError(f"{path} is neither CSV, JSONL nor Parquet: save it as one of these")
    return CsvLog(open_csv(path))


def _open_parquet(path: Path) -> ParquetLog:
    try:
        schema = parquet.read_schema(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise _damaged_parquet(path, error) from error
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise UserError(f"{path}: two columns are called {twice[0]}: give each a name of its own")
    return ParquetLog(path, schema)


def _damaged_parquet(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: damaged Parquet ({str(error).splitlines()[0]}): get the file again")


def _json_keys(path: Path) -> tuple[str, ...]:
    """The keys of the first lines, in the order they are met; lines that are no object have none.

    Raises:
        UserError: none of them is an object with a key.
    """
    keys: dict[str, None] = {}
    with open_unpacked(path) as file:
        for number, raw in zip(range(1, LINES_LOOKED_AT + 1), file, strict=False):
            try:
                row = json.loads(decode(raw, f"{path}: line {number}").removeprefix("\ufeff"))
            except ValueError:
                continue
            keys |= dict.fromkeys(row) if isinstance(row, dict) else {}
    if not keys:
        raise UserError(f"{path}: its first lines are no JSON objects: write one object a line (JSONL)")
    return tuple(keys)


def _place(number: int) -> str:
    return f"_column_{number}"


def _by_place(rows: pyarrow.Table, columns: tuple[str, ...], *added: str) -> pyarrow.Table:
    """A table of the file's columns and of those `added` behind them, the former called by their place."""
    return rows.rename_columns([*map(_place, range(len(columns))), *added])


def _json_object(values: dict[str, str]) -> str:
    pairs = ", ".join(f"{literal(name)}, {value}" for name, value in values.items())
    return f"json_object({pairs})"


def _json_if_object(text: str) -> str:
    """SQL of a text as JSON if it is an object, else null."""
    return f"case when ltrim({text}, E' \\t')[1] = '{{' and json_valid({text}) then json({text}) end"


def _without(keys: tuple[str, ...]) -> str:
    """SQL of a JSON row without some of its keys, those nobody named among the rest."""
    return f"json_merge_patch(_object, {literal(json.dumps(dict.fromkeys(keys)))})"


def _pointer(key: str) -> str:
    """A JSON pointer (RFC 6901) to a key of a row, as an SQL literal."""
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
