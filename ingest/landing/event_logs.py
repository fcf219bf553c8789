"""Loads event logs: each file as a stream, then, once all of it is known, into `raw.events`."""

import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from common.errors import UserError
from ingest.landing.arrivals import (
    LICENCE,
    commonest_reject,
    described,
    is_read_alike,
    prepare,
    read_arrivals,
)
from ingest.landing.deliveries import check_reject_share
from ingest.landing.files_in_place import is_in_place
from ingest.landing.manifest import (
    Batch,
    current_batches,
    new_stamp,
    open_raw,
    record,
    retire_batch,
    transaction,
)
from ingest.landing.removal import Removal, later_loads
from ingest.reading.event_logs.files import LogFile
from ingest.reading.event_logs.opening import open_log
from ingest.reading.event_logs.options import Columns, EventLogOptions, resolve_columns
from ingest.reading.event_logs.statements import (
    COUNT_MET,
    HELD,
    INSERT_NEW,
    INSERT_REJECTS,
    NUMBERED,
    REPEATS,
    SAMPLED,
    create_arrivals,
)
from ingest.reading.files import sha256_of
from ingest.reading.paths import file_name

# A log whose new rows are nearly all of users at instants that the source holds was likely loaded before,
# read in another way; so many rows tell.
NEARLY_ALL = 0.9
ROWS_LOOKED_AT = 10_000


@dataclass(frozen=True)
class LoadedLog:
    """What became of a file.

    Args:
        batch: its line in the manifest.
        rows_held: its events that other loads had brought before.
        met_share: of its new events, the share whose user has an event of another load at the same instant.
    """

    batch: Batch
    rows_held: int
    met_share: float

    @property
    def is_likely_known(self) -> bool:
        """Whether this seems to be a log that is held already, read in another way."""
        return self.met_share >= NEARLY_ALL


@dataclass(frozen=True)
class LoadedLogs:
    """What became of the files of a load.

    Args:
        logs: what was loaded; files that are loaded already are left out.
        replaced: the loads that were taken out for it.
    """

    logs: list[LoadedLog]
    replaced: Removal


def load_event_logs(
    paths: list[Path], options: EventLogOptions, max_rejects: float = 1.0, *, replace: bool = False
) -> LoadedLogs:
    """Load files into one source, all or, if one of them can't be used, none.

    Args:
        replace: what the source holds of the same files, known by content or name, is taken out before.

    Raises:
        UserError: a file can't be used, or was loaded with other options; or another process holds the
            warehouse.
    """
    logs = [open_log(path, options) for path in paths]
    columns = [resolve_columns(options, log.path, log.named) for log in logs]
    loaded: list[LoadedLog] = []
    replaced = Removal([], [])
    with open_raw() as connection, transaction(connection):
        prepare(connection, options.time_zone)
        _refuse_in_place(connection, options.source)
        if replace:
            replaced = _take_out(connection, paths, options.source)
        for log, its_columns in zip(logs, columns, strict=True):
            result = _load(connection, log, its_columns, options, max_rejects)
            loaded += [result] if result else []
    return LoadedLogs(loaded, replaced)


def _refuse_in_place(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    if is_in_place(connection, source):
        raise UserError(
            f"{source} is read in place, and a source is either that or copied: choose another --source, or "
            f"`python -m ingest remove {source}` first"
        )


def _take_out(connection: duckdb.DuckDBPyConnection, paths: list[Path], source: str) -> Removal:
    """Take the rows of these files, known by content or name, out of the source; their rejects stay."""
    names, contents = {file_name(path) for path in paths}, {sha256_of(path) for path in paths}
    loads = current_batches(connection, source)
    taken = [batch for batch in loads if batch.file_name in names or batch.sha256 in contents]
    for batch in taken:
        connection.execute("delete from raw.events where _batch_id = ?", [batch.batch_id])
        retire_batch(connection, source, batch.batch_id)
    return Removal(taken, later_loads(loads, taken))


def _load(
    connection: duckdb.DuckDBPyConnection,
    log: LogFile,
    columns: Columns,
    options: EventLogOptions,
    max_rejects: float,
) -> LoadedLog | None:
    started, path, source = time.monotonic(), log.path, options.source
    sha256 = sha256_of(path)
    if _is_loaded(connection, path, sha256, options):
        return None
    stamp = new_stamp(connection, source, sha256)
    statement = create_arrivals(log, columns, options, sha256)
    rows_read, rows_rejected = read_arrivals(connection, log, statement, stamp.loaded_at)
    if rows_rejected:
        commonest = commonest_reject(connection)
        check_reject_share(path, rows_read, rows_rejected, commonest, max_rejects)
        connection.execute(INSERT_REJECTS, [stamp.batch_id, source, file_name(path)])
    rows_new, rows_held = _number(connection, source) if rows_read else (0, 0)
    if rows_new:
        # Never insert nothing: DuckDB 2.0.0 loses what is inserted after it in the same transaction.
        connection.execute(INSERT_NEW, [source, stamp.batch_id, file_name(path), stamp.loaded_at])
    batch = Batch(
        **vars(stamp),
        source=source,
        origin="real",
        file_name=file_name(path),
        sha256=sha256,
        licence=LICENCE,
        rows_read=rows_read,
        rows_loaded=rows_new,
        rows_rejected=rows_rejected,
        rows_duplicate=rows_read - rows_new - rows_rejected,
        load_seconds=time.monotonic() - started,
        options=described(options),
    )
    record(connection, batch)
    return LoadedLog(batch, rows_held, _met_share(connection, batch))


def _is_loaded(
    connection: duckdb.DuckDBPyConnection, path: Path, sha256: str, options: EventLogOptions
) -> bool:
    """Whether this very file is in the source, read in the same way.

    Raises:
        UserError: it is, read in another way.
    """
    for batch in current_batches(connection, options.source):
        if batch.sha256 == sha256:
            if is_read_alike(options, batch.options):
                return True
            raise UserError(
                f"{path} is loaded as {options.source} already, read in another way: --replace reads it "
                "anew, another --source keeps both"
            )
    return False


def _number(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[int, int]:
    """Number arrivals that are alike, and tell those that other loads brought; how many are new, and held."""
    connection.execute(REPEATS)
    connection.execute(NUMBERED)
    count, first, last = connection.execute(
        "select count(*), min(event_id), max(event_id) from numbered"
    ).fetchone()
    connection.execute(HELD, {"source": source, "first": first, "last": last})
    [(held,)] = connection.execute("select count(*) from held").fetchall()
    return count - held, held


def _met_share(connection: duckdb.DuckDBPyConnection, batch: Batch) -> float:
    """Of the new events, some where they are many, the share whose user has another load's at the instant."""
    is_first = len(current_batches(connection, batch.source)) == 1
    if is_first or not batch.rows_loaded:
        return 0.0
    connection.execute(SAMPLED, [batch.batch_id, max(1, batch.rows_read // ROWS_LOOKED_AT)])
    count, first, last = connection.execute(
        "select count(*), min(occurred_at), max(occurred_at) from sampled"
    ).fetchone()
    span = {"source": batch.source, "batch_id": batch.batch_id, "first": first, "last": last}
    [(met,)] = connection.execute(COUNT_MET, span).fetchall()
    return met / count if count else 0.0
