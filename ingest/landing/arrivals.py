"""The rows of an event log as they arrive, before any of them is loaded: the temporary table `arrivals`."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta

import duckdb

from common.errors import UserError
from ingest.reading.event_logs.files import LogFile
from ingest.reading.event_logs.options import EventLogOptions
from ingest.reading.event_logs.statements import MACROS
from ingest.reading.event_logs.stream import open_stream

EARLIEST = datetime(1990, 1, 1)
CLOCK_ERROR = timedelta(days=1)
LICENCE = "as the file's owner says"
# With what the reader itself holds, well below 1.5 GB for a file of any size: the rest spills to disk.
MEMORY_LIMIT = "800MB"


def prepare(connection: duckdb.DuckDBPyConnection, time_zone: str) -> None:
    """Make a connection ready to read logs whose times are of a zone.

    Raises:
        UserError: there is no such zone: Python knows some that the engine doesn't, such as the machine's
            own, `localtime`.
    """
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.execute(MACROS)
    if not connection.execute("select 1 from pg_timezone_names() where name = ?", [time_zone]).fetchall():
        raise UserError(f"--time-zone {time_zone}: no such time zone: say it like Europe/Berlin")


def read_arrivals(
    connection: duckdb.DuckDBPyConnection, log: LogFile, statement: str, loaded_at: datetime
) -> tuple[int, int]:
    """Read all rows of a log into `arrivals`; how many, and how many of them are no events.

    Args:
        statement: makes `arrivals` of a `block`; its parameters are the earliest and the latest time.
        loaded_at: when the log is, or was, loaded (UTC).
    """
    span = {"earliest": EARLIEST, "latest": loaded_at + CLOCK_ERROR}
    # The statement finds `block` as the local variable it is.
    with open_stream(log) as block:
        if block is None:
            return 0, 0
        connection.execute(statement, span)
    [counts] = connection.execute("select count(*), count(reason) from arrivals").fetchall()
    return counts


def commonest_reject(connection: duckdb.DuckDBPyConnection) -> tuple[str, int, int]:
    """The commonest reason for which arrivals are no events, how often it is met, and in which row first."""
    [commonest] = connection.execute("""
        select reason, count(*) as row_count, min(_row_number)
        from arrivals
        where reason is not null
        group by reason
        order by row_count desc, reason
        limit 1
    """).fetchall()
    return commonest


def described(options: EventLogOptions) -> str:
    """Options as the manifest keeps them."""
    return json.dumps(asdict(options))


def is_read_alike(options: EventLogOptions, stored: str) -> bool:
    """Whether a load with these options would read a file as that of the `stored` ones did."""
    # What a load did not say is as it is unless said.
    return json.loads(described(EventLogOptions())) | json.loads(stored) == json.loads(described(options))
