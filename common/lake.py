"""The lake: a folder of Parquet that Spark reads and writes too, and its manifest, which alone is believed.

What the manifest doesn't name is not there: parts of a publication that was killed, or parts that are kept
for whoever reads by the manifest before.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import write_whole

VERSION = 1
MANIFEST = "lake.json"
# Held by whoever publishes; and it tells a lake that was never published to the end from any other folder.
LOCK = "lake.lock"
DATABASE = "engagement.duckdb"
SCHEMAS = ("raw", "truth")
# What DuckDB takes for a pattern or a column in the path of a file, and dbt for the end of a path.
FORBIDDEN = re.compile(r"[=*?\[\]{}#;:\\\x00-\x1f\ud800-\udfff]")
# DuckDB's types as Spark calls them. Times are in UTC in the warehouse, and instants in the lake.
SPARK_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
DUCKDB_TYPES = {spark: duckdb for duckdb, spark in SPARK_TYPES.items()}


@dataclass(frozen=True)
class Part:
    """The rows of one load in one table; `folder` is relative to the lake, `loaded_at` UTC."""

    batch_id: str
    folder: str
    rows: int
    loaded_at: str | None


@dataclass(frozen=True)
class Table:
    """A table of `raw` or `truth`.

    Attributes:
        columns: name -> Spark's type, in Spark's order: the column it is partitioned by comes last.
        order: the names as the warehouse orders them.
        partitioned_by: `_batch_id`, or None for a table that is one folder.
        folder: relative to the lake; of a partitioned table the one that its parts' folders lie in.
        parts: of a partitioned table one for each load that has rows in it.
    """

    schema: str
    name: str
    columns: dict[str, str]
    order: tuple[str, ...]
    partitioned_by: str | None
    folder: str
    rows: int
    parts: tuple[Part, ...] = ()

    @property
    def folders(self) -> list[str]:
        """The folders whose files are the table's rows."""
        return [part.folder for part in self.parts] if self.partitioned_by else [self.folder]


@dataclass(frozen=True)
class Lake:
    """What a manifest says; `publication` is another for every publication."""

    publication: str
    published_at: str
    tables: tuple[Table, ...]


def is_lake(folder: Path) -> bool:
    """Whether a folder is a lake, also one that was never published to the end."""
    return any(os.path.isfile(folder / name) for name in (MANIFEST, LOCK))  # noqa: PTH113 - raises nothing


def lake_of(database: Path) -> Path | None:
    """The lake whose DuckDB file this is, or None."""
    return database.parent if database.name == DATABASE and is_lake(database.parent) else None


def read_lake(folder: Path) -> Lake:
    """What the manifest of a lake says.

    Raises:
        UserError: there is none, or it can't be read, or the lake is of another version.
    """
    path = folder / MANIFEST
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        version = lines[0]["lake_version"]
        if version == VERSION:
            return Lake(
                lines[0]["publication"], lines[0]["published_at"], tuple(_table(line) for line in lines[1:])
            )
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} is a lake published by half, it has no {MANIFEST}: set WAREHOUSE_PATH to the "
            f"warehouse and run `python -m ingest publish {folder}`"
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{path} can't be read as the manifest of a lake: publish to another folder"
        ) from error
    raise UserError(
        f"{folder} is a lake of version {version}, this project writes version {VERSION}: publish to another "
        "folder"
    )


def write_lake(folder: Path, lake: Lake) -> None:
    """Write the manifest: from then on the lake is what it says.

    Raises:
        OSError: it can't be written; the one before is still there.
    """
    head = {"lake_version": VERSION, "publication": lake.publication, "published_at": lake.published_at}
    lines = [json.dumps(line) for line in (head, *map(_line, lake.tables))]
    write_whole(folder / MANIFEST, "".join(f"{line}\n" for line in lines).encode())


def _line(table: Table) -> dict[str, Any]:
    columns = [{"name": name, "type": kind} for name, kind in table.columns.items()]
    return (
        {"schema": table.schema, "table": table.name}
        | {name: value for name, value in asdict(table).items() if name not in ("schema", "name")}
        | {"columns": columns}
    )


def _table(line: dict[str, Any]) -> Table:
    return Table(
        schema=line["schema"],
        name=line["table"],
        columns={column["name"]: column["type"] for column in line["columns"]},
        order=tuple(line["order"]),
        partitioned_by=line["partitioned_by"],
        folder=line["folder"],
        rows=line["rows"],
        parts=tuple(
            Part(part["batch_id"], part["folder"], part["rows"], part["loaded_at"]) for part in line["parts"]
        ),
    )
