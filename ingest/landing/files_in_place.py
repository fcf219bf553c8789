"""The files that are read where they lie: which there are, and how many events of each are its own.

A file brings the events that no earlier file of its source holds, as if all had been copied one after the
other. Two of a kind are looked for once, here; the models look again only where a file is said to have any.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from common.errors import UserError
from ingest.landing.arrivals import prepare, read_arrivals
from ingest.landing.manifest import Batch, Stamp, current_batches
from ingest.reading.event_logs.files import literal
from ingest.reading.event_logs.in_place import BY_COPY, FileInPlace, modified_at, open_in_place
from ingest.reading.event_logs.opening import open_log
from ingest.reading.event_logs.options import EventLogOptions, resolve_columns
from ingest.reading.event_logs.statements import select_arrivals

# Of each file its ids, as two hashes, and how many rows have each; an id that the log gives counts once.
CREATE_IDS = """
    create or replace temp table ids (load_number bigint, low ubigint, high ubigint, most bigint)
"""
ADD_IDS = """
    insert into ids
    select
        ?,
        hash(event_id),
        hash(concat(event_id, '.')),
        case when bool_and(is_id_given) then 1 else count(*) end
    from arrivals
    where reason is null
    group by event_id
"""
# Of n rows alike, those are new that are more than the most of any file before.
COUNT_HELD = """
    with shared as (
        select ids.* from ids
        semi join (
            select low, high from ids
            group by all
            having count(*) > 1
        ) as met on ids.low = met.low and ids.high = met.high
    ),
    with_most_before as (
        select
            load_number,
            most,
            max(most) over (
                partition by low, high order by load_number rows between unbounded preceding and 1 preceding
            ) as most_before
        from shared
    )
    select load_number, cast(sum(least(most, coalesce(most_before, 0))) as bigint)
    from with_most_before
    group by load_number
"""


@dataclass(frozen=True)
class FileCounts:
    """What a file in place holds.

    Args:
        rows_read, rows_rejected: its rows, and those of them that are no events.
        rows_kept: its events, one that it gives an id for counted once.
        first_id, last_id: the least and the greatest id of an event.
        has_repeats: whether an id is met twice in it.
    """

    rows_read: int
    rows_rejected: int
    rows_kept: int
    first_id: str | None
    last_id: str | None
    has_repeats: bool


def is_in_place(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether files of a source are read where they lie."""
    rows = connection.execute("select 1 from raw.files_in_place where source = ? limit 1", [source])
    return bool(rows.fetchall())


def changed_files(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A line for each file that is no longer there, or no longer the one that was registered."""
    rows = connection.execute(
        "select source, path, size_bytes, modified_at from raw.files_in_place order by source, path"
    ).fetchall()
    return [
        f"{source}: {path} {trouble}: `python -m ingest events --in-place --replace` reads it anew, or "
        f"`python -m ingest remove {source} --file {Path(path).name}` takes it out"
        for source, path, size, modified in rows
        if (trouble := _trouble(Path(path), size, modified))
    ]


def _trouble(path: Path, size: int, modified: object) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return "can't be found"
    is_same = (status.st_size, modified_at(status)) == (size, modified)
    return None if is_same else "has changed since it was registered"


def start_ids(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the ids of all files that were read."""
    connection.execute(CREATE_IDS)


def read_ids(
    connection: duckdb.DuckDBPyConnection,
    file: FileInPlace,
    options: EventLogOptions,
    stamp: Stamp | Batch,
    content_sha256: str | None,
) -> FileCounts:
    """Read a file into `arrivals`, of each row which event it is, and add its ids to those of the others.

    Raises:
        UserError: the file is damaged, has no rows, or one that engines may read otherwise.
    """
    log = file.narrow_log
    unlike = f"case when fault is null then {file.unlike()} end as unlike"
    rows = select_arrivals(log, file.columns, options, content_sha256 or "", unlike)
    statement = f"create or replace temp table arrivals as {rows}"
    rows_read, rows_rejected = read_arrivals(connection, log, statement, stamp.loaded_at)
    _refuse_unlike(connection, file)
    if rows_read > rows_rejected:
        # Never insert nothing: DuckDB 2.0.0 loses what is inserted after it in the same transaction.
        connection.execute(ADD_IDS, [stamp.load_number])
    [(rows_kept, ids)] = connection.execute(
        "select cast(coalesce(sum(most), 0) as bigint), count(*) from ids where load_number = ?",
        [stamp.load_number],
    ).fetchall()
    [(first_id, last_id)] = connection.execute(
        "select min(event_id), max(event_id) from arrivals where reason is null"
    ).fetchall()
    has_repeats = ids < rows_read - rows_rejected
    return FileCounts(rows_read, rows_rejected, rows_kept, first_id, last_id, has_repeats)


def count_held(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Of the files whose ids were read and that share any: how many events an earlier one holds, by load."""
    return dict(connection.execute(COUNT_HELD).fetchall())


def mark_shared(connection: duckdb.DuckDBPyConnection, load_numbers: list[int]) -> None:
    """Say of files that they share an event with another of their source."""
    connection.execute(
        """
        update raw.files_in_place set is_shared = true
        where batch_id in (
            select batch_id from raw.load_manifest where list_contains(cast(? as bigint[]), load_number)
        )
        """,
        [load_numbers],
    )


def read_again(connection: duckdb.DuckDBPyConnection, batch: Batch) -> FileCounts:
    """`read_ids` of a file that was registered before.

    Raises:
        UserError: it is not there any more, or no longer the one that was registered.
    """
    [(path, size, modified, content_sha256)] = connection.execute(
        "select path, size_bytes, modified_at, content_sha256 from raw.files_in_place where batch_id = ?",
        [batch.batch_id],
    ).fetchall()
    trouble = _trouble(Path(path), size, modified)
    if trouble:
        raise UserError(
            f"{path} {trouble}, and it shares events with another file of {batch.source}: put it back, or "
            f"`python -m ingest remove {batch.source}` takes all of them out"
        )
    options = options_of(batch)
    log = open_log(Path(path), options)
    file = open_in_place(log, resolve_columns(options, log.path, log.named))
    return read_ids(connection, file, options, batch, content_sha256)


def options_of(batch: Batch) -> EventLogOptions:
    """The options with which a file was registered."""
    stored = json.loads(batch.options)
    lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return EventLogOptions(**stored | lists)


def forget_files(connection: duckdb.DuckDBPyConnection, source: str, batch_ids: list[str]) -> None:
    """Take files out of the registry; what others share with them is theirs now, and counted anew.

    Raises:
        UserError: one of those others can't be read.
    """
    for table in ("files_in_place", "rejects_in_place"):
        connection.execute(f"delete from raw.{table} where list_contains(?, batch_id)", [batch_ids])
    shared = _batches_where(connection, source, "is_shared")
    start_ids(connection)
    for batch in shared:
        prepare(connection, options_of(batch).time_zone)
        counts = read_again(connection, batch)
        connection.execute(
            """
            update raw.load_manifest set rows_loaded = ?, rows_duplicate = rows_read - rows_rejected - ?
            where batch_id = ?
            """,
            [counts.rows_kept, counts.rows_kept, batch.batch_id],
        )
    held = count_held(connection)
    for batch in shared:
        connection.execute(
            """
            update raw.load_manifest
            set rows_loaded = rows_loaded - $held, rows_duplicate = rows_duplicate + $held
            where batch_id = $batch_id
            """,
            {"held": held.get(batch.load_number, 0), "batch_id": batch.batch_id},
        )
        connection.execute(
            "update raw.files_in_place set is_shared = ? where batch_id = ?",
            [batch.load_number in held, batch.batch_id],
        )


def overlapping(
    connection: duckdb.DuckDBPyConnection, source: str, spans: list[tuple[str, str]]
) -> list[Batch]:
    """The registered files whose ids lie among others: only such can share an event with them.

    Args:
        spans: the least and the greatest id of each of the others.
    """
    found = {
        batch.batch_id: batch
        for first, last in spans
        for batch in _batches_where(
            connection,
            source,
            f"first_event_id <= {literal(last)} and last_event_id >= {literal(first)}",
        )
    }
    return sorted(found.values(), key=lambda batch: batch.load_number)


def _batches_where(connection: duckdb.DuckDBPyConnection, source: str, condition: str) -> list[Batch]:
    rows = connection.execute(
        f"select batch_id from raw.files_in_place where source = ? and {condition}", [source]
    ).fetchall()
    chosen = {batch_id for (batch_id,) in rows}
    return [batch for batch in current_batches(connection, source) if batch.batch_id in chosen]


def _refuse_unlike(connection: duckdb.DuckDBPyConnection, file: FileInPlace) -> None:
    rows = connection.execute(
        """
        select unlike, count(*), min(_row_number) from arrivals
        where unlike is not null
        group by unlike
        order by count(*) desc, unlike
        limit 1
        """
    ).fetchall()
    for reason, count, first_row in rows:
        raise UserError(
            f"{file.path}: {count:,} x {reason}, first in row {first_row:,}, which not every engine reads "
            f"alike: {BY_COPY}"
        )
