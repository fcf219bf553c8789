"""The manifest of loads: which batches there are, which of them are in `raw` now."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from common.errors import UserError
from common.lake import lake_of
from common.warehouse import is_file, open_warehouse, warehouse_path

RAW_TABLES = Path(__file__).with_name("raw_tables.sql")


@dataclass(frozen=True)
class Batch:
    """One line of `raw.load_manifest`; `loaded_at` is UTC. Its fields are the table's columns."""

    batch_id: str
    load_number: int
    revision: int
    source: str
    origin: str
    file_name: str
    sha256: str
    licence: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    loaded_at: datetime
    load_seconds: float
    is_current: bool = True
    options: str | None = None
    published_on: date | None = None


@dataclass(frozen=True)
class Stamp:
    """What tells a load from every other; `loaded_at` is UTC, without a zone, as every timestamp."""

    batch_id: str
    load_number: int
    revision: int
    loaded_at: datetime


@contextmanager
def open_raw() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for loading: `raw` and `truth` with all their tables are there, empty if need be.

    Raises:
        UserError: as `open_warehouse`; or it is a lake, whose rows come from a warehouse.
    """
    lake = lake_of(warehouse_path())
    if lake:
        raise UserError(
            f"{lake} is a lake, nothing is loaded into it: set WAREHOUSE_PATH to a warehouse, load there, "
            f"and run `python -m ingest publish {lake}`"
        )
    with open_warehouse() as connection:
        connection.execute(RAW_TABLES.read_text(encoding="utf-8"))
        yield connection


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of what is done inside, or, on any error, nothing of it."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def current_batches(connection: duckdb.DuckDBPyConnection, source: str) -> list[Batch]:
    """The manifest's lines of the batches whose rows are in `raw` now, the oldest first."""
    columns = ", ".join(field.name for field in fields(Batch))
    rows = connection.execute(
        f"""
        select {columns} from raw.load_manifest
        where source = ? and is_current
        order by load_number
        """,
        [source],
    ).fetchall()
    return [Batch(*row) for row in rows]


def loaded_sources(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The names of the sources that are loaded now, in order."""
    rows = connection.execute(
        "select distinct source from raw.load_manifest where is_current order by source"
    ).fetchall()
    return [source for (source,) in rows]


def peek_current_batches(source: str) -> list[Batch]:
    """`current_batches` of the warehouse as it stands, which may not exist yet.

    Raises:
        UserError: another process holds the warehouse, or it is no warehouse.
    """
    if not is_file(warehouse_path()):
        return []
    with open_raw() as connection:
        return current_batches(connection, source)


def peek_event_logs() -> list[Batch]:
    """The current batches of event logs: those of the user's own, copied or in place, or the generated one.

    Raises:
        UserError: as `peek_current_batches`.
    """
    if not is_file(warehouse_path()):
        return []
    with open_raw() as connection:
        rows = connection.execute(
            "select source from raw.events union select source from raw.files_in_place order by source"
        ).fetchall()
        return [batch for (source,) in rows for batch in current_batches(connection, source)]


def retire(connection: duckdb.DuckDBPyConnection, source: str, tables: Iterable[str]) -> None:
    """Empty a source's tables; its lines in the manifest and its rejects stay, as no longer current."""
    for table in tables:
        connection.execute(f"delete from {table}")
    retire_batches(connection, source)


def retire_batches(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Mark all loads of a source, whose rows were just deleted, as no longer current."""
    connection.execute(
        "update raw.load_manifest set is_current = false, revision = revision + 1 where source = ?", [source]
    )


def retire_batch(connection: duckdb.DuckDBPyConnection, source: str, batch_id: str) -> None:
    """Mark one load of a source, whose rows were just deleted, as no longer current."""
    connection.execute(
        """
        update raw.load_manifest
        set is_current = is_current and batch_id <> ?, revision = revision + 1
        where source = ?
        """,
        [batch_id, source],
    )


def new_stamp(connection: duckdb.DuckDBPyConnection, source: str, sha256: str) -> Stamp:
    """What a new load of a source is known by; its number and id are never used again.

    Call it after what the load replaces was retired.
    """
    [(load_number, revision)] = connection.execute(
        """
        select
            nextval('raw.load_numbers'),
            (select coalesce(max(revision), 0) from raw.load_manifest where source = ?)
        """,
        [source],
    ).fetchall()
    batch_id = f"{source}-{sha256[:12]}-{load_number}"
    return Stamp(batch_id, load_number, revision, datetime.now(UTC).replace(tzinfo=None))


def record(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Write a batch's line into the manifest."""
    names = [field.name for field in fields(Batch)]
    connection.execute(
        f"insert into raw.load_manifest ({', '.join(names)}) values ({', '.join('?' * len(names))})",
        [getattr(batch, name) for name in names],
    )
