"""A delivery into its raw tables, and what of it could not be loaded into `raw.rejects`."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow

from common.errors import UserError
from common.quoting import quote_identifier
from ingest.landing.manifest import Batch, current_batches, new_stamp, record, retire
from ingest.reading.delivery import Delivery, Reject, RowBuffer
from ingest.sources import Source

REJECT_SCHEMA = {
    "row_number": pyarrow.int64(),
    "column_name": pyarrow.string(),
    "reason": pyarrow.string(),
    "raw_text": pyarrow.string(),
    "file_name": pyarrow.string(),
}


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
    stamp = new_stamp(connection, source.name, sha256)
    rows_loaded = 0
    for name, rows in delivery.tables.items():
        table_file = delivery.file_names.get(name, file_name)
        rows_loaded += _insert(connection, source, name, rows, [stamp.batch_id, table_file, stamp.loaded_at])
    insert_rejects(connection, source.name, delivery.rejects, stamp.batch_id, file_name)
    batch = Batch(
        **vars(stamp),
        source=source.name,
        origin=origin,
        file_name=file_name,
        sha256=sha256,
        licence=delivery.licence or source.licence,
        rows_read=delivery.rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=len(delivery.rejects),
        rows_duplicate=delivery.rows_read - rows_loaded - len(delivery.rejects),
        load_seconds=time.monotonic() - started,
        published_on=delivery.published_on,
    )
    record(connection, batch)
    return batch


def insert_rejects(
    connection: duckdb.DuckDBPyConnection, source: str, rejects: list[Reject], batch_id: str, file_name: str
) -> None:
    """Keep rows that can't be loaded; `file_name` is that of those that don't say."""
    if not rejects:
        # DuckDB 2.0.0 loses what is inserted after nothing in the same transaction.
        return
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
    if not rows.num_rows:
        # As of rejects: never insert nothing.
        return 0
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
