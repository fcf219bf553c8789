"""What is loaded, from where, whether it is real, and what was rejected, as a table for the terminal."""

import duckdb

from common.errors import UserError, terminal_safe

NUMBER_HEADINGS = frozenset({"read", "loaded", "rejected", "duplicate", "rows", "first in row"})


def status_lines(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The lines that `python -m ingest status` prints.

    Raises:
        UserError: the file is a DuckDB database but no warehouse.
    """
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
            """
            select
                rejects.source, rejects.file_name, coalesce(rejects.column_name, '-'),
                regexp_replace(rejects.reason, ' \\([^()]*\\)$', '') as kind, count(*) as row_count,
                min(rejects.row_number)
            from raw.rejects as rejects
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
        lines += ["", "rejected rows (all of them, as delivered: raw.rejects)"]
        lines += _table(("source", "file", "column", "reason", "rows", "first in row"), rejects)
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
