"""Times of event logs: every layout and type, with and without a zone, and those that are none."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow
import pytest
from event_samples import FLAGS, as_jsonl, counts, events, rejects
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ingest.reading.event_logs.statements import MACROS, read_times

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
AT = datetime(2024, 7, 1, 10, 15, 30)
SECONDS = int(AT.replace(tzinfo=UTC).timestamp())
# A column's name, its values, and what they are in UTC for --time-zone Asia/Tokyo, nine hours ahead.
TYPED = {
    **{
        f"bare {unit}": (pyarrow.array([AT], pyarrow.timestamp(unit)), AT - timedelta(hours=9))
        for unit in UNITS
    },
    **{
        f"zoned {unit}": (pyarrow.array([AT], pyarrow.timestamp(unit, "America/New_York")), AT)
        for unit in UNITS
    },
    **{
        f"count of {unit}": (pyarrow.array([SECONDS * factor], pyarrow.int64()), AT)
        for unit, factor in UNITS.items()
    },
    "count of s, small": (pyarrow.array([SECONDS], pyarrow.int32()), AT),
    "count of ms, unsigned": (pyarrow.array([SECONDS * 1_000], pyarrow.uint64()), AT),
    "seconds with a fraction": (
        pyarrow.array([SECONDS + 0.25], pyarrow.float64()),
        AT + timedelta(milliseconds=250),
    ),
    "day": (pyarrow.array([AT.date()], pyarrow.date32()), datetime(2024, 6, 30, 15)),
    "day, as milliseconds": (pyarrow.array([AT.date()], pyarrow.date64()), datetime(2024, 6, 30, 15)),
    "day as number": (pyarrow.array([20240701], pyarrow.int32()), datetime(2024, 6, 30, 15)),
    "text": (pyarrow.array(["2024-07-01 19:15:30"]), AT),
    "text of few values": (pyarrow.array(["2024-07-01 19:15:30"]).dictionary_encode(), AT),
}


@pytest.mark.parametrize("name", TYPED)
def test_parquet_times_have_types(name, ingest, write):
    values, wanted = TYPED[name]
    table = pyarrow.table({"who": ["a"], "what": ["open"], "when": values})
    parquet.write_table(table, path := write("log.parquet", b""))
    ingest("events", path, *FLAGS, "--time-zone", "Asia/Tokyo")
    assert events(columns="occurred_at") == [(wanted,)]


def test_parquet_of_types_that_the_engine_lacks(ingest, write):
    """Such columns are properties where they can be, and no row is lost to one that nobody uses."""
    far = pyarrow.array([2**62, SECONDS * 1_000], pyarrow.int64()).view(pyarrow.timestamp("ms"))
    table = pyarrow.table(
        {
            "who": ["a", "b"],
            "what": ["open", "open"],
            "when": pyarrow.array([AT, AT]),
            "half": pyarrow.array(np.array([1.5, 2.5], np.float16)),
            "wide": pyarrow.array([Decimal("1.5"), None], pyarrow.decimal256(70, 2)),
            "far": far,
            "nested": pyarrow.array([[1.5], []], pyarrow.list_(pyarrow.float16())),
            "span": pyarrow.array([timedelta(seconds=1), None], pyarrow.duration("s")),
        }
    )
    parquet.write_table(table, path := write("log.parquet", b""))
    ingest("events", path, *FLAGS)
    first, second = (json.loads(properties) for (properties,) in events(columns="properties"))
    assert (first["half"], first["wide"], second["half"], second["wide"]) == (1.5, "1.50", 2.5, None)
    assert second["far"] == "2024-07-01 10:15:30"
    at_far = ("--user", "who", "--event", "what", "--at", "far", "--source", "far")
    ingest("events", path, *at_far, "--properties", "half")
    assert rejects("far") == [(1, "far", "the time is in the future")]
    assert events("far", "occurred_at, properties") == [(AT, '{"half":2.5}')]


NOON = datetime(2024, 2, 29, 12)
# Text, date order, time zone: what it is in UTC, or None.
TIME_CASES = [
    ("2024-02-29T12:00:00Z", None, "UTC", NOON),
    ("2024-02-29 12:00:00", None, "UTC", NOON),
    ("2024-02-29 12:00", None, "UTC", NOON),
    ("2024/02/29 12:00:00", None, "UTC", NOON),
    ("2024-02-29T14:00:00+02:00", None, "UTC", NOON),
    ("2024-02-29T14:00:00+02:00", None, "Asia/Tokyo", NOON),
    ("2024-02-29T17:30:00+0530", None, "UTC", NOON),
    ("2024-02-29 08:30:00-03:30", None, "UTC", NOON),
    ("2024-02-29 14:00+02", None, "UTC", NOON),
    ("2024-02-29 12:00:00 UTC", None, "Asia/Tokyo", NOON),
    ("2024-02-29 12:00:00.123456", None, "UTC", NOON + timedelta(microseconds=123_456)),
    ("2024-02-29 12:00:00,5", None, "UTC", NOON + timedelta(milliseconds=500)),
    ("2024-02-29", None, "UTC", datetime(2024, 2, 29)),
    ("1709208000", None, "Asia/Tokyo", NOON),
    ("1709208000.5", None, "UTC", NOON + timedelta(milliseconds=500)),
    ("1709208000250", None, "UTC", NOON + timedelta(milliseconds=250)),
    ("1709208000000001", None, "UTC", NOON + timedelta(microseconds=1)),
    ("29/02/2024 12:00", "day-first", "UTC", NOON),
    ("29.02.2024 12:00:00", "day-first", "UTC", NOON),
    ("2/29/2024 12:00 PM", "month-first", "UTC", NOON),
    ("2/29/2024, 12:00:00 am", "month-first", "UTC", datetime(2024, 2, 29)),
    ("03/04/2024", "day-first", "UTC", datetime(2024, 4, 3)),
    ("03/04/2024", "month-first", "UTC", datetime(2024, 3, 4)),
    ("03/04/2024", None, "UTC", None),
    ("29/02/2024", "month-first", "UTC", None),
    # Berlin: winter, summer, an hour that the clock skips (an hour later), one it shows twice (the later).
    ("2024-02-29 13:00", None, "Europe/Berlin", NOON),
    ("2024-07-01 14:00", None, "Europe/Berlin", datetime(2024, 7, 1, 12)),
    ("2024-03-31 02:30", None, "Europe/Berlin", datetime(2024, 3, 31, 1, 30)),
    ("2024-10-27 02:30", None, "Europe/Berlin", datetime(2024, 10, 27, 1, 30)),
    ("2023-02-29", None, "UTC", None),
    ("2024-13-01", None, "UTC", None),
    ("2024-02-29 25:00", None, "UTC", None),
    ("2024-02-29 12:00:61", None, "UTC", None),
    # Nanoseconds: what is finer than a microsecond is cut off.
    ("1709208000123456789", None, "Asia/Tokyo", NOON + timedelta(microseconds=123_456)),
    ("2024-02-29T12:00:00.123456789Z", None, "UTC", NOON + timedelta(microseconds=123_456)),
    ("1709208000.1234567", None, "UTC", NOON + timedelta(microseconds=123_457)),
    ("20240229T120000Z", None, "Asia/Tokyo", NOON),
    ("20240229T120000", None, "Europe/Berlin", NOON - timedelta(hours=1)),
    ("20240229T120000.5+0100", None, "UTC", NOON - timedelta(minutes=59, seconds=59.5)),
    ("20240229", None, "UTC", datetime(2024, 2, 29)),
    ("2024-02-29 12:00:00 GMT", None, "Asia/Tokyo", NOON),
    ("Thu, 29 Feb 2024 12:00:00 GMT", None, "Asia/Tokyo", NOON),
    ("Thu, 29 Feb 2024 14:00:00 +0200", None, "UTC", NOON),
    ("29 Feb 2024 13:00", None, "Europe/Berlin", NOON),
    ("Feb 29, 2024", None, "UTC", datetime(2024, 2, 29)),
    ("February 29, 2024 12:00 PM", None, "UTC", NOON),
    ("Sept 5, 2024", None, "UTC", datetime(2024, 9, 5)),
    ("29-FEB-2024 12:00:00", None, "UTC", NOON),
    ("29/Feb/2024:12:00:00 +0000", None, "UTC", NOON),
    ("31 Feb 2024", None, "UTC", None),
    ("29 Foo 2024", None, "UTC", None),
    ("20241331", None, "UTC", None),
    ("20240229T12000", None, "UTC", None),
    # An offset is no part of the clock, whatever the zone of times without one.
    ("2024-02-29 14:00:00.5+02:00", None, "Asia/Tokyo", NOON + timedelta(milliseconds=500)),
    ("2024-02-29 21:00:00.5", None, "Asia/Tokyo", NOON + timedelta(milliseconds=500)),
    ("2024-02-29T12:00:00+00:00", None, "Asia/Tokyo", NOON),
    ("24-02-29", None, "UTC", None),
    ("86400", None, "UTC", None),
    ("infinity", None, "UTC", None),
    ("2024-02-29T12:00:00Z or so", None, "UTC", None),
    ("2024-02-29T12:00:00+25:00", None, "UTC", None),
    ("2024-02-29T12:00:00+01:99", None, "UTC", None),
]


@pytest.fixture(scope="module")
def times() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(MACROS)
    return connection


def read_time(times: duckdb.DuckDBPyConnection, text: str, order: str | None, zone: str) -> datetime | None:
    steps = read_times("(select $1 as time_text)", f"'{order or ''}'", f"'{zone}'")
    return times.execute(f"with {steps} select read_at from timed", [text]).fetchone()[0]


@pytest.mark.parametrize(("text", "date_order", "time_zone", "wanted"), TIME_CASES)
def test_times_in_every_layout(text, date_order, time_zone, wanted, times):
    assert read_time(times, text, date_order, time_zone) == wanted


@given(
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_an_offset_is_taken_off_as_python_does(at, minutes, times):
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = f"{at.isoformat()}{offset}"
    wanted = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    assert read_time(times, text, None, "UTC") == wanted


def test_a_date_that_can_be_either_is_never_guessed(ingest, ingest_fails, write):
    rows = [{"who": "a", "what": "open", "when": f"{day:02}/03/2024"} for day in range(1, 32)]
    path = write("log.jsonl", as_jsonl(rows))
    reason = "the time can be day first or month first: say which by --day-first or --month-first"
    assert ingest_fails("events", path, *FLAGS) == (
        f"{path}: none of its 31 rows can be loaded (31 x {reason}, first in row 1): check the file"
    )
    ingest("events", path, *FLAGS, "--day-first")
    assert counts() == [(31, 31, 0, 0)]


def test_times_out_of_range_are_rejected(ingest, write):
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    late = tomorrow + timedelta(days=2)
    stamps = ["1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", tomorrow.isoformat(), late.isoformat()]
    ingest(
        "events", write("l.jsonl", as_jsonl([{"who": 1, "what": "w", "when": at} for at in stamps])), *FLAGS
    )
    assert counts() == [(4, 2, 2, 0)]
    assert [(row, reason) for row, _, reason in rejects()] == [
        (1, "the time is before 1990"),
        (4, "the time is in the future"),
    ]


def test_unreadable_times_are_counted_by_layout(ingest, write):
    stamps = ["2024-03-01", "1 Foo 2024", "2 Bar 2024", "12:30", None]
    ingest(
        "events", write("l.jsonl", as_jsonl([{"who": 1, "what": "w", "when": at} for at in stamps])), *FLAGS
    )
    printed = [line.split("  ") for line in ingest("status").splitlines() if "the time" in line]
    found = sorted(
        (cells[-1].strip(), next(cell for cell in cells if "the time" in cell)) for cells in printed
    )
    assert found == [
        ("2", "the time can't be read, written like 9 aaa 9999"),
        ("4", "the time can't be read, written like 99:99"),
        ("5", "the time is missing"),
    ]


def test_a_time_zone_that_only_this_machine_knows_is_one_line(ingest_fails, write):
    path = write("log.csv", "who,what,when\na,open,2024-03-01\n")
    assert ingest_fails("events", path, *FLAGS, "--time-zone", "localtime") == (
        "--time-zone localtime: no such time zone: say it like Europe/Berlin"
    )
