"""Reads the `rpt_` models that a page draws: columns in an order, and nothing computed."""

from typing import Any

import duckdb

from common.errors import UserError
from common.quoting import quote_identifier
from common.warehouse import how_to_build, open_warehouse
from reports.blocks import Block, Page

Row = dict[str, Any]


def read_rows(page: Page) -> dict[Block, list[Row]]:
    """The rows of every block of a page, all from one opening of the warehouse.

    Raises:
        UserError: there is no warehouse, or dbt hasn't built a model, or not with these columns.
    """
    with open_warehouse(read_only=True) as connection:
        return {block: _read(connection, block) for block in page.blocks()}


def query(block: Block) -> str:
    """The SQL of a block."""
    columns = ", ".join(quote_identifier(name) for name in columns_needed(block))
    order = ", ".join(quote_identifier(name) for name in block.order_by)
    return f"select {columns} from marts.{quote_identifier(block.model)} order by {order}"


def columns_needed(block: Block) -> list[str]:
    """The columns a block reads, each once: of its table with their intervals, drawing, selection, order."""
    of_table = [name for column in block.columns for name in (column.name, column.low, column.high) if name]
    return list(dict.fromkeys([*of_table, *block.channels.values(), *block.only, *block.order_by]))


def _read(connection: duckdb.DuckDBPyConnection, block: Block) -> list[Row]:
    try:
        result = connection.execute(query(block))
        rows = [dict(zip(columns_needed(block), values, strict=True)) for values in result.fetchall()]
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"marts.{block.model} can't be read ({reason}): run {how_to_build()}") from error
    return [row for row in rows if all(row[name] == value for name, value in block.only.items())]
