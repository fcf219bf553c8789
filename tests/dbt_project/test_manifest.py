"""What the project promises of every model, read from dbt's own manifest."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reports.pages import PAGES


@pytest.fixture(scope="module")
def manifest(built_warehouse: Path) -> dict[str, Any]:
    return json.loads((built_warehouse.parent / "dbt" / "manifest.json").read_text(encoding="utf-8"))


# Views whose every row is a row of the model beside them: their key is tested there, once, for over a large
# log that takes seconds.
KEYS_TESTED_BELOW = {
    "stg_events__events": "fct_events",
    "stg_events__in_place": "fct_events",
    "stg_ingest__rejects_in_place": "stg_ingest__rejects",
    "int_events_unioned": "fct_events",
    "int_views_sessionized": "int_views_with_outcomes",
}
# A var as a model or a macro names it.
VAR = re.compile(r"\bvar\(\s*['\"](\w+)['\"]")


def models(manifest: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["name"].startswith(prefix)
    ]


def ancestors(manifest: dict[str, Any], node_id: str) -> set[str]:
    """All models and sources that a model is made of, however far up."""
    found: set[str] = set()
    waiting = [node_id]
    while waiting:
        for parent in manifest["parent_map"].get(waiting.pop(), []):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_no_feature_descends_from_truth_or_from_a_model(manifest: dict[str, Any]) -> None:
    features = models(manifest, "feat_")
    assert features
    for feature in features:
        parents = ancestors(manifest, feature["unique_id"])
        schemas = {
            manifest["sources"][parent]["schema"] for parent in parents if parent in manifest["sources"]
        }
        assert schemas == {"raw"}, feature["name"]


def test_no_feature_reads_truth_behind_the_manifests_back(manifest: dict[str, Any]) -> None:
    for feature in models(manifest, "feat_"):
        for parent in {feature["unique_id"], *ancestors(manifest, feature["unique_id"])}:
            if parent in manifest["nodes"]:
                assert "truth." not in manifest["nodes"][parent]["compiled_code"], parent


def keys_tested(manifest: dict[str, Any]) -> dict[str, set[tuple[str, ...]]]:
    """By a model's id: the columns, each alone or some together, that a test holds to be a key."""
    tested: dict[str, dict[str, set[tuple[str, ...]]]] = {}
    for test in manifest["nodes"].values():
        if test["resource_type"] != "test" or not test.get("attached_node") or test["config"]["where"]:
            continue
        assert test["config"]["severity"].lower() == "error", test["name"]
        arguments = test["test_metadata"]["kwargs"]
        columns = arguments.get("columns") or [arguments["column_name"]]
        of_model = tested.setdefault(test["attached_node"], {})
        of_model.setdefault(test["test_metadata"]["name"], set()).add(tuple(columns))
    return {
        model: names.get("unique", set()) & names.get("not_null", set()) | names.get("unique_together", set())
        for model, names in tested.items()
    }


def test_every_model_has_a_key_that_is_tested(manifest: dict[str, Any]) -> None:
    keys = keys_tested(manifest)
    by_name = {model["name"]: model["unique_id"] for model in models(manifest)}
    without = {name for name, model in by_name.items() if not keys.get(model)}
    assert without == KEYS_TESTED_BELOW.keys()
    for name, below in KEYS_TESTED_BELOW.items():
        assert keys[by_name[below]]
        assert by_name[name] in ancestors(manifest, by_name[below])


@pytest.mark.parametrize(
    ("model", "rows", "faults"),
    [
        ("fct_user_days", "('a', 'u', 1), ('a', 'u', 2), ('a', 'v', 1)", 0),
        ("fct_user_days", "('a', 'u', 1), ('a', 'u', 1)", 1),
        ("fct_user_days", "('a', 'u', 1), ('a', null, 1)", 1),
        # The curve over all titles has none.
        ("fct_retention_by_episode", "('all', null, 1), ('all', null, 2)", 0),
        ("fct_retention_by_episode", "('all', null, 1), ('all', null, 1)", 1),
        ("fct_retention_by_episode", "('all', null, null), ('all', null, 2)", 1),
    ],
)
def test_a_key_has_no_nulls_but_where_they_are_named(
    manifest: dict[str, Any], model: str, rows: str, faults: int
) -> None:
    test = next(
        node
        for node in manifest["nodes"].values()
        if node["name"].startswith(f"unique_together_{model}_") and node["resource_type"] == "test"
    )
    columns = ", ".join(test["test_metadata"]["kwargs"]["columns"])
    query = re.sub(r'"[^"]+"\."marts"\."\w+"', f"(values {rows}) as held ({columns})", test["compiled_code"])
    with duckdb.connect() as connection:
        assert len(connection.execute(query).fetchall()) == faults


def vars_of(manifest: dict[str, Any], model: dict[str, Any]) -> set[str]:
    """The vars that a model's own query names, itself or by the macros it calls."""
    used = set(VAR.findall(model["raw_code"]))
    for macro in macros_called(manifest, model["depends_on"]["macros"]):
        used |= set(VAR.findall(manifest["macros"][macro]["macro_sql"]))
    return used


def macros_called(manifest: dict[str, Any], macros: list[str]) -> set[str]:
    """The project's own macros among these, and those that they call, however far down."""
    found: set[str] = set()
    waiting = list(macros)
    while waiting:
        macro = waiting.pop()
        if macro not in found and manifest["macros"][macro]["package_name"] == "engagement_warehouse":
            found.add(macro)
            waiting += manifest["macros"][macro]["depends_on"]["macros"]
    return found


def test_every_unit_test_pins_the_vars_that_its_model_rests_on(manifest: dict[str, Any]) -> None:
    """And no others, so that what is pinned tells what a number rests on."""
    by_name = {model["name"]: model for model in models(manifest)}
    assert manifest["unit_tests"]
    for test in manifest["unit_tests"].values():
        pinned = set((test["overrides"] or {}).get("vars", {}))
        assert pinned == vars_of(manifest, by_name[test["model"]]), f"{test['model']}: {test['name']}"


def test_every_incremental_model_names_the_vars_that_its_rows_rest_on(manifest: dict[str, Any]) -> None:
    """Its own and those of all that it is made of: built with others, it must be built anew as a whole."""
    incremental = {
        model["unique_id"]: model
        for model in models(manifest)
        if model["config"]["materialized"] == "incremental"
    }
    assert incremental
    for node_id, model in incremental.items():
        made_of = {node_id, *ancestors(manifest, node_id)}
        nodes = [manifest["nodes"][node] for node in made_of if node in manifest["nodes"]]
        rests_on = set().union(*(vars_of(manifest, node) for node in nodes))
        assert set(model["config"]["meta"]["vars"]) == rests_on, model["name"]
        assert "forget_changed_sources" in model["config"]["pre-hook"][0]["sql"], model["name"]


def test_every_model_and_column_is_described_with_its_grain(manifest: dict[str, Any]) -> None:
    for model in models(manifest):
        assert re.search(r"One row per [^.]+\.$", model["description"].strip()), model["name"]
        assert all(column["description"] for column in model["columns"].values()), model["name"]
        assert model["columns"], model["name"]


def test_the_name_of_a_column_tells_its_type(built_warehouse: Path) -> None:
    """Of every model, contract or not; `label` is the word of machine learning for the outcome."""
    with duckdb.connect(built_warehouse, read_only=True) as connection:
        wrong = connection.execute("""
            select table_name, column_name, data_type
            from duckdb_columns()
            where
                schema_name in ('staging', 'intermediate', 'marts')
                and (
                    regexp_matches(column_name, '^(is|has)_') <> (data_type = 'BOOLEAN')
                    and column_name not in ('label', 'proxy_label')
                    or regexp_matches(column_name, '_(count|number|rank)$')
                    and data_type not in ('INTEGER', 'BIGINT')
                    or regexp_matches(column_name, '_(rate|share)$') and data_type <> 'DOUBLE'
                    or regexp_matches(column_name, '_date$') and data_type <> 'DATE'
                    or regexp_matches(column_name, '_at$') and data_type <> 'TIMESTAMP'
                )
        """).fetchall()
    assert not wrong


def test_marts_have_enforced_contracts_and_read_no_source(manifest: dict[str, Any]) -> None:
    marts = [model for model in models(manifest) if model["schema"] == "marts"]
    assert marts
    for mart in marts:
        assert mart["contract"]["enforced"], mart["name"]
        assert not any(parent.startswith("source.") for parent in manifest["parent_map"][mart["unique_id"]])


def test_whatever_reads_ml_is_a_view(manifest: dict[str, Any]) -> None:
    """A training run shows in the marts at once, with no second build."""
    for model in models(manifest):
        parents = ancestors(manifest, model["unique_id"])
        if any(parent.startswith("source.engagement_warehouse.ml.") for parent in parents):
            assert model["config"]["materialized"] == "view", model["name"]


def test_every_page_is_an_exposure_of_the_models_it_draws(manifest: dict[str, Any]) -> None:
    exposed = {
        exposure["label"]: {model.split(".")[-1] for model in exposure["depends_on"]["nodes"]}
        for exposure in manifest["exposures"].values()
    }
    drawn = {page.title: {block.model for block in page.blocks()} | {"rpt_sources"} for page in PAGES}
    assert exposed == drawn
