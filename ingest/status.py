"""What is loaded, from where, whether it is real, and what was rejected, as a table for the terminal."""

import duckdb

from common.errors import UserError, terminal_safe
from ingest.landing.files_in_place import changed_files

REJECTS_IN_PLACE = """
    union all
    select batch_id, source, file_name, column_name, reason, rows_count, first_row_number
    from raw.rejects_in_place
"""
WHERE_REJECTS_ARE = "raw.rejects; of files in place, once dbt has run: staging.stg_ingest__rejects"
NUMBER_HEADINGS = frozenset({"read", "loaded", "rejected", "duplicate", "rows", "first in row"})


def status_lines(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The lines that `python -m ingest status` prints.

    Raises:
        UserError: the file is a DuckDB database but no warehouse.
    """
    # A warehouse made before files could be read in place has no registry of them.
    has_registry = bool(
        connection.execute("select 1 from duckdb_tables() where table_name = 'rejects_in_place'").fetchall()
    )
    try:
        loads = connection.execute(
            """
            select
                source, origin, file_name, rows_read, rows_loaded, rows_rejected, rows_duplicate,
                strftime(loaded_at, '%Y-%m-%d %H:%M:%S UTC')
            from raw.load_manifest
            where is_current
            order by source, loaded_at, batch_id
            """
        ).fetchall()
        # A reason's text in brackets differs from row to row.
        rejects = connection.execute(
            f"""
            with rejects as (
                select batch_id, source, file_name, column_name, reason, 1 as rows_count, row_number
                from raw.rejects
                {REJECTS_IN_PLACE if has_registry else ""}
            )
            select
                rejects.source, rejects.file_name, coalesce(rejects.column_name, '-'),
                regexp_replace(rejects.reason, ' \\([^()]*\\)$', '') as kind,
                cast(sum(rejects.rows_count) as bigint) as row_count, min(rejects.row_number)
            from rejects
            inner join raw.load_manifest as manifest on rejects.batch_id = manifest.batch_id
            where manifest.is_current
            group by all
            order by rejects.source, rejects.file_name, row_count desc, kind, 3
            """
        ).fetchall()
    except duckdb.CatalogException as error:
        raise UserError(
            "this database is no warehouse yet: run `python -m ingest`, or set WAREHOUSE_PATH"
        ) from error
    if not loads:
        return ["nothing is loaded: run `python -m ingest`"]
    headings = ("source", "origin", "file", "read", "loaded", "rejected", "duplicate", "loaded at")
    lines = _table(headings, loads)
    if rejects:
        lines += ["", f"rejected rows (all of them, as delivered: {WHERE_REJECTS_ARE})"]
        lines += _table(("source", "file", "column", "reason", "rows", "first in row"), rejects)
    changed = changed_files(connection) if has_registry else []
    if changed:
        lines += [
            "",
            "files that are read in place, and are not what they were",
            *map(terminal_safe, changed),
        ]
    return lines


def _table(headings: tuple[str, ...], rows: list[tuple]) -> list[str]:
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    rules = ["-" * width for width in widths]
    return [
        "  ".join(
            text.rjust(width) if heading in NUMBER_HEADINGS else text.ljust(width)
            for heading, text, width in zip(headings, row, widths, strict=True)
        ).rstrip()
        for row in (headings, rules, *cells)
    ]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else terminal_safe(str(value))
