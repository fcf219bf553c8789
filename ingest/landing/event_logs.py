"""Loads event logs: each file block by block, then, once all of it is known, into `raw.events`."""

import json
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from common.errors import UserError
from ingest.landing.deliveries import check_reject_share, insert_rejects
from ingest.landing.manifest import Batch, current_batches, new_stamp, open_raw, record, transaction
from ingest.reading.event_logs.files import LogFile
from ingest.reading.event_logs.opening import open_log
from ingest.reading.event_logs.options import Columns, EventLogOptions, resolve_columns
from ingest.reading.event_logs.statements import (
    ARRIVALS,
    INSERT_NEW,
    INSERT_REJECTS,
    REPEATS,
    TIMES,
    insert_block,
)
from ingest.reading.files import sha256_of
from ingest.reading.paths import file_name

EARLIEST = datetime(1990, 1, 1)
CLOCK_ERROR = timedelta(days=1)
LICENCE = "as the file's owner says"
# With what the reader itself holds, well below 1.5 GB for a file of any size: the rest spills to disk.
MEMORY_LIMIT = "800MB"


def load_event_logs(paths: list[Path], options: EventLogOptions, max_rejects: float = 1.0) -> list[Batch]:
    """Load files into one source, all or, if one of them can't be used, none.

    Returns:
        What was loaded, a batch a file; those that are loaded already have none.

    Raises:
        UserError: a file can't be used, or was loaded with other options; or another process holds the
            warehouse.
    """
    logs = [open_log(path, options) for path in paths]
    columns = [resolve_columns(options, log.path, log.named) for log in logs]
    batches: list[Batch] = []
    with open_raw() as connection, transaction(connection):
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(TIMES)
        for log, its_columns in zip(logs, columns, strict=True):
            batch = _load(connection, log, its_columns, options, max_rejects)
            batches += [batch] if batch else []
    return batches


def _load(
    connection: duckdb.DuckDBPyConnection,
    log: LogFile,
    columns: Columns,
    options: EventLogOptions,
    max_rejects: float,
) -> Batch | None:
    started, path = time.monotonic(), log.path
    sha256 = sha256_of(path)
    described = json.dumps(asdict(options))
    for batch in current_batches(connection, options.source):
        if batch.sha256 != sha256:
            continue
        if batch.options == described:
            return None
        raise UserError(
            f"{path} is loaded as {options.source} already, read in another way: choose another --source"
        )
    known_by = new_stamp(connection, options.source, sha256)
    stamp = [known_by.batch_id, file_name(path), known_by.loaded_at]
    rows_read, rows_rejected = _read(connection, log, columns, options, stamp)
    if rows_rejected:
        commonest = _commonest_reject(connection, known_by.batch_id)
        check_reject_share(path, rows_read, rows_rejected, commonest, max_rejects)
    rows_loaded = _insert_new(connection, options.source, stamp)
    batch = Batch(
        **vars(known_by),
        source=options.source,
        origin="real",
        file_name=file_name(path),
        sha256=sha256,
        licence=LICENCE,
        rows_read=rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=rows_rejected,
        rows_duplicate=rows_read - rows_loaded - rows_rejected,
        load_seconds=time.monotonic() - started,
        options=described,
    )
    record(connection, batch)
    return batch


def _read(
    connection: duckdb.DuckDBPyConnection,
    log: LogFile,
    columns: Columns,
    options: EventLogOptions,
    stamp: list,
) -> tuple[int, int]:
    """Read all rows into `arrivals`, those that are no events on into `raw.rejects`; how many of both."""
    batch_id, file_name, loaded_at = stamp
    connection.execute(ARRIVALS)
    statement = insert_block(log, columns)
    values = {
        "date_order": options.date_order,
        "time_zone": options.time_zone,
        "earliest": EARLIEST,
        "latest": loaded_at + CLOCK_ERROR,
    }
    rows_read = rows_torn = 0
    # The statement finds `block` as the local variable it is: one registered is held until the commit.
    for block, rejects in log.blocks():
        insert_rejects(connection, options.source, rejects, batch_id, file_name)
        connection.execute(statement, values)
        rows_read += block.num_rows + len(rejects)
        rows_torn += len(rejects)
    [(count,)] = connection.execute(INSERT_REJECTS, [batch_id, options.source, file_name]).fetchall()
    return rows_read, rows_torn + count


def _insert_new(connection: duckdb.DuckDBPyConnection, source: str, stamp: list) -> int:
    """Insert the arrivals that are not there yet; how many."""
    connection.execute(REPEATS)
    [(count,)] = connection.execute(INSERT_NEW, [source, *stamp, source]).fetchall()
    return count


def _commonest_reject(connection: duckdb.DuckDBPyConnection, batch_id: str) -> tuple[str, int, int]:
    """The commonest reason, how often it is met, and in which row first."""
    [commonest] = connection.execute(
        """
        select reason, count(*) as row_count, min(row_number)
        from raw.rejects
        where batch_id = ?
        group by reason
        order by row_count desc, reason
        limit 1
        """,
        [batch_id],
    ).fetchall()
    return commonest
