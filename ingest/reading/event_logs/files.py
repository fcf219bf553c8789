"""A log's file, whatever its name says it is: its columns, its rows by and by, and SQL for what they hold."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow
from pyarrow import parquet
from tqdm import tqdm

from common.errors import UserError
from common.warehouse import quote_identifier
from ingest.reading.blocks import BYTE_ORDER_MARK, line_blocks, line_records
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, CsvFile, open_csv
from ingest.reading.delivery import Reject
from ingest.reading.event_logs.options import Columns
from ingest.reading.files import decode, open_unpacked

PARQUET_MAGIC, ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
BATCH_ROWS = 100_000
# Lines whose keys are the columns of a JSONL file; a key met later only is kept as a property.
LINES_LOOKED_AT = 1_000

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
    def is_readable(self) -> str:
        """SQL of whether the row could be parted into columns."""
        return "true"

    @abstractmethod
    def text(self, column: str) -> str:
        """SQL of a column's value as text; null where it is empty."""

    @abstractmethod
    def value(self, column: str) -> str:
        """SQL of a column's value as a JSON object can hold it."""

    def placed(self, column: str) -> str:
        """SQL of a column of a block, as it is called there."""
        return quote_identifier(_place(self.columns.index(column)))

    def identity(self, columns: Columns) -> str:
        """SQL of what tells a row's properties from another's; it depends on no other row of the file."""
        return self.properties(columns)

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
        return f"nullif(trim({self.placed(column)}), '')"

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
                    numbers = pyarrow.array(range(first, first + batch.num_rows), pyarrow.int64())
                    rows = pyarrow.table(batch).append_column(ROW_NUMBER, numbers)
                    yield _by_place(rows, self.columns, ROW_NUMBER), []
                    first += batch.num_rows
                    bar.update(batch.num_rows)
            except (OSError, pyarrow.ArrowException) as error:
                raise _damaged_parquet(self.path, error) from error

    def text(self, column: str) -> str:
        name, kind = self.placed(column), self.schema.field(column).type
        if pyarrow.types.is_timestamp(kind) and kind.tz:
            return f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%fZ')"
        if pyarrow.types.is_floating(kind):
            # A number as a person writes it: 1e9 is no time since 1970.
            return f"rtrim(rtrim(cast(try_cast({name} as decimal(38, 9)) as varchar), '0'), '.')"
        return f"nullif(trim(cast({name} as varchar)), '')"

    @property
    def raw_text(self) -> str:
        return f"cast({_json_object({column: self.value(column) for column in self.columns})} as varchar)"

    def value(self, column: str) -> str:
        name = self.placed(column)
        # JSON has no NaN and no infinity.
        is_float = pyarrow.types.is_floating(self.schema.field(column).type)
        return f"case when isfinite({name}) then {name} end" if is_float else name


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
    def is_readable(self) -> str:
        return "_object is not null"

    @property
    def raw_text(self) -> str:
        return rf"rtrim({RAW_TEXT}, E'\r\n')"

    def text(self, column: str) -> str:
        return f"nullif(trim(json_extract_string(_object, {_pointer(column)})), '')"

    def value(self, column: str) -> str:
        return f"json_extract(_object, {_pointer(column)})"

    def identity(self, columns: Columns) -> str:
        # Whether one column is the properties itself is known of the file, not of the row.
        return self.properties(columns) if columns.properties is not None else _without(columns.used)

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
    return f"case when json_valid({text}) then case json_type({text}) when 'OBJECT' then json({text}) end end"


def _without(keys: tuple[str, ...]) -> str:
    """SQL of a JSON row without some of its keys, those nobody named among the rest."""
    return f"json_merge_patch(_object, {literal(json.dumps(dict.fromkeys(keys)))})"


def _pointer(key: str) -> str:
    """A JSON pointer (RFC 6901) to a key of a row, as an SQL literal."""
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
