"""What a reader hands over: rows by table, and the rows it could not use, each with its reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import polars

CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Reject:
    """A row that can't be loaded.

    `row_number` is the line of the file, or the entry's place in a JSON list, from 1. `reason` is the same
    text for every row with the same fault; what differs from row to row stands in brackets at its end.
    """

    row_number: int
    column: str | None
    reason: str
    raw_text: str


class UnusableRowError(Exception):
    """Raised by a reader's checks: which column of a row is at fault, and why."""

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True)
class Delivery:
    """All of a file. `tables` maps a raw table's name to rows that also hold their `_row_number`."""

    tables: dict[str, polars.DataFrame]
    rejects: list[Reject]
    rows_duplicate: int = 0
    licence: str | None = None
    published_on: date | None = None

    @property
    def rows_read(self) -> int:
        """Rows of the file: those of every table, the rejected and the duplicate."""
        return sum(frame.height for frame in self.tables.values()) + len(self.rejects) + self.rows_duplicate


@dataclass(frozen=True)
class Source:
    """One kind of file: how it is read, where its rows go, what stands in when none is given.

    A new file replaces the rows there are, or is appended to them; appended rows are deduplicated on
    `event_id`. `write_stand_in` writes a file of the same layout into a folder and returns its path.
    """

    name: str
    help: str
    read: Callable[[Path], Delivery]
    write_stand_in: Callable[[Path], Path]
    tables: tuple[str, ...]
    new_file: Literal["replaces", "appends"]
    licence: str


@dataclass
class RowBuffer:
    """Rows gathered one by one, and packed into columns in chunks: Python objects take ten times the room."""

    schema: dict[str, polars.DataType | type[polars.DataType]]
    _rows: list[tuple] = field(default_factory=list)
    _frames: list[polars.DataFrame] = field(default_factory=list)

    def append(self, row: tuple) -> None:
        """Add one row, its values in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) >= CHUNK_ROWS:
            self._pack()

    def to_frame(self) -> polars.DataFrame:
        """All rows so far as one frame."""
        self._pack()
        return polars.concat(self._frames)

    def _pack(self) -> None:
        self._frames.append(polars.DataFrame(self._rows, schema=self.schema, orient="row"))
        self._rows = []
