"""The page as a person meets it: opened from disk in a browser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page

from tests.reports import marts

pytestmark = pytest.mark.browser

COMPARED = "#still-watching-title-by-title"


@dataclass
class Visit:
    """An opened page, and whatever happened in it that should not."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path) -> "Visit":
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self.dismiss)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", timeout=30_000)
        return self

    def hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def width(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth")


def visit(browser: Browser, path: Path, width: int, scheme: Literal["light", "dark"]) -> Visit:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    return Visit(context.new_page()).open(path)


@pytest.fixture(scope="module")
def desktop(browser: Browser, full_page: Path) -> Visit:
    return visit(browser, full_page, 1280, "light")


@pytest.fixture(scope="module")
def phone(browser: Browser, full_page: Path) -> Visit:
    return visit(browser, full_page, 360, "dark")


@pytest.fixture
def compared(desktop: Visit) -> Iterator[Locator]:
    """The block that compares titles, with nothing chosen before and after."""
    block = desktop.page.locator(COMPARED)
    yield block
    for button in block.locator("button[aria-pressed=true]").all():
        button.click()


def opacities(block: Locator) -> list[float]:
    block.page.wait_for_timeout(150)
    return sorted(
        block.evaluate(
            "(block) => [...block.querySelectorAll('.mark-line path')].map((path) =>"
            " Number(path.getAttribute('opacity') ?? path.style.opacity ?? 1))"
        )
    )


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_every_chart_is_drawn_and_nothing_complains(device: str, request: pytest.FixtureRequest) -> None:
    opened: Visit = request.getfixturevalue(device)
    marks = opened.page.evaluate(
        """[...document.querySelectorAll(".chart")].map((chart) =>
            chart.querySelectorAll("svg :is(.mark-rect, .mark-symbol, .mark-line) path").length)"""
    )
    assert len(marks) == 25 and min(marks) > 0
    assert opened.complaints == []


def test_no_request_leaves_the_page(desktop: Visit, full_page: Path) -> None:
    # The file itself, and the icon that it carries.
    assert {url for url in desktop.requests if not url.startswith("data:image/svg")} == {full_page.as_uri()}


def test_planted_markup_made_no_element(desktop: Visit) -> None:
    assert desktop.page.locator("img").count() == 0
    assert desktop.page.get_by_text(marts.MARKUP).count() > 0


def test_charts_are_named_for_those_who_cannot_see_them(desktop: Visit) -> None:
    charts = desktop.page.locator(".chart[role=graphics-document]").all()
    names = [chart.get_attribute("aria-label") for chart in charts]
    assert len(names) == 25
    assert all(name and name.endswith("The data table below holds the same numbers.") for name in names)


@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 360)])
def test_nothing_is_wider_than_the_screen(device: str, width: int, request: pytest.FixtureRequest) -> None:
    opened: Visit = request.getfixturevalue(device)
    assert opened.width() <= width
    overflowing = opened.page.evaluate(
        """[...document.querySelectorAll("figure")].filter((figure) =>
            figure.querySelector("svg").getBoundingClientRect().width > figure.clientWidth + 1).length"""
    )
    assert overflowing == 0


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_names_of_sources_stand_on_one_line(device: str, request: pytest.FixtureRequest) -> None:
    opened: Visit = request.getfixturevalue(device)
    lines = opened.page.evaluate(
        """[...document.querySelectorAll(".sources strong")].map((name) => {
            const range = document.createRange();
            range.selectNodeContents(name);
            return [name.textContent, new Set([...range.getClientRects()].map((line) => line.top)).size];
        })"""
    )
    assert ["web_shop_events", 1] in lines
    assert all(count == 1 for _, count in lines)


def test_tables_unfold_without_widening_the_page(phone: Visit) -> None:
    phone.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert phone.width() <= 360
    assert phone.page.locator("table:visible").count() == 23


def test_dark_and_light_have_colours_of_their_own(desktop: Visit, phone: Visit) -> None:
    light, dark = (
        opened.page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('.chart .mark-line path')).stroke]"
        )
        for opened in (desktop, phone)
    )
    assert light[0] != dark[0] and light[1] != dark[1]


def test_choosing_a_title_in_the_legend_dims_the_others(compared: Locator, desktop: Visit) -> None:
    button = compared.locator("button[data-series]").nth(2)
    assert opacities(compared) == [1] * 8
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert opacities(compared) == [0.12] * 7 + [1]
    button.click()
    assert opacities(compared) == [1] * 8
    assert desktop.complaints == []


def test_the_legend_answers_to_the_keyboard(compared: Locator) -> None:
    compared.locator("button[data-series]").first.press("Enter")
    assert opacities(compared) == [0.12] * 7 + [1]


def test_a_click_on_a_line_chooses_it(compared: Locator) -> None:
    compared.locator(".mark-symbol path").last.click(force=True)
    assert opacities(compared) == [0.12] * 7 + [1]
    assert compared.locator("button[aria-pressed=true]").count() == 1


def test_tooltips_show_titles_as_text(compared: Locator, desktop: Visit) -> None:
    # The last point of the first title: nothing lies over it.
    compared.locator(".mark-symbol").last.locator("path").nth(23).hover(force=True)
    tip = desktop.page.locator("#tip.shown")
    tip.wait_for()
    assert "<img src=x" in tip.inner_text()
    assert tip.locator("img, script").count() == 0
    assert desktop.complaints == []


def test_an_empty_warehouse_opens_quietly(browser: Browser, build_page: Callable[..., Path]) -> None:
    opened = visit(browser, build_page({}), 1280, "light")
    assert opened.complaints == []
    assert opened.page.locator("svg").count() == 0
    assert opened.page.get_by_text("has no rows").count() == 24
