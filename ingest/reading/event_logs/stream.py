"""A log as one stream, read by the engine: while one block is worked on, the next is parted into columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import duckdb
import pyarrow

from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER
from ingest.reading.delivery import Reject
from ingest.reading.event_logs.files import TORN, LogFile


@contextmanager
def open_stream(log: LogFile) -> Iterator[pyarrow.RecordBatchReader | None]:
    """All rows of a log, those that could not be parted among them; None without any.

    Columns are those of `LogFile.blocks`, and `_torn`, why a row could not be parted.

    Raises:
        UserError: as `LogFile.blocks`, of what happens while the stream is read too.
    """
    failures: list[BaseException] = []

    def batches() -> Iterator[pyarrow.RecordBatch]:
        try:
            for rows, rejects in log.blocks():
                yield from _whole(rows).to_batches()
                if rejects:
                    yield _torn(rejects, rows.schema)
        except BaseException as error:
            failures.append(error)
            raise

    stream = batches()
    first = next(stream, None)
    try:
        yield first and pyarrow.RecordBatchReader.from_batches(first.schema, chain([first], stream))
    except duckdb.Error:
        # The engine tells of it as of an error of its own.
        if failures:
            raise failures[0] from None
        raise


def _whole(rows: pyarrow.Table) -> pyarrow.Table:
    return rows.append_column(TORN, pyarrow.nulls(len(rows), pyarrow.string()))


def _torn(rejects: list[Reject], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    told = {
        ROW_NUMBER: [reject.row_number for reject in rejects],
        RAW_TEXT: [reject.raw_text for reject in rejects],
        TORN: [reject.reason for reject in rejects],
    }
    schema = schema.append(pyarrow.field(TORN, pyarrow.string()))
    columns = [pyarrow.array(told.get(field.name, [None] * len(rejects)), field.type) for field in schema]
    return pyarrow.record_batch(columns, schema=schema)
