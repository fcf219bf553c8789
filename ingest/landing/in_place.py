"""Registers event logs that are read where they lie: each file is a load, of which nothing is copied."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from common.errors import UserError
from ingest.landing.arrivals import LICENCE, commonest_reject, described, is_read_alike, prepare
from ingest.landing.deliveries import check_reject_share
from ingest.landing.event_logs import LoadedLog, LoadedLogs
from ingest.landing.files_in_place import (
    FileCounts,
    count_held,
    forget_files,
    mark_shared,
    overlapping,
    read_again,
    read_ids,
    start_ids,
)
from ingest.landing.manifest import (
    Batch,
    Stamp,
    current_batches,
    new_stamp,
    open_raw,
    record,
    retire_batch,
    transaction,
)
from ingest.landing.removal import Removal
from ingest.reading.event_logs.in_place import FileInPlace, open_in_place
from ingest.reading.event_logs.opening import open_log
from ingest.reading.event_logs.options import EventLogOptions, resolve_columns
from ingest.reading.files import sha256_of
from ingest.reading.paths import file_name

INSERT_REJECTS = """
    insert into raw.rejects_in_place
    select
        ? as batch_id,
        ? as source,
        ? as file_name,
        column_name,
        reason,
        count(*) as rows_count,
        min(_row_number) as first_row_number
    from arrivals
    where reason is not null
    group by all
"""


@dataclass(frozen=True)
class _Reading:
    """A file that was read for the first time, and what is to be written of it."""

    file: FileInPlace
    stamp: Stamp
    counts: FileCounts
    content_sha256: str | None
    seconds: float


def register_event_logs(
    paths: list[Path], options: EventLogOptions, max_rejects: float = 1.0, *, replace: bool = False
) -> LoadedLogs:
    """Register files of one source, all or, if one of them can't be used, none.

    Args:
        replace: what is registered of the same paths is taken out before.

    Raises:
        UserError: a file can't be read in place, is registered with other options or has changed since; the
            files differ in their columns; the source holds copied rows; another process holds the warehouse.
    """
    files = _open_files(paths, options)
    with open_raw() as connection, transaction(connection):
        prepare(connection, options.time_zone)
        _refuse_copied(connection, options.source)
        replaced = _take_out(connection, files, options.source) if replace else Removal([], [])
        fresh = [file for file in files if not _is_registered(connection, file, options)]
        start_ids(connection)
        readings = [_read(connection, file, options, max_rejects) for file in fresh]
        spans = [(reading.counts.first_id, reading.counts.last_id) for reading in readings]
        for batch in overlapping(connection, options.source, spans):
            read_again(connection, batch)
        held = count_held(connection)
        batches = [_record(connection, reading, options, held) for reading in readings]
        mark_shared(connection, list(held))
    return LoadedLogs(
        [LoadedLog(batch, held.get(batch.load_number, 0), met_share=0.0) for batch in batches], replaced
    )


def _open_files(paths: list[Path], options: EventLogOptions) -> list[FileInPlace]:
    """The files, each once; they are read as one, so all of them have the same columns."""
    files: dict[Path, FileInPlace] = {}
    for path in paths:
        log = open_log(path, options)
        file = open_in_place(log, resolve_columns(options, path, log.named))
        files.setdefault(file.path, file)
    first = next(iter(files.values()))
    for file in files.values():
        if file.mapping(options) != first.mapping(options):
            raise UserError(
                f"{file.path}: its columns or their types are not those of {first.path}: register such files "
                "one after the other"
            )
    return list(files.values())


def _refuse_copied(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    rows = connection.execute("select batch_id from raw.files_in_place where source = ?", [source]).fetchall()
    if {batch.batch_id for batch in current_batches(connection, source)} - {batch_id for (batch_id,) in rows}:
        raise UserError(
            f"{source} was loaded by copy, and a source is either that or read in place: choose another "
            f"--source, or `python -m ingest remove {source}` first"
        )


def _take_out(connection: duckdb.DuckDBPyConnection, files: list[FileInPlace], source: str) -> Removal:
    paths = [str(file.path) for file in files]
    rows = connection.execute(
        "select batch_id from raw.files_in_place where source = ? and list_contains(?, path)", [source, paths]
    ).fetchall()
    batch_ids = [batch_id for (batch_id,) in rows]
    taken = [batch for batch in current_batches(connection, source) if batch.batch_id in batch_ids]
    for batch in taken:
        retire_batch(connection, source, batch.batch_id)
    if taken:
        forget_files(connection, source, batch_ids)
    return Removal(taken, [])


def _is_registered(
    connection: duckdb.DuckDBPyConnection, file: FileInPlace, options: EventLogOptions
) -> bool:
    """Whether this very file is in the source, read in the same way.

    Raises:
        UserError: it is, read in another way, or the file has changed.
    """
    rows = connection.execute(
        """
        select files.size_bytes, files.modified_at, loads.sha256, loads.options
        from raw.files_in_place as files
        inner join raw.load_manifest as loads on files.batch_id = loads.batch_id
        where files.source = ? and files.path = ?
        """,
        [options.source, str(file.path)],
    ).fetchall()
    for size, modified, fingerprint, stored in rows:
        if (size, modified, fingerprint) != (file.size_bytes, file.modified_at, file.fingerprint):
            raise UserError(
                f"{file.path} has changed since it was registered as {options.source}: --replace reads it "
                "anew"
            )
        if not is_read_alike(options, stored):
            raise UserError(
                f"{file.path} is registered as {options.source} already, read in another way: --replace "
                "reads it anew, another --source keeps both"
            )
    return bool(rows)


def _read(
    connection: duckdb.DuckDBPyConnection, file: FileInPlace, options: EventLogOptions, max_rejects: float
) -> _Reading:
    started, path, source = time.monotonic(), file.path, options.source
    # Where its file is part of what an event is known by, that is its content, as in a load by copy.
    content_sha256 = sha256_of(path) if options.every_row else None
    stamp = new_stamp(connection, source, file.fingerprint)
    counts = read_ids(connection, file, options, stamp, content_sha256)
    if counts.rows_rejected:
        commonest = commonest_reject(connection)
        check_reject_share(path, counts.rows_read, counts.rows_rejected, commonest, max_rejects)
        connection.execute(INSERT_REJECTS, [stamp.batch_id, source, file_name(path)])
    return _Reading(file, stamp, counts, content_sha256, time.monotonic() - started)


def _record(
    connection: duckdb.DuckDBPyConnection, reading: _Reading, options: EventLogOptions, held: dict[int, int]
) -> Batch:
    """Write a file's line in the manifest, and that in the registry."""
    file, stamp, counts = reading.file, reading.stamp, reading.counts
    rows_loaded = counts.rows_kept - held.get(stamp.load_number, 0)
    batch = Batch(
        **vars(stamp),
        source=options.source,
        origin="real",
        file_name=file_name(file.path),
        sha256=file.fingerprint,
        licence=LICENCE,
        rows_read=counts.rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=counts.rows_rejected,
        rows_duplicate=counts.rows_read - rows_loaded - counts.rows_rejected,
        load_seconds=reading.seconds,
        options=described(options),
    )
    record(connection, batch)
    mapping = file.mapping(options)
    row = {
        "batch_id": batch.batch_id,
        "source": batch.source,
        "path": str(file.path),
        "size_bytes": file.size_bytes,
        "modified_at": file.modified_at,
        "mapping_id": hashlib.sha256(f"{batch.source} {mapping}".encode()).hexdigest()[:16],
        "mapping": mapping,
        "content_sha256": reading.content_sha256,
        "first_event_id": counts.first_id,
        "last_event_id": counts.last_id,
        "has_repeats": counts.has_repeats,
        "is_shared": False,
    }
    connection.execute(
        f"insert into raw.files_in_place ({', '.join(row)}) values ({', '.join('?' * len(row))})",
        list(row.values()),
    )
    return batch
