"""A lake as Spark leaves it, made by DuckDB: the marts of a warehouse as Parquet, times as instants."""

from pathlib import Path

import duckdb

BUILT_BY_SPARK = """
    select schema_name, table_name
    from duckdb_tables()
    where schema_name in ('staging', 'intermediate', 'marts')
    union all
    -- On Spark these are tables.
    select schema_name, view_name
    from duckdb_views()
    where view_name in ('stg_events__in_place', 'stg_ingest__rejects_in_place')
    order by all
"""


def write_marts(warehouse: Path, lake: Path) -> list[str]:
    """Copy every table that dbt made into the lake's folders; the names of the tables."""
    names = []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for schema, table in connection.execute(BUILT_BY_SPARK).fetchall():
            folder = lake / schema / table
            folder.mkdir(parents=True, exist_ok=True)
            connection.execute(
                f"copy (select {instants(connection, f'{schema}.{table}')} from {schema}.{table}) "
                f"to '{folder}/part-00000.parquet'"
            )
            names.append(f"{schema}.{table}")
    return names


def instants(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """The columns of a table, timestamps as instants."""
    return ", ".join(
        f'timezone(\'UTC\', "{name}") as "{name}"' if kind == "TIMESTAMP" else f'"{name}"'
        for name, kind, *_ in connection.execute(f"describe {table}").fetchall()
    )
