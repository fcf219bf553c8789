"""The written file: what is in it, and that text from data stays text."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from reports import build
from reports.html import json_block, text
from reports.pages import OVERVIEW, PAGES
from tests.reports import marts

BuildPage = Callable[..., Path]


class Outline(HTMLParser):
    """The tags of a page, and the text of its parts that are no script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def page(full_page: Path) -> str:
    return full_page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_markup_in_a_title_stays_text(outline: Outline) -> None:
    assert outline.count("img") == 0
    assert marts.MARKUP in outline.text
    assert "script" not in {tag for tag, attributes in outline.tags if "onerror" in attributes}


def test_every_script_is_the_projects_or_data(page: str, outline: Outline) -> None:
    scripts = [attributes for tag, attributes in outline.tags if tag == "script"]
    assert all("src" not in attributes for attributes in scripts)
    assert sum("type" not in attributes for attributes in scripts) == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and len(re.findall(r"script-src 'sha256-[^']+' 'sha256-[^']+';", policy[1])) == 1
    assert "unsafe-eval" not in policy[1] and "script-src 'unsafe-inline'" not in policy[1]


def test_the_library_is_inlined_once(page: str) -> None:
    assert page.count("window.vegaEmbed") == 1


def test_nothing_is_loaded_from_elsewhere(outline: Outline) -> None:
    addresses = [
        value for _, attributes in outline.tags for key, value in attributes.items() if key in ("src", "href")
    ]
    assert all(value and value.startswith(("#", "data:")) for value in addresses)


def test_ids_are_unique_and_every_reference_leads_somewhere(outline: Outline) -> None:
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        for key in ("aria-labelledby", "data-chart"):
            assert attributes.get(key) is None or attributes[key] in ids
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids


def test_every_block_says_where_it_comes_from(outline: Outline, page: str) -> None:
    for block in OVERVIEW.blocks()[1:]:
        assert f"marts.{block.model}" in outline.text
    for origin in ("real", "simulated", "stand-in"):
        assert f'<span class="badge {origin}"><bdi>{origin}</bdi></span>' in page


def test_a_drawing_for_each_source_says_whether_it_is_real(page: str) -> None:
    caption = '<figcaption><bdi>viewing</bdi> <span class="badge simulated"><bdi>simulated</bdi></span>'
    assert page.count(caption) == 5


def test_every_chart_has_a_table_beside_it(outline: Outline) -> None:
    drawn = {attributes["data-chart"] for tag, attributes in outline.tags if "data-chart" in attributes}
    blocks = {str(name).rsplit("-", 1)[0] for name in drawn}
    assert len(blocks) == 17
    assert outline.count("table") >= len(blocks)


def test_headings_go_down_step_by_step(outline: Outline) -> None:
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_huge_title_is_cut_and_kept_whole_only_where_one_hovers(page: str, outline: Outline) -> None:
    assert max(len(part) for part in outline.text) < 1_000
    assert f'title="{marts.HUGE}"' in page
    specs = re.findall(r'data-chart="[^"]+">(.*?)</script>', page, re.DOTALL)
    assert all(marts.HUGE not in spec for spec in specs)


def test_right_to_left_text_is_isolated(page: str) -> None:
    for found in re.finditer(re.escape(marts.RIGHT_TO_LEFT), page):
        before = page[max(0, found.start() - 5) : found.start()]
        assert before.endswith(("<bdi>", '"'))


def test_an_open_window_is_not_yet_known_and_never_zero(page: str) -> None:
    row = re.search(r"<tr><td class=\"number\">27</td>(.*?)</tr>", page)
    assert row and row[1].startswith('<td class="number">not yet known</td>')
    assert '<dd class="value">not yet known</dd>' in page


def test_json_blocks_hold_no_character_that_ends_or_breaks_them() -> None:
    for title in marts.NASTY:
        block = json_block({"title": title})
        assert not set(block) & set("<>&\u2028\u2029")
        assert json.loads(block) == {"title": title}


def test_json_blocks_refuse_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        json_block(float("nan"))


def test_text_escapes_quotes_too() -> None:
    assert text("""<a href='x' title="y">&""") == "&lt;a href=&#x27;x&#x27; title=&quot;y&quot;&gt;&amp;"


def test_the_same_tables_give_the_same_file(build_page: BuildPage, full_page: Path) -> None:
    assert build_page(marts.full()).read_bytes() == full_page.read_bytes()


def test_empty_marts_say_which_command_fills_them(build_page: BuildPage) -> None:
    page = build_page({}).read_text(encoding="utf-8")
    assert page.count('data-chart="') == 0
    for block in OVERVIEW.blocks():
        assert f"<code>marts.{block.model}</code> has no rows. <code>{block.filled_by}</code>" in page


def test_only_steam_loaded(build_page: BuildPage) -> None:
    rows = {model: marts.full()[model] for model in ("rpt_playtime_histogram", "rpt_engagement_tiers")}
    rows["rpt_sources"] = [(3, "steam", "real", "", "steam-200k.csv", "", 9, 9, 0, 0, "2025-03-01")]
    page = build_page(rows).read_text(encoding="utf-8")
    assert page.count('data-chart="') == 2
    assert "not loaded" in page and "<code>python -m ml.train</code> fills it" in page


def test_a_curve_whose_windows_are_all_open_is_no_chart(build_page: BuildPage) -> None:
    rows = {"rpt_retention_by_episode": marts.full()["rpt_retention_by_episode"][-1:]}
    page = build_page(rows).read_text(encoding="utf-8")
    assert "Not yet known: no window has closed so far." in page
    assert page.count('data-chart="') == 1


def test_a_metric_without_values_is_no_chart(build_page: BuildPage) -> None:
    unknown = (marts.RUN, marts.TASK, "baseline", 1, "test", "f1", "F1", 4, *[None] * 8)
    rows = {"rpt_model_metrics": [*marts.full()["rpt_model_metrics"], unknown]}
    page = build_page(rows).read_text(encoding="utf-8")
    assert page.count("<figcaption>") == 3 and "<bdi>F1</bdi>" in page


def test_another_task_is_kept_out_of_the_blocks_of_this_one(build_page: BuildPage) -> None:
    rows = {"rpt_feature_importance": [("run-2", "churn", "days_away", 1, 0.1, 0.0, 0.2)]}
    assert "days_away" not in build_page(rows).read_text(encoding="utf-8")


def test_a_number_that_is_none_is_blank(build_page: BuildPage) -> None:
    rows = {"rpt_binge_length": [(1, "1", 5, float("nan"), float("inf"), None, 5), (2, "2", 5, 1, 1, 1, 5)]}
    page = build_page(rows).read_text(encoding="utf-8")
    assert "nan" not in page[page.index("<body>") : page.index("<script>")].lower()


@pytest.mark.parametrize("model", sorted(marts.COLUMNS))
def test_a_missing_model_is_one_line(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAREHOUSE_PATH", str(marts.make(tmp_path / "w.duckdb", {}, without=model)))
    assert build.run_command(build.build) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"marts.{model}" in error and "dbt build" in error
    assert not (tmp_path / "reports").exists()


def test_no_warehouse_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "none.duckdb"))
    assert build.run_command(build.build) == 2
    assert "python -m ingest" in capsys.readouterr().err


def test_a_page_that_cant_be_written_leaves_nothing_behind(
    build_page: BuildPage, capsys: pytest.CaptureFixture[str]
) -> None:
    path = build_page({})
    path.unlink()
    path.mkdir()
    (path / "in-the-way").touch()
    assert build.run_command(build.build) == 2
    assert "can't be written" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_of_a_page_is_cleared(build_page: BuildPage) -> None:
    path = build_page({})
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = path.with_name(f".{path.name}.{ended.pid}")
    left.touch()
    build_page({})
    assert list(path.parent.iterdir()) == [path]


def test_the_command_says_where_the_page_is(
    build_page: BuildPage, capsys: pytest.CaptureFixture[str]
) -> None:
    path = build_page({})
    printed = capsys.readouterr().out
    assert re.search(r"^reports/build/index.html: \d\.\d\d MB in \d+\.\d s$", printed, re.MULTILINE)
    assert path.as_uri() in printed
    assert {page.file_name for page in PAGES} == {entry.name for entry in path.parent.iterdir()}
