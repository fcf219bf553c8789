"""A built page to look at, and one browser for all who look."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from reports import build
from tests.reports import marts

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Headless and alone: no sandbox in a container, and nothing that calls home by itself.
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def build_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Builds the page of a warehouse with the given rows, below a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def build_from(rows: dict[str, list[tuple[Any, ...]]]) -> Path:
        warehouse = tmp_path / "warehouse.duckdb"
        warehouse.unlink(missing_ok=True)
        monkeypatch.setenv("WAREHOUSE_PATH", str(marts.make(warehouse, rows)))
        build.build()
        return tmp_path / "reports/build/index.html"

    return build_from


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a warehouse in which every model has rows, some of them hostile."""
    folder = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WAREHOUSE_PATH", str(marts.make(folder / "warehouse.duckdb", marts.full())))
        build.build()
    return folder / "reports/build/index.html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, or a skip that says how to get it; with REQUIRE_BROWSER=1 its absence is a failure."""
    if not CHROMIUM:
        advice = "no browser found: `apt-get install chromium` to run the browser tests"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(advice)
        pytest.skip(advice)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield chromium
        chromium.close()
