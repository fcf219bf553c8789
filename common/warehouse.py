"""The one door to DuckDB: where the warehouse lives, how it is opened, how names are quoted."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from common.errors import UserError

DEFAULT_PATH = "warehouse/engagement.duckdb"
# DuckDB 1.4 and 1.5 clients can't open a file written with 2.0's own default.
STORAGE_VERSION = "v1.4.0"
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


def warehouse_path() -> Path:
    """The warehouse file: `WAREHOUSE_PATH`, or `warehouse/engagement.duckdb` below the working directory."""
    return Path(os.environ.get("WAREHOUSE_PATH") or DEFAULT_PATH)


def quote_identifier(name: str) -> str:
    """`name` as an SQL identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def open_warehouse(*, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, and close it at the end; a writing connection creates the file where it is missing.

    Raises:
        UserError: the file is missing (when only reading), has a reserved name, is in use by another process,
            or is no warehouse.
    """
    path = warehouse_path()
    if read_only and not path.exists():
        raise UserError(f"no warehouse at {path}: run `python -m ingest` first, or set WAREHOUSE_PATH")
    connection = _connect(path, read_only=read_only)
    try:
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise UserError(
            f"{path}: {str(error).splitlines()[0]}: nothing was kept of this step; free disk space or memory "
            "and run it again"
        ) from error
    finally:
        connection.close()


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    if path.stem.lower() in RESERVED_NAMES:
        raise UserError(
            f"{path}: a warehouse can't be called {path.stem}: set WAREHOUSE_PATH to another name"
        )
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(
            str(path), read_only=read_only, config={"storage_compatibility_version": STORAGE_VERSION}
        )
    except (OSError, duckdb.Error) as error:
        raise UserError(_explain(path, str(error))) from error


def _explain(path: Path, message: str) -> str:
    holder = re.search(r"Conflicting lock is held in (.+?)\.?\s+(?:See|However|$)", message)
    if holder:
        return f"{path} is in use by {holder[1]}: wait for it to end, or set WAREHOUSE_PATH to another file"
    first_line = message.splitlines()[0]
    return f"{path} can't be opened as a warehouse ({first_line}): move it away, or set WAREHOUSE_PATH"
