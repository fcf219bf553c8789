"""What the project promises of every model, read from dbt's own manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.pages import PAGES


@pytest.fixture(scope="module")
def manifest(built_warehouse: Path) -> dict[str, Any]:
    return json.loads((built_warehouse.parent / "dbt" / "manifest.json").read_text(encoding="utf-8"))


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


def test_every_model_and_column_is_described_with_its_grain(manifest: dict[str, Any]) -> None:
    for model in models(manifest):
        assert "One row per" in model["description"], model["name"]
        assert all(column["description"] for column in model["columns"].values()), model["name"]
        assert model["columns"], model["name"]


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
