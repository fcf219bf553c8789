"""What a reader hands over: rows by table, and the rows it could not use, each with its reason."""

from dataclasses import dataclass, field
from datetime import date

import pyarrow

CHUNK_ROWS = 5_000


@dataclass(frozen=True)
class Reject:
    """A row that can't be loaded.

    `row_number` is the line of the file, or the entry's place in a JSON list, from 1. `reason` is the same
    text for every row with the same fault; what differs from row to row stands in brackets at its end.
    `file_name` is given where a load is of several files.
    """

    row_number: int
    column: str | None
    reason: str
    raw_text: str
    file_name: str | None = None


class UnusableRowError(Exception):
    """Raised by a reader's checks: which column of a row is at fault, and why."""

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True)
class Delivery:
    """All of a file. `tables` maps a raw table's name to rows that also hold their `_row_number`.

    `file_names` names a table's own file, where a load is of several.
    """

    tables: dict[str, pyarrow.Table]
    rejects: list[Reject]
    rows_duplicate: int = 0
    licence: str | None = None
    published_on: date | None = None
    file_names: dict[str, str] = field(default_factory=dict)

    @property
    def rows_read(self) -> int:
        """Rows of the file: those of every table, the rejected and the duplicate."""
        return sum(table.num_rows for table in self.tables.values()) + len(self.rejects) + self.rows_duplicate


@dataclass
class RowBuffer:
    """Rows gathered one by one, and packed into columns in chunks.

    As Python objects they take ten times the room, and the garbage collector walks over each of them.
    """

    schema: dict[str, pyarrow.DataType]
    _rows: list[tuple] = field(default_factory=list)
    _batches: list[pyarrow.RecordBatch] = field(default_factory=list)

    def append(self, row: tuple) -> None:
        """Add one row, its values in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) >= CHUNK_ROWS:
            self._pack()

    def to_table(self) -> pyarrow.Table:
        """All rows so far as one table."""
        self._pack()
        return pyarrow.Table.from_batches(self._batches, pyarrow.schema(self.schema))

    def _pack(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ((),) * len(self.schema)
        arrays = [
            pyarrow.array(column, type_) for column, type_ in zip(columns, self.schema.values(), strict=True)
        ]
        self._batches.append(pyarrow.record_batch(arrays, schema=pyarrow.schema(self.schema)))
        self._rows = []
