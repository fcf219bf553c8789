"""Small event logs as every kind of file, and short ways to see what became of them."""

import json

import pyarrow
from ingest_samples import manifest, query
from pyarrow import parquet

FLAGS = ("--user", "who", "--event", "what", "--at", "when")


def events(
    source: str = "events", columns: str = "user_id, event_name, occurred_at, properties"
) -> list[tuple]:
    return query(f"select {columns} from raw.events where source = '{source}' order by _row_number")


def rejects(source: str = "events") -> list[tuple]:
    return query(
        f"select row_number, column_name, reason from raw.rejects where source = '{source}' order by 1"
    )


def counts(source: str = "events") -> list[tuple]:
    """Rows read, loaded, rejected and duplicate, of each load in turn."""
    return [row[2:6] for row in manifest(source)]


ROWS = [
    {"who": "a", "what": "open", "when": "2024-03-01T10:00:00Z", "plan": "pro", "n": 3},
    {"who": "b", "what": "buy", "when": "2024-03-01T11:00:00Z", "plan": "free", "n": 4},
]


def as_jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_parquet(rows: list[dict]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()
