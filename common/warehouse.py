"""The one door to DuckDB: where the warehouse lives, how it is opened."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from common.errors import UserError
from common.lake import DATABASE, is_lake, lake_of, read_lake
from common.lake_runs import export_runs

DEFAULT_PATH = "warehouse/engagement.duckdb"
# DuckDB 1.4 and 1.5 clients can't open a file written with 2.0's own default; and nothing is ever fetched to
# open what another program wrote.
CONFIG = {
    "storage_compatibility_version": "v1.4.0",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# A path that DuckDB takes for a database elsewhere, and file names that need no quoting anywhere.
PREFIX = re.compile(r":|\w\w+:")
NAME = re.compile(r"\w[\w .-]*")
# dbt takes the path for an address; the last are bytes that are no UTF-8.
FORBIDDEN = re.compile(r"[#?;\ud800-\udfff]")
# DuckDB names the database after the file; with one of these names `marts.x` would be ambiguous, or refused.
RESERVED_NAMES = {
    "raw",
    "truth",
    "staging",
    "intermediate",
    "marts",
    "ml",
    "main",
    "system",
    "temp",
    "memory",
}
OUT_OF_ROOM = (duckdb.IOException, duckdb.OutOfMemoryException)
# What else reading a damaged file ends in.
DAMAGED = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
OTHER_PROGRAM = "it is a file of another program"


def warehouse_path() -> Path:
    """The warehouse file: `WAREHOUSE_PATH`, or `warehouse/engagement.duckdb` below the working directory.

    Of a lake, the DuckDB file in it.
    """
    path = Path(os.environ.get("WAREHOUSE_PATH") or DEFAULT_PATH)
    return path / DATABASE if is_lake(path) else path


def how_to_build() -> str:
    """The commands that make the marts of the warehouse, for a message."""
    if lake_of(warehouse_path()):
        return "`dbt build --target spark`, then `dbt run --target lake`"
    return "`dbt build`"


@contextmanager
def open_warehouse(*, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, and close it at the end; a writing connection creates the file where it is missing.

    Training runs that were written into a lake's DuckDB file are in the lake itself at the end.

    Raises:
        UserError: as `connect` and `check_lake`; the file is missing (when only reading); or, while it is
            open, disk or memory run out, or the file turns out to be damaged.
    """
    path = warehouse_path()
    lake = lake_of(path)
    if lake:
        check_lake(lake)
    connection = connect(path, CONFIG, read_only=read_only)
    try:
        yield connection
        if lake and not read_only:
            _export_runs(connection, lake)
    except OUT_OF_ROOM as error:
        if lake and "No files found" in str(error):
            raise UserError(
                f"{lake}: {_first_line(error)}: it was moved, or is being built: run {how_to_build()}, or "
                "publish to it again"
            ) from error
        raise UserError(
            f"{path}: {_first_line(error)}: nothing was kept of this step: free disk space or memory and run "
            "it again"
        ) from error
    except duckdb.Error as error:
        # A checksum that is wrong has no class of its own.
        if type(error) is not duckdb.Error and not isinstance(error, DAMAGED):
            raise
        raise UserError(
            f"{path} can't be read on ({_first_line(error)}): if it is damaged, move it away and load anew"
        ) from error
    finally:
        connection.close()


def check_lake(folder: Path) -> None:
    """Raise `UserError` unless a lake is published to the end, of this version, with its DuckDB file."""
    read_lake(folder)
    if not is_file(folder / DATABASE):
        raise UserError(f"{folder} has no {DATABASE}: run `python -m ingest publish {folder}` again")


def _export_runs(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    try:
        export_runs(connection, lake)
    except (OSError, duckdb.IOException) as error:
        raise UserError(
            f"{lake / DATABASE} has the training runs, {lake / 'ml'} not yet ({_first_line(error)}): free "
            "disk space; the next training run or publication writes them"
        ) from error


def connect(
    path: Path, config: Mapping[str, object], *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to the warehouse at `path`, for whoever closes it.

    Raises:
        UserError: the path can't be that of a warehouse, what is there is no warehouse, or another process
            holds it.
    """
    is_there = is_file(path)
    if read_only and not is_there:
        raise UserError(f"no warehouse at {path}: run `python -m ingest` first, or set WAREHOUSE_PATH")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), read_only=read_only, config=dict(config))
    except (OSError, duckdb.Error) as error:
        raise UserError(_explain(path, error)) from error
    # What has rows of its own is opened as a view of them, or by an extension that happens to be there.
    opened = "select 1 from duckdb_databases() where type = 'duckdb' and path is not null and not internal"
    if not connection.execute(opened).fetchall():
        connection.close()
        raise UserError(_explain(path, OTHER_PROGRAM))
    return connection


def is_file(path: Path) -> bool:
    """Whether there is a file; False when there is nothing. It isn't opened: that would end DuckDB's lock.

    Raises:
        UserError: the path can't be that of a warehouse.
    """
    _refuse_name(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(_explain(path, error)) from error
    # Opening a FIFO would wait for ever.
    if not stat.S_ISREG(mode):
        raise UserError(_explain(path, "a folder" if stat.S_ISDIR(mode) else "no regular file"))
    return True


def _refuse_name(path: Path) -> None:
    """Raise `UserError` where DuckDB or dbt would take the path for something else than a file's.

    `:memory:` would be a warehouse that ends with the process, `md:x` and `sqlite:x` ask for extensions, and
    both programs name the database after the file, without quoting that everywhere.
    """
    if PREFIX.match(str(path)) or not NAME.fullmatch(path.name) or FORBIDDEN.search(str(path)):
        raise UserError(
            f"{path} can't be a warehouse: set WAREHOUSE_PATH to a file whose name has letters, digits, "
            "spaces, _, - and dots, in folders without #, ? and ;"
        )
    name = path.name.split(".")[0]
    if name.lower() in RESERVED_NAMES:
        raise UserError(f"{path}: a warehouse can't be called {name}: set WAREHOUSE_PATH to another name")


def _explain(path: Path, reason: Exception | str) -> str:
    holder = re.search(r"Conflicting lock is held in (.+?)\.?\s+(?:See|However|$)", str(reason))
    if holder:
        return f"{path} is in use by {holder[1]}: wait for it to end, or set WAREHOUSE_PATH to another file"
    # Asked for when the file is one of SQLite, say.
    if "Extension" in str(reason):
        reason = OTHER_PROGRAM
    return (
        f"{path} can't be opened as a warehouse ({_first_line(reason)}): move it away, or set WAREHOUSE_PATH"
    )


def _first_line(reason: Exception | str) -> str:
    text = (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
    return text.partition("\n")[0]
