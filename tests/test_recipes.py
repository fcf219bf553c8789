"""The recipes: every query in them runs and finds rows, and every mart over time has one."""

import re
from pathlib import Path

import pytest

from common.warehouse import open_warehouse

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "docs" / "recipes").glob("*_*.md"))
QUERIES = [
    (recipe.stem, query.strip())
    for recipe in RECIPES
    for block in re.findall(r"```sql\n(.*?)```", recipe.read_text(encoding="utf-8"), re.DOTALL)
    for query in block.split(";")
    if query.strip()
]


@pytest.mark.parametrize(("recipe", "query"), QUERIES, ids=[recipe for recipe, _ in QUERIES])
def test_a_query_of_a_recipe_finds_rows(
    recipe: str, query: str, built_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as connection:
        assert connection.execute(query).fetchall()


def test_every_mart_over_time_has_a_recipe_that_the_index_names() -> None:
    folders = [ROOT / "dbt_project/models/marts" / name for name in ("events", "movielens", "retention")]
    marts = {model.stem for folder in folders for model in folder.glob("*.sql")}
    index = (ROOT / "docs/recipes/README.md").read_text(encoding="utf-8")
    assert {mart for mart in marts if f"`{mart}`" not in index} == set()
    assert set(re.findall(r"\((\w+)\.md\)", index)) == {recipe.stem for recipe in RECIPES}
