"""A log's file, whatever its name says it is: its columns, its rows by and by, and SQL for what they hold."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow
from tqdm import tqdm

from common.errors import UserError
from common.quoting import quote_identifier
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, CsvFile
from ingest.reading.delivery import Reject
from ingest.reading.event_logs.options import Columns
from ingest.reading.event_logs.parquet_types import is_text, readable
from ingest.reading.json_records import json_records
from ingest.reading.parquet_files import open_parquet

BATCH_ROWS = 100_000
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

    def _blocks(self) -> Iterator[Block]:
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

    def _blocks(self) -> Iterator[Block]:
        first = 1
        with open_parquet(self.path) as file:
            bar = tqdm(total=file.metadata.num_rows, desc=self.path.name, disable=None, delay=2, leave=False)
            with bar:
                for record_batch in file.iter_batches(BATCH_ROWS, columns=list(self.columns)):
                    # The key `b` of a column `a` comes too where a column is called `a.b`.
                    batch = record_batch.select(list(self.columns))
                    # Only so is it known that each text is one: what reads them next takes that for granted.
                    batch.validate(full=True)
                    numbers = pyarrow.array(np.arange(first, first + batch.num_rows))
                    rows = pyarrow.table(
                        [*map(readable, batch.columns), numbers], [*self.columns, ROW_NUMBER]
                    )
                    yield _by_place(rows, self.columns, ROW_NUMBER), []
                    first += batch.num_rows
                    bar.update(batch.num_rows)

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
    def torn(self) -> str:
        return f"case when _object is null then coalesce({TORN}, 'the line is no JSON object') end"

    @property
    def raw_text(self) -> str:
        return rf"rtrim({RAW_TEXT}, E'\r\n')"

    def text(self, column: str) -> str:
        return f"trimmed(json_extract_string(_object, {self._pointer(column)}))"

    def is_unfit(self, column: str, text: str) -> str:
        kind = f"json_type(_object, {self._pointer(column)})"
        return (
            f"case when {text}[1] in ('{{', '[') or {text} in ('true', 'false') "
            f"then {kind} in ('OBJECT', 'ARRAY', 'BOOLEAN') else false end"
        )

    def value(self, column: str) -> str:
        return f"json_extract(_object, {self._pointer(column)})"

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
    return f"case when ltrim({text}, E' \\t\\r\\n')[1] = '{{' and json_valid({text}) then json({text}) end"


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
