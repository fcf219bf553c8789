"""The pages as data: what they ask of the marts, and that it draws."""

from pathlib import Path

import pytest
import sqlglot
import vl_convert
from sqlglot import expressions

from common.warehouse import warehouse_path
from reports.blocks import Block
from reports.charts import drawings, is_chart
from reports.pages import PAGES
from reports.tables import query, read_rows
from tests.reports import marts

BLOCKS = [block for page in PAGES for block in page.blocks()]
NAMES = [f"{block.model}: {block.title}" for block in BLOCKS]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[Block, list[dict]]:
    path = marts.make(tmp_path_factory.mktemp("marts") / "warehouse.duckdb", marts.full())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        assert warehouse_path() == path
        return {block: found for page in PAGES for block, found in read_rows(page).items()}


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_a_block_reads_columns_in_an_order_and_computes_nothing(block: Block) -> None:
    tree = sqlglot.parse_one(query(block), dialect="duckdb")
    allowed = (
        expressions.Select,
        expressions.From,
        expressions.Table,
        expressions.Column,
        expressions.Identifier,
        expressions.Order,
        expressions.Ordered,
    )
    assert all(isinstance(node, allowed) for node in tree.walk())
    table = tree.find(expressions.Table)
    assert table and table.db == "marts" and table.name.startswith("rpt_")


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_an_order_tells_every_row_from_every_other(block: Block, rows: dict[Block, list[dict]]) -> None:
    assert rows[block]
    order = [tuple(row[name] for name in block.order_by) for row in rows[block]]
    assert len(order) == len(set(order))


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if is_chart(block)], ids=lambda block: block.title
)
def test_a_chart_compiles_and_carries_a_description(block: Block, rows: dict[Block, list[dict]]) -> None:
    for drawing in drawings(block, rows[block]):
        # Altair has checked the specification against Vega-Lite's schema; Vega-Lite now makes Vega of it.
        assert vl_convert.vegalite_to_vega(drawing.spec)["marks"]
        assert block.title in drawing.spec["description"]
        assert "config" not in drawing.spec


def test_titles_of_one_page_are_unique() -> None:
    for page in PAGES:
        titles = [block.title for block in page.blocks()] + [section.title for section in page.sections]
        assert len(titles) == len(set(titles))


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_a_block_says_how_to_read_it_and_what_fills_it(block: Block) -> None:
    assert block.reading.endswith(".") and len(block.reading) > 40
    assert block.filled_by.startswith("python -m ")


def test_no_file_of_reports_reads_past_the_report_models() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path("reports").glob("*.py")]
    assert sources
    for source in sources:
        for schema in ("raw.", "staging.", "intermediate.", "truth.", "ml."):
            assert f"from {schema}" not in source and f"join {schema}" not in source
