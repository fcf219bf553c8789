"""Views over a lake's tables of `raw` and `truth`: in DuckDB they look as in the warehouse they came from."""

from pathlib import Path

import duckdb

from common.lake import DUCKDB_TYPES, SCHEMAS, Lake, Table
from common.quoting import quote_identifier, quote_text


def create_views(connection: duckdb.DuckDBPyConnection, folder: Path, lake: Lake) -> None:
    """Make the views of `raw` and `truth` anew, all or none, in the lake's DuckDB file."""
    folder = folder.resolve()
    connection.execute("begin")
    try:
        for schema in SCHEMAS:
            connection.execute(f"drop schema if exists {schema} cascade")
            connection.execute(f"create schema {schema}")
        for table in lake.tables:
            name = f"{quote_identifier(table.schema)}.{quote_identifier(table.name)}"
            connection.execute(f"create view {name} as {_select(folder, table)}")
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _select(folder: Path, table: Table) -> str:
    if not table.folders:
        columns = (f"cast(null as {_duckdb_type(table.columns[name])})" for name in table.order)
        names = map(quote_identifier, table.order)
        return "select " + ", ".join(map(" as ".join, zip(columns, names, strict=True))) + " where false"
    columns = ", ".join(_column(name, table.columns[name]) for name in table.order)
    files = ", ".join(quote_text(f"{folder}/{part}/*.parquet") for part in table.folders)
    partitions = ", hive_partitioning = false"
    if table.partitioned_by:
        # The name of a folder is read back as the load's id, whatever was escaped in it.
        partitions = (
            f", hive_partitioning = true, hive_types = {{{quote_text(table.partitioned_by)}: varchar}}"
        )
    return f"select {columns} from read_parquet([{files}]{partitions})"


def _column(name: str, spark_type: str) -> str:
    quoted = quote_identifier(name)
    return f"timezone('UTC', {quoted}) as {quoted}" if spark_type == "timestamp" else quoted


def _duckdb_type(spark_type: str) -> str:
    if spark_type.startswith("array<"):
        return f"{_duckdb_type(spark_type.removeprefix('array<').removesuffix('>'))}[]"
    # What has no name of its own is called alike in both: decimal(18,2).
    return DUCKDB_TYPES.get(spark_type, spark_type)
