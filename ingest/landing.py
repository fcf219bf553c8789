"""A load: rows into `raw` in one transaction, with its line in the manifest and its rejects."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow

from ingest.delivery import Delivery, Reject, RowBuffer, Source
from ingest.errors import UserError
from ingest.warehouse import open_warehouse, quote_identifier, warehouse_path

REJECT_SCHEMA = {
    "row_number": pyarrow.int64(),
    "column_name": pyarrow.string(),
    "reason": pyarrow.string(),
    "raw_text": pyarrow.string(),
    "file_name": pyarrow.string(),
}


@dataclass(frozen=True)
class Batch:
    """One line of `raw.load_manifest`; `loaded_at` is UTC. Its fields are the table's columns."""

    batch_id: str
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
        order by loaded_at, batch_id
        """,
        [source],
    ).fetchall()
    return [Batch(*row) for row in rows]


def peek_current_batches(source: str) -> list[Batch]:
    """`current_batches` of the warehouse as it stands, which may not exist yet.

    Raises:
        UserError: another process holds the warehouse, or it is no warehouse.
    """
    if not warehouse_path().exists():
        return []
    with open_warehouse() as connection:
        return current_batches(connection, source)


def peek_event_logs() -> list[Batch]:
    """The current batches whose rows are in `raw.events`: logs of the user's own, or the generated one.

    Raises:
        UserError: as `peek_current_batches`.
    """
    if not warehouse_path().exists():
        return []
    with open_warehouse() as connection:
        rows = connection.execute("select distinct source from raw.events order by source").fetchall()
        return [batch for (source,) in rows for batch in current_batches(connection, source)]


def check_rejects(path: Path, delivery: Delivery, max_rejects: float) -> None:
    """`check_reject_share` for a whole delivery.

    Raises:
        UserError: as there.
    """
    rejects = delivery.rejects
    if not rejects:
        return
    reason, count = Counter(reject.reason for reject in rejects).most_common(1)[0]
    first = next(reject for reject in rejects if reject.reason == reason)
    commonest = (reason, count, first.row_number)
    check_reject_share(path, delivery.rows_read, len(rejects), commonest, max_rejects)


def check_reject_share(
    path: Path, rows_read: int, rows_rejected: int, commonest: tuple[str, int, int], max_rejects: float
) -> None:
    """See that enough of a file with rejects can be used.

    Args:
        commonest: the commonest reason, how many rows have it, and the first of them.

    Raises:
        UserError: no row at all, or a larger share than `max_rejects` can't be loaded.
    """
    share = rows_rejected / rows_read
    if share < 1 and share <= max_rejects:
        return
    reason, count, first_row = commonest
    problem = f"{count:,} x {reason}, first in row {first_row:,}"
    if share == 1:
        raise UserError(
            f"{path}: none of its {rows_rejected:,} rows can be loaded ({problem}): check the file"
        )
    raise UserError(
        f"{path}: {rows_rejected:,} of {rows_read:,} rows can't be loaded ({share:.1%}; {problem}), "
        f"more than --max-rejects {max_rejects:g}: mend the file or allow more"
    )


def land(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    delivery: Delivery,
    *,
    origin: str,
    file_name: str,
    sha256: str,
    started: float,
) -> Batch:
    """Put a delivery into the raw tables of its source; call it inside a `transaction`.

    What was there goes when the source's files replace each other, or when it was of another origin: a real
    file takes the place of its stand-in. `started` is the `time.monotonic` at which the load began.
    """
    current = current_batches(connection, source.name)
    if source.new_file == "replaces" or any(batch.origin != origin for batch in current):
        retire(connection, source.name, [f"raw.{table}" for table in source.tables])
    batch_id = new_batch_id(connection, source.name, sha256)
    loaded_at = now()
    rows_loaded = 0
    for name, rows in delivery.tables.items():
        table_file = delivery.file_names.get(name, file_name)
        rows_loaded += _insert(connection, source, name, rows, [batch_id, table_file, loaded_at])
    insert_rejects(connection, source.name, delivery.rejects, batch_id, file_name)
    batch = Batch(
        batch_id=batch_id,
        source=source.name,
        origin=origin,
        file_name=file_name,
        sha256=sha256,
        licence=delivery.licence or source.licence,
        rows_read=delivery.rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=len(delivery.rejects),
        rows_duplicate=delivery.rows_read - rows_loaded - len(delivery.rejects),
        loaded_at=loaded_at,
        load_seconds=time.monotonic() - started,
        published_on=delivery.published_on,
    )
    record(connection, batch)
    return batch


def retire(connection: duckdb.DuckDBPyConnection, source: str, tables: Iterable[str]) -> None:
    """Empty a source's tables; its lines in the manifest and its rejects stay, as no longer current."""
    for table in tables:
        connection.execute(f"delete from {table}")
    connection.execute("update raw.load_manifest set is_current = false where source = ?", [source])


def new_batch_id(connection: duckdb.DuckDBPyConnection, source: str, sha256: str) -> str:
    """`source-` and the hash's first 12 digits; numbered when a file comes back that was replaced."""
    stem = f"{source}-{sha256[:12]}"
    [(count,)] = connection.execute(
        "select count(*) from raw.load_manifest where starts_with(batch_id, ?)", [stem]
    ).fetchall()
    return f"{stem}-{count + 1}" if count else stem


def record(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Write a batch's line into the manifest."""
    names = [field.name for field in fields(Batch)]
    connection.execute(
        f"insert into raw.load_manifest ({', '.join(names)}) values ({', '.join('?' * len(names))})",
        [getattr(batch, name) for name in names],
    )


def now() -> datetime:
    """The time in UTC, without a zone, as every timestamp in the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)


def insert_rejects(
    connection: duckdb.DuckDBPyConnection, source: str, rejects: list[Reject], batch_id: str, file_name: str
) -> None:
    """Keep rows that can't be loaded; `file_name` is that of those that don't say."""
    rows = RowBuffer(REJECT_SCHEMA)
    for reject in rejects:
        name = reject.file_name or file_name
        rows.append((reject.row_number, reject.column, reject.reason, reject.raw_text, name))
    with registered(connection, "rejects", rows.to_table()):
        connection.execute(
            """
            insert into raw.rejects by name
            select ? as batch_id, ? as source, rejects.* from rejects
            """,
            [batch_id, source],
        )


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: pyarrow.Table) -> Iterator[None]:
    """`rows` under a name that SQL can select from; after an error the connection is of no more use."""
    connection.register(name, rows)
    yield
    connection.unregister(name)


def _insert(
    connection: duckdb.DuckDBPyConnection, source: Source, name: str, rows: pyarrow.Table, stamp: list
) -> int:
    """Insert rows into a table; for a source that appends, those whose event_id isn't there yet."""
    target = f"raw.{quote_identifier(name)}"
    is_new = f"anti join {target} using (event_id)" if source.new_file == "appends" else ""
    with registered(connection, "delivery", rows):
        [(count,)] = connection.execute(
            f"""
            insert into {target} by name
            select delivery.*, ? as _batch_id, ? as _source_file, cast(? as timestamp) as _loaded_at
            from delivery {is_new}
            order by delivery._row_number
            """,
            stamp,
        ).fetchall()
    return count
