"""A log's file, whatever its name says it is: its columns, its rows by and by, and SQL for what they hold."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
from tqdm import tqdm

from common.errors import UserError
from common.warehouse import quote_identifier
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, CsvFile
from ingest.reading.delivery import Reject
from ingest.reading.event_logs.options import Columns
from ingest.reading.json_records import json_records
from ingest.reading.parquet_files import open_parquet

BATCH_ROWS = 100_000

Block = tuple[pyarrow.Table, list[Reject]]


class LogFile(ABC):
    """A file of events. A block is a table with `_row_number`, and the rows that could not be parted.

    In a block the file's columns are called by their place: SQL takes `Who` and `who` for one name, and a
    file may have a `_row_number` of its own.
    """

    path: Path
    columns: tuple[str, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """What a flag may name: the columns, and of JSON keys within keys those that a flag does name."""
        return self.columns

    def blocks(self) -> Iterator[Block]:
        """All rows, some at a time.

        Raises:
            UserError: the file is damaged or not UTF-8, or it has no rows.
        """
        count = 0
        for rows, rejects in self._blocks():
            count += rows.num_rows + len(rejects)
            yield rows, rejects
        if not count:
            raise UserError(f"{self.path} has columns, but no rows: check that it is the file you mean")

    @abstractmethod
    def _blocks(self) -> Iterator[Block]:
        """As `blocks`, without a look at whether there are any."""

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

    def _blocks(self) -> Iterator[Block]:
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

    def _blocks(self) -> Iterator[Block]:
        first = 1
        with open_parquet(self.path) as file:
            bar = tqdm(total=file.metadata.num_rows, desc=self.path.name, disable=None, delay=2, leave=False)
            with bar:
                for batch in file.iter_batches(BATCH_ROWS):
                    # Only so is it known that each text is one: what reads them next takes that for granted.
                    batch.validate(full=True)
                    numbers = pyarrow.array(range(first, first + batch.num_rows), pyarrow.int64())
                    rows = pyarrow.table(batch).append_column(ROW_NUMBER, numbers)
                    yield _by_place(rows, self.columns, ROW_NUMBER), []
                    first += batch.num_rows
                    bar.update(batch.num_rows)

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
    """Objects, one a line or in a list.

    `nested` has the flags' names that lead to a key within a key, such as `user.id`, each with its keys.
    """

    path: Path
    columns: tuple[str, ...]
    is_list: bool = False
    encoding: str | None = None
    nested: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        return (*self.columns, *self.nested)

    def _blocks(self) -> Iterator[Block]:
        for records in json_records(self.path, self.encoding, is_list=self.is_list):
            numbers = pyarrow.array(records.line_numbers)
            yield pyarrow.table({ROW_NUMBER: numbers, RAW_TEXT: records.texts}), []

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
        return f"nullif(trim(json_extract_string(_object, {self._pointer(column)})), '')"

    def value(self, column: str) -> str:
        return f"json_extract(_object, {self._pointer(column)})"

    def identity(self, columns: Columns) -> str:
        # Whether one column is the properties itself is known of the file, not of the row.
        return self.properties(columns) if columns.properties is not None else self._without(columns.used)

    def properties(self, columns: Columns) -> str:
        if columns.properties is not None:
            return super().properties(columns)
        kept = columns.kept(self.columns)
        left_over = self._without(columns.used)
        if len(kept) != 1:
            return left_over
        inner = _json_if_object(self.text(kept[0]))
        return f"coalesce(json_merge_patch({self._without((*columns.used, *kept))}, {inner}), {left_over})"

    def _without(self, keys: tuple[str, ...]) -> str:
        """SQL of a row without some of its keys, those nobody named among the rest.

        A key that holds one of `nested` stays whole.
        """
        gone = {key: None for key in keys if key not in self.nested}
        return f"json_merge_patch(_object, {literal(json.dumps(gone))})"

    def _pointer(self, column: str) -> str:
        """A JSON pointer (RFC 6901) to a column of a row, as an SQL literal."""
        keys = self.nested.get(column, (column,))
        return literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))


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


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
