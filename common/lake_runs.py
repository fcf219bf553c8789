"""Training runs between a DuckDB file's `ml` tables and a lake's `ml` folder, where Spark reads them.

A run is a file in the folder of each table, `ml/<table>/<run_id>.parquet`; that in `ml/model_runs` comes last
and says that the others are there.
"""

from pathlib import Path
from urllib.parse import quote

import duckdb

from common.files import whole_file
from common.quoting import quote_identifier, quote_text

FOLDER = "ml"
RUNS = "model_runs"
RUNS_OF_WAREHOUSE = f"select run_id, trained_at from ml.{RUNS}"


def export_runs(connection: duckdb.DuckDBPyConnection, lake: Path) -> int:
    """Write the runs that the lake lacks, or has as trained earlier; return how many.

    A reader finds each file whole, and no line of `model_runs` without the rows of its run.

    Raises:
        OSError, duckdb.IOException: a file can't be written; what is missing is written the next time.
    """
    tables = run_tables(connection)
    if RUNS not in tables:
        return 0
    changed = _newer(connection, RUNS_OF_WAREHOUSE, _runs_of_lake(lake))
    for run_id in changed:
        for table in tables:
            _export(connection, table, run_id, run_file(lake, table, run_id))
    return len(changed)


def import_runs(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """Take over the runs of the lake that the `ml` tables lack or have as trained earlier, all or none."""
    tables = run_tables(connection)
    if RUNS not in tables:
        return
    changed = _newer(connection, _runs_of_lake(lake), RUNS_OF_WAREHOUSE)
    connection.execute("begin")
    try:
        for run_id in changed:
            for table in tables:
                _import(connection, table, run_id, run_file(lake, table, run_id))
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def run_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of `ml` that hold rows of runs, `model_runs` last."""
    rows = connection.execute(
        """
        select tables.table_name
        from duckdb_tables() as tables
        semi join (
            select * from duckdb_columns() where column_name = 'run_id'
        ) as columns on tables.table_oid = columns.table_oid and tables.database_name = columns.database_name
        where tables.schema_name = 'ml' and tables.database_name = current_database()
        order by tables.table_name = ?, tables.table_name
        """,
        [RUNS],
    ).fetchall()
    return [name for (name,) in rows]


def run_file(lake: Path, table: str, run_id: str) -> Path:
    """Where the rows of a run in a table lie."""
    return lake / FOLDER / table / f"{quote(run_id, safe='')}.parquet"


def _runs_of_lake(lake: Path) -> str:
    files = sorted((lake / FOLDER / RUNS).glob("*.parquet"))
    if not files:
        return "select null::varchar as run_id, null::timestamp as trained_at where false"
    listed = ", ".join(quote_text(str(file)) for file in files)
    return (
        "select run_id, timezone('UTC', trained_at) as trained_at "
        f"from read_parquet([{listed}], hive_partitioning = false)"
    )


def _newer(connection: duckdb.DuckDBPyConnection, runs: str, known: str) -> list[str]:
    """Of the runs of one query, those that the other lacks or has as trained earlier; the earliest first."""
    rows = connection.execute(
        f"""
        select runs.run_id
        from ({runs}) as runs
        left join ({known}) as known on runs.run_id = known.run_id
        where known.trained_at is null or known.trained_at < runs.trained_at
        order by runs.trained_at, runs.run_id
        """
    ).fetchall()
    return [run_id for (run_id,) in rows]


def _export(connection: duckdb.DuckDBPyConnection, table: str, run_id: str, path: Path) -> None:
    columns = ", ".join(
        f"timezone('UTC', {name}) as {name}" if kind == "TIMESTAMP" else name
        for name, kind in _columns(connection, f"ml.{quote_identifier(table)}")
    )
    with whole_file(path) as unfinished:
        connection.execute(
            f"copy (select {columns} from ml.{quote_identifier(table)} where run_id = {quote_text(run_id)}) "
            f"to {quote_text(str(unfinished))} (format parquet, compression zstd)"
        )


def _import(connection: duckdb.DuckDBPyConnection, table: str, run_id: str, path: Path) -> None:
    name = f"ml.{quote_identifier(table)}"
    connection.execute(f"delete from {name} where run_id = ?", [run_id])
    if not path.exists():
        return
    source = f"read_parquet([{quote_text(str(path))}], hive_partitioning = false)"
    columns = ", ".join(
        f"timezone('UTC', {column}) as {column}" if kind == "TIMESTAMP WITH TIME ZONE" else column
        for column, kind in _columns(connection, source)
    )
    connection.execute(f"insert into {name} by name select {columns} from {source}")


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> list[tuple[str, str]]:
    """Quoted names and types of what can be read from."""
    rows = connection.execute(f"describe select * from {source}").fetchall()
    return [(quote_identifier(name), kind) for name, kind, *_ in rows]
