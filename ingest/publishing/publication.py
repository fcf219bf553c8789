"""One publication: parts, then the manifest, then the lake's own DuckDB file.

Killed before the manifest is replaced, it never was.
"""

import contextlib
import fcntl
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from common.errors import UserError
from common.lake import (
    DATABASE,
    FORBIDDEN,
    LOCK,
    MANIFEST,
    SCHEMAS,
    Lake,
    Part,
    Table,
    is_lake,
    lake_of,
    read_lake,
    write_lake,
)
from common.lake_runs import export_runs, import_runs
from common.lake_views import create_views
from common.warehouse import CONFIG, connect, open_warehouse, warehouse_path
from ingest.publishing.progress import Progress
from ingest.publishing.tables import plan_table, warehouse_tables, write_table

NOTHING = Lake("", "", ())
MEMORY_LIMIT = "1GB"


@dataclass(frozen=True)
class Publication:
    """What a publication did.

    Attributes:
        loads_written, loads_kept, loads_dropped: loads with a part that is new; with none that is; those that
            are named no longer, whose files go at the next publication.
        rows, rows_written: of all tables; of the parts and tables that are new.
        bytes, bytes_written: the same of their files.
        runs_written: training runs that the lake lacked.
    """

    tables: int
    loads_written: int
    loads_kept: int
    loads_dropped: int
    rows: int
    rows_written: int
    bytes: int
    bytes_written: int
    runs_written: int
    seconds: float


def publish(folder: Path) -> Publication:
    """Write the warehouse to the lake at `folder`, which is made where there is nothing.

    A reader of the manifest finds the publication before this one, or this one, whole.

    Raises:
        UserError: there is no warehouse; the folder is something else than a lake, or of another version; it
            is being published to; or it can't be written. The lake is then as it was.
    """
    started = time.monotonic()
    folder = folder.absolute()
    _refuse(folder)
    with open_warehouse(read_only=True) as warehouse:
        _check_warehouse(warehouse)
        with _writing(folder), _locked(folder):
            before = _read_before(folder)
            # Told now, not after minutes of writing, that it is in use.
            connect(folder / DATABASE, CONFIG).close()
            tables = _write_tables(warehouse, folder, before)
            after = before if tables == before.tables else _new_lake(tables)
            with contextlib.closing(connect(folder / DATABASE, CONFIG)) as database:
                # What training in the lake left in its DuckDB file alone when it was killed.
                export_runs(database, folder)
                runs_written = export_runs(warehouse, folder)
                write_lake(folder, after)
                _refresh(database, warehouse, folder, after)
    return _summary(folder, before, after, runs_written, time.monotonic() - started)


def _read_before(folder: Path) -> Lake:
    return read_lake(folder) if (folder / MANIFEST).exists() else NOTHING


def _new_lake(tables: tuple[Table, ...]) -> Lake:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Lake(uuid.uuid4().hex, now, tables)


def _refuse(folder: Path) -> None:
    """Raise `UserError` where there can't be a lake, or is something else."""
    if FORBIDDEN.search(str(folder)):
        raise UserError(f"{folder} can't be a lake: choose a path without = * ? [ ] {{ }} # ; : and \\")
    if lake_of(warehouse_path()):
        raise UserError(
            f"WAREHOUSE_PATH is a lake ({warehouse_path().parent}): set it to the warehouse that is to be "
            "published"
        )
    try:
        others = list(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{folder} can't be a lake ({error.strerror}): choose another folder") from error
    if others and not is_lake(folder):
        raise UserError(f"{folder} holds other things and is no lake: choose a new or an empty folder for it")
    _read_before(folder)


def _check_warehouse(connection: duckdb.DuckDBPyConnection) -> None:
    columns = connection.execute(
        "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = 'load_manifest'"
    ).fetchall()
    if not columns:
        raise UserError(
            f"{warehouse_path()} is no warehouse yet: run `python -m ingest`, or set WAREHOUSE_PATH"
        )
    if ("load_number",) not in columns:
        raise UserError(f"{warehouse_path()} is of an older version: run `python -m ingest` once")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Says in one line what kept the lake from being written."""
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        raise UserError(
            f"{folder} can't be written ({_first_line(error)}): it is as it was; free disk space or its "
            "folders, and publish again"
        ) from error


def _first_line(error: OSError | duckdb.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One publication at a time; the lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{folder} is being published to by another process: wait for it to end"
            ) from error
        yield


def _write_tables(warehouse: duckdb.DuckDBPyConnection, folder: Path, before: Lake) -> tuple[Table, ...]:
    """Write what the lake lacks of the warehouse's tables; where that fails, nothing of it is left."""
    _clear(folder, before)
    known = {(table.schema, table.name): table for table in before.tables}
    found = warehouse_tables(warehouse)
    tables = [plan_table(warehouse, table, known.get((table.schema, table.name))) for table in found]
    # The same rows in any order; what was read of a large table makes room for more.
    warehouse.execute("set preserve_insertion_order = false")
    warehouse.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    try:
        with Progress(warehouse, sum(table.rows for table in tables)) as progress:
            for table, planned in zip(found, tables, strict=True):
                write_table(warehouse, table, planned, folder, progress)
    except BaseException:
        _clear(folder, before)
        raise
    return tuple(tables)


def _clear(folder: Path, lake: Lake) -> None:
    """Delete what the manifest doesn't name: of the one before it, and of publications that were killed."""
    named = {folder / part for table in lake.tables for part in table.folders}
    # Of a table that no load has rows in, too.
    on_the_way = {folder / table.folder for table in lake.tables} - named
    on_the_way |= {parent for path in on_the_way | named for parent in path.parents}
    waiting = [folder / schema for schema in SCHEMAS]
    while waiting:
        path = waiting.pop()
        if path in on_the_way:
            waiting += path.iterdir()
        elif path not in named and path.is_dir():
            shutil.rmtree(path)
        elif path not in named:
            path.unlink(missing_ok=True)


def _refresh(
    database: duckdb.DuckDBPyConnection, warehouse: duckdb.DuckDBPyConnection, folder: Path, lake: Lake
) -> None:
    """Have the lake's DuckDB file show what the manifest, which is written, says."""
    try:
        create_views(database, folder, lake)
        _create_ml_tables(warehouse, database)
        import_runs(database, folder)
    except (OSError, duckdb.IOException) as error:
        raise UserError(
            f"{folder} is published, but {DATABASE} in it still shows the publication before "
            f"({_first_line(error)}): free disk space and publish again"
        ) from error


def _create_ml_tables(warehouse: duckdb.DuckDBPyConnection, database: duckdb.DuckDBPyConnection) -> None:
    """Those tables of `ml` that the lake's DuckDB file lacks, as the warehouse declares them."""
    declared = "select table_name, sql from duckdb_tables() where schema_name = 'ml'"
    held = {name for name, _ in database.execute(declared).fetchall()}
    database.execute("create schema if not exists ml")
    for name, statement in warehouse.execute(declared).fetchall():
        if name not in held:
            database.execute(statement)


def _summary(folder: Path, before: Lake, after: Lake, runs_written: int, seconds: float) -> Publication:
    known = {path for table in before.tables for path in table.folders}
    parts = {part for table in after.tables for part in table.parts}
    loads = {part.batch_id for part in parts}
    written = {part.batch_id for part in parts if part.folder not in known}
    sizes = {path: _size(folder / path) for table in after.tables for path in table.folders}
    return Publication(
        tables=len(after.tables),
        loads_written=len(written),
        loads_kept=len(loads - written),
        loads_dropped=len({part.batch_id for table in before.tables for part in table.parts} - loads),
        rows=sum(table.rows for table in after.tables),
        rows_written=sum(_new_rows(table, known) for table in after.tables),
        bytes=sum(sizes.values()),
        bytes_written=sum(size for path, size in sizes.items() if path not in known),
        runs_written=runs_written,
        seconds=seconds,
    )


def _new_rows(table: Table, known: set[str]) -> int:
    new: list[Table] | list[Part] = list(table.parts) if table.partitioned_by else [table]
    return sum(part.rows for part in new if part.folder not in known)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.parquet"))
