"""The tables of a warehouse's `raw` and `truth` as Parquet: a folder per load, or one for the whole table."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb

from common.errors import UserError
from common.lake import SCHEMAS, SPARK_TYPES, Part, Table
from common.quoting import quote_identifier, quote_text
from ingest.publishing.progress import Progress

BATCH = "_batch_id"
# Large enough to be read in one go, small enough that several tasks share a large load.
FILE_SIZE = "256MB"


@dataclass(frozen=True)
class WarehouseTable:
    """A table as DuckDB describes it; `columns` is name -> DuckDB's type, in order."""

    schema: str
    name: str
    columns: dict[str, str]

    @property
    def relation(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    @property
    def partitioned_by(self) -> str | None:
        return BATCH if BATCH in self.columns else None

    def spark_columns(self) -> dict[str, str]:
        """Name -> Spark's type, the column it is partitioned by last.

        Raises:
            UserError: a column is of a type that Spark has none for.
        """
        names = [name for name in self.columns if name != BATCH] + [BATCH] * (BATCH in self.columns)
        return {name: self._spark_type(name) for name in names}

    def _spark_type(self, name: str) -> str:
        kind = self.columns[name]
        item = kind.removesuffix("[]")
        if kind.startswith("DECIMAL(") and kind.endswith(")"):
            return kind.lower()
        if item not in SPARK_TYPES or kind not in (item, f"{item}[]") or kind == "TIMESTAMP[]":
            raise UserError(
                f"{self.schema}.{self.name}: its column {name} is {kind}, which a lake has no type for: drop "
                "the table or the column, it is none of this project's"
            )
        return SPARK_TYPES[item] if kind == item else f"array<{SPARK_TYPES[item]}>"


def warehouse_tables(connection: duckdb.DuckDBPyConnection) -> list[WarehouseTable]:
    """All tables of `raw` and `truth`, in order."""
    rows = connection.execute(
        """
        select columns.schema_name, columns.table_name, columns.column_name, columns.data_type
        from duckdb_columns() as columns
        semi join duckdb_tables() as tables
            on columns.table_oid = tables.table_oid and columns.database_name = tables.database_name
        where columns.database_name = current_database() and list_contains(?, columns.schema_name)
        order by columns.schema_name, columns.table_name, columns.column_index
        """,
        [list(SCHEMAS)],
    ).fetchall()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        found.setdefault((schema, table), {})[column] = kind
    return [WarehouseTable(schema, name, columns) for (schema, name), columns in found.items()]


def plan_table(connection: duckdb.DuckDBPyConnection, table: WarehouseTable, known: Table | None) -> Table:
    """The table as the lake is to name it: the folders of what it has already, new ones for all else.

    Raises:
        UserError: a column is of a type that Spark has none for.
    """
    columns, order = table.spark_columns(), tuple(table.columns)
    home = f"{table.schema}/{quote(table.name, safe='')}"
    if known and (known.columns, known.order) != (columns, order):
        known = None
    if table.partitioned_by:
        parts = _plan_parts(connection, table, home, known.parts if known else ())
        rows = sum(part.rows for part in parts)
        return Table(table.schema, table.name, columns, order, BATCH, home, rows, parts)
    rows, content = _content(connection, table)
    return Table(table.schema, table.name, columns, order, None, f"{home}/{content}", rows)


def write_table(
    connection: duckdb.DuckDBPyConnection,
    table: WarehouseTable,
    planned: Table,
    lake: Path,
    progress: Progress,
) -> None:
    """Write those folders of a table that aren't there.

    Raises:
        OSError, duckdb.IOException: they can't be written.
    """
    columns = ", ".join(_column(*column) for column in planned.columns.items() if column[0] != BATCH)
    select = f"select {columns} from {table.relation}"
    if not planned.partitioned_by:
        with progress.over(planned.rows):
            _write(connection, select, lake / planned.folder)
        return
    # There for whoever lists it, also while no load has rows in it.
    (lake / planned.folder).mkdir(parents=True, exist_ok=True)
    for part in planned.parts:
        with progress.over(part.rows):
            _write(connection, f"{select} where {BATCH} = {quote_text(part.batch_id)}", lake / part.folder)


def _write(connection: duckdb.DuckDBPyConnection, select: str, folder: Path) -> None:
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"copy ({select}) to {quote_text(str(folder))} "
        f"(format parquet, compression zstd, file_size_bytes {quote_text(FILE_SIZE)})"
    )


def _column(name: str, spark_type: str) -> str:
    quoted = quote_identifier(name)
    return f"timezone('UTC', {quoted}) as {quoted}" if spark_type == "timestamp" else quoted


def _plan_parts(
    connection: duckdb.DuckDBPyConnection, table: WarehouseTable, home: str, known: tuple[Part, ...]
) -> tuple[Part, ...]:
    """A part for each load, the one that the lake has where it is of that load and has its rows.

    A load is never changed; but another warehouse, or one made anew, may give its id to another.
    """
    loads = connection.execute(
        f"""
        select rows.{BATCH}, rows.row_count, strftime(manifest.loaded_at, '%Y-%m-%dT%H:%M:%S.%fZ')
        from (select {BATCH}, count(*) as row_count from {table.relation} group by all) as rows
        left join raw.load_manifest as manifest on rows.{BATCH} = manifest.batch_id
        order by manifest.load_number, rows.{BATCH}
        """
    ).fetchall()
    kept = {(part.batch_id, part.rows, part.loaded_at): part for part in known}
    taken = {part.folder for part in known}
    return tuple(
        kept.get((batch_id, rows, loaded_at))
        or Part(batch_id, _free_folder(home, batch_id, taken), rows, loaded_at)
        for batch_id, rows, loaded_at in loads
    )


def _free_folder(home: str, batch_id: str, taken: set[str]) -> str:
    """A folder for a load that no reader of the manifest before knows as another's."""
    name = f"{BATCH}={quote(batch_id, safe='')}"
    folder, number = f"{home}/{name}", 1
    while folder in taken:
        number += 1
        folder = f"{home}/{number}/{name}"
    return folder


def _content(connection: duckdb.DuckDBPyConnection, table: WarehouseTable) -> tuple[int, str]:
    """Rows of a table, and a digest of all its values, in whatever order."""
    values = ", ".join(map(quote_identifier, table.columns))
    [(rows, *hashes)] = connection.execute(
        f"select count(*), sum(hash({values})::hugeint), bit_xor(hash({values})) from {table.relation}"
    ).fetchall()
    digest = hashlib.sha256(repr((table.columns, rows, hashes)).encode())
    return rows, digest.hexdigest()[:12]
