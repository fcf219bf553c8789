"""Parquet logs with every edge that one in place may have: kinds of columns, ways to write times, repeats."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow
from pyarrow import parquet

WHO = ("--user", "who", "--event", "what", "--at", "when")
START = datetime(2025, 1, 6, 9, 30)
TIME_TEXTS = [
    *("2025-01-31T10:15:00Z", "2025-01-31 10:15:00", "2025-01-31T10:15", "2025-01-31", "2025-1-3 9:05"),
    *("2025-01-31T10:15:00.5Z", "2025-01-31 10:15:00,123456789", "2025-01-31T10:15:00+02:00"),
    *("2025-01-31T10:15:00 -0330", "2025-01-31 10:15:00 UTC", "2025/01/31 10:15:00 GMT", "2025.01.31"),
    *("20250131", "20250131T101500Z", "20250131T101500", "20250131T101500.25+01", "2025-01-31T10:15:00.1z"),
    *(
        "1738318500",
        "1738318500123",
        "1738318500123456",
        "1738318500123456789",
        "1738318500.25",
        " 1738318500 ",
    ),
    # A clock that skips this hour, and one that shows it twice.
    *("2025-03-30 02:30:00", "2025-10-26 02:30:00", "2025-10-26 01:59:59", "2025-10-26 03:00:00"),
]
BAD_TIME_TEXTS = [
    *(
        "2025-02-30 10:00:00",
        "yesterday",
        "12345",
        "2025-01-31 10:61",
        "01/02/2025",
        "1985-01-31",
        "2225-01-31",
    ),
    *("", "   ", None, "2025-01-31T10:15:00+99:00", "99999999999999999999", "Größe 7"),
]
DOUBLES = [
    *(0.1, 1.0, -2.5, 0.0, -0.0, 1e15, 1e16, 123456789012345678.0, 1e20, 1e21, 1.5e22, 1e-5, 1e-6, 1.25e-7),
    *(
        1 / 3,
        2 / 3 * 1e7,
        5.684341886080802e-14,
        1.7976931348623157e308,
        2.0e-3,
        99.99,
        1e23,
        9007199254740993.0,
    ),
]


@dataclass(frozen=True)
class Log:
    """A log of one or more files, and the flags that it is loaded with."""

    name: str
    flags: tuple[str, ...]
    files: list[pyarrow.Table]

    def write(self, folder: Path) -> list[Path]:
        """Write the files, each below a folder whose name wants care in paths."""
        paths = []
        for number, rows in enumerate(self.files, start=1):
            path = folder / self.name / "day=2025-01-0 1+é%41" / f"{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(rows, path)
            paths.append(path)
        return paths


def logs() -> list[Log]:
    """Logs of which each column, kind of column or way of repeating is in one at least."""
    return [
        *(_log_of_kinds(), _log_of_texts(), _log_of_given_ids(), _log_of_numbers("integer")),
        *(_log_of_numbers("float"), _log_of_numbers("decimal"), _log_of_dates(), _log_of_local_times()),
        *(_log_with_year_last(), _log_of_every_row(), _log_of_json()),
    ]


def _log_of_kinds() -> Log:
    """Columns of every kind as properties; the second file repeats some of the first, and itself."""
    numbers = random.Random(7)
    doubles = [
        *DOUBLES,
        *(_any_double(numbers) for _ in range(150)),
        *(numbers.random() * 1e4 for _ in range(30)),
    ]

    def rows(first: int, last: int) -> Iterator[dict]:
        for i in range(first, last):
            yield {
                "who": f" user {i % 7} " if i % 5 else None,
                "what": ["open", "buy", "close"][i % 3],
                "when": (START + timedelta(hours=i * 5, microseconds=i)).replace(tzinfo=UTC),
                "Text": ["plain", 'quo"te \\ /', "tab\there\x01", "é\u2028😀", "", None][i % 6],
                "whole": i * 1_000_003 if i % 4 else None,
                "double": doubles[i % len(doubles)],
                "single": i / 3 if i % 7 else float("nan"),
                "flag": [True, False, None][i % 3],
                "day": date(2025, 1, 1) + timedelta(days=i),
                "local": START + timedelta(milliseconds=i * 250),
                "zoned": (START + timedelta(milliseconds=i * 250)).replace(tzinfo=UTC),
                "price": Decimal(i * 37) / 100,
                "device": "phone" if i % 2 else None,
                'odd "name" \'é`': i,
            }

    schema = pyarrow.schema(
        {
            "who": pyarrow.string(),
            "what": pyarrow.string(),
            "when": pyarrow.timestamp("us", "UTC"),
            "Text": pyarrow.large_string(),
            "whole": pyarrow.int64(),
            "double": pyarrow.float64(),
            "single": pyarrow.float32(),
            "flag": pyarrow.bool_(),
            "day": pyarrow.date32(),
            "local": pyarrow.timestamp("ms"),
            "zoned": pyarrow.timestamp("ms", "Europe/Berlin"),
            "price": pyarrow.decimal128(12, 2),
            "device": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
            'odd "name" \'é`': pyarrow.uint32(),
        }
    )
    first, second = [*rows(0, 120)], [*rows(60, 200), *rows(100, 130), *rows(100, 104)]
    return Log("kinds", WHO, [pyarrow.Table.from_pylist(part, schema) for part in (first, second)])


def _any_double(numbers: random.Random) -> float:
    [value] = struct.unpack("d", numbers.randbytes(8))
    # Java has more digits than need be for the least of all.
    return value if abs(value) > 1e-300 else 0.5


def _log_of_texts() -> Log:
    """Times as text, in a zone; ids as text with spaces around them and fractions of zeros."""
    texts = [*TIME_TEXTS, *BAD_TIME_TEXTS]
    ids = ["1", "1.0", " 1.00 ", "a.0", "-3.0", "10", "1.0\n", "\u00a0x ", " \u00a0y"]
    rows = [
        {"who": ids[i % len(ids)], "what": "open", "when": text, "item": ids[(i + 1) % 4], "n": i}
        for i, text in enumerate(texts)
    ]
    flags = (*WHO, "--item", "item", "--time-zone", "Europe/Berlin")
    return Log("texts", flags, [pyarrow.Table.from_pylist(rows)])


def _log_of_given_ids() -> Log:
    """Ids of the log's own, whole numbers with gaps; late events in the second file."""
    parts = [[1, 2, 3, 3, None, None, 4], [9, 3, 10, 1, 10, None, 11], [12, 13]]
    files = []
    for number, ids in enumerate(parts):
        rows = {
            "id": pyarrow.array(ids, pyarrow.float64()),
            "who": pyarrow.array([i % 3 for i in range(len(ids))], pyarrow.int32()),
            "what": ["open" if i % 2 else "buy" for i in range(len(ids))],
            "when": pyarrow.array(
                [START + timedelta(minutes=i * 7 - number * 2) for i in range(len(ids))],
                pyarrow.timestamp("us"),
            ),
            "visit": [f"s{i // 3}" for i in range(len(ids))],
        }
        files.append(pyarrow.table(rows))
    return Log("given_ids", (*WHO, "--event-id", "id", "--session", "visit"), files)


def _log_of_numbers(kind: str) -> Log:
    """Times as numbers since 1970 of each size, and such as are none."""
    numbers = [
        1738318500,
        1738318500123,
        1738318500123456,
        99_999_999,
        20250131,
        -5,
        0,
        None,
        631152000,
        631151999,
    ]
    types = {"integer": pyarrow.int64(), "float": pyarrow.float64(), "decimal": pyarrow.decimal128(28, 3)}
    whens = {
        "integer": [*numbers, 1738318500123456789, 2**63 - 1],
        "float": [
            *numbers,
            1738318500.25,
            1738318500.1234567,
            float("nan"),
            float("inf"),
            1738318500123456789.0,
        ],
        "decimal": [None if number is None else Decimal(number) for number in numbers]
        + [Decimal("1738318500.125")],
    }[kind]
    table = pyarrow.table(
        {
            "who": pyarrow.array([f"u{i % 3}" for i in range(len(whens))]),
            "when": pyarrow.array(whens, types[kind]),
        }
    )
    return Log(kind, ("--user", "who", "--event-name", "it's a view", "--at", "when"), [table])


def _log_of_dates() -> Log:
    days = [
        date(2025, 1, 1),
        date(2025, 3, 30),
        None,
        date(1989, 12, 31),
        date(2025, 10, 26),
        date(2025, 1, 1),
    ]
    table = pyarrow.table(
        {"who": [1.0, 2.0, 3.0, 4.0, None, 1.0], "what": list("ababab"), "when": days, "n": range(6)}
    )
    return Log("dates", (*WHO, "--time-zone", "America/Santiago"), [table])


def _log_of_local_times() -> Log:
    """Local times around both changes of a clock by half an hour."""
    times = [
        datetime(2025, month, day, 1, minute)
        for month, day in ((4, 6), (10, 5))
        for minute in range(0, 60, 5)
    ]
    times += [time + timedelta(hours=1) for time in times]
    whens = pyarrow.array(times, pyarrow.timestamp("us"))
    table = pyarrow.table({"who": ["u"] * len(times), "what": ["tick"] * len(times), "when": whens})
    return Log("local_times", (*WHO, "--time-zone", "Australia/Lord_Howe"), [table])


def _log_with_year_last() -> Log:
    times = [
        "31/01/2025",
        "1.2.2025 9:05",
        "01-02-2025, 10:15:00.5",
        "02/01/2025T10:15:00Z",
        "13/13/2025",
        "2025-01-02",
    ]
    table = pyarrow.table({"who": ["u"] * len(times), "what": ["tick"] * len(times), "when": times})
    return Log("year_last", (*WHO, "--day-first"), [table])


def _log_of_every_row() -> Log:
    days = [date(2025, 1, 1 + i // 4) for i in range(12)]
    table = pyarrow.table({"who": ["u"] * 12, "what": ["tick"] * 12, "when": days})
    return Log("every_row", (*WHO, "--every-row"), [table, table.slice(4)])


def _log_of_json() -> Log:
    """One column left over, with JSON objects in it, and other text; in the plain layout."""
    texts = [
        '{"device": "tv", "list": [1, 2.5 , {"a b" : null}]}',
        "no JSON",
        None,
        "",
        "{}",
        ' { "quote" : "\\" }" } ',
    ]
    table = pyarrow.table(
        {
            "user_id": [f"u{i}" for i in range(len(texts))],
            "event_type": ["open"] * len(texts),
            "timestamp": [START + timedelta(days=i) for i in range(len(texts))],
            "metadata": texts,
        }
    )
    return Log("json", (), [table])
