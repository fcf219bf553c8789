"""Writes a page as one HTML file that opens from disk: no network, no build step, nothing run from data.

Text from data reaches the file in two ways only: escaped by `text`, or as JSON in a block that no browser
executes, written by `json_block`. A content security policy names the two scripts and the style sheet by
their hashes, so that nothing else could run or load even if some text slipped through.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from reports.blocks import Block, Column, Page, Section
from reports.charts import CONFIG, Drawing, drawings, has_values, is_chart
from reports.formats import interval, is_number, shorten, with_unit, written
from reports.tables import Row

ASSETS = Path(__file__).parent
ORIGINS = ("real", "simulated", "stand-in")
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M2 3v11h12M4 5c4 1 4 6 9 6' fill='none' stroke='%232563eb' stroke-width='2'/%3E%3C/svg%3E"
)


def document(page: Page, rows: dict[Block, list[Row]]) -> str:
    """The whole file of a page, the same to the last byte for the same rows."""
    style, script = _asset("page.css"), _asset("page.js")
    library = _vega()
    origins = {str(row["source"]): str(row["origin"]) for row in rows[page.loaded]}
    sections = "\n".join(_section(section, rows, origins) for section in page.sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy([library, script], style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(page.title)}</title>
<link rel="icon" href="{ICON}">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the figures</a>
<header>
<h1>{text(page.title)}</h1>
<p class="lead">{text(page.words)}</p>
{_loaded(page.loaded, rows[page.loaded])}
</header>
<nav aria-label="On this page"><ul>{_navigation(page)}</ul></nav>
<main id="main">
{sections}
</main>
<footer><p>Made from the warehouse's <code>marts.rpt_</code> tables by <code>python -m reports.build</code>. \
Each block names its table: <code>select * from</code> it gives the same numbers.</p></footer>
<noscript><p class="empty">The charts need JavaScript; the tables hold the same numbers.</p></noscript>
<script type="application/json" id="chart-config">{json_block(CONFIG)}</script>
<script>{library}</script>
<script>{script}</script>
</body>
</html>
"""


def text(value: str) -> str:
    """`value` as it may stand in HTML, between tags and in quoted attributes."""
    return html.escape(value, quote=True)


def json_block(value: Any) -> str:
    """`value` as JSON that can't end the script block it stands in, nor break a line of script."""
    written_out = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        written_out = written_out.replace(character, f"\\u{ord(character):04x}")
    return written_out


def _policy(scripts: Iterable[str], style: str) -> str:
    hashes = " ".join(_hash(script) for script in scripts)
    # Vega sets fonts and cursors as style attributes; no attribute can load anything under default-src.
    return (
        f"default-src 'none'; script-src {hashes}; style-src-elem {_hash(style)}; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, of the versions that Altair writes for."""
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    # Neither sequence may stand in an HTML script block; both mean the same in a string of the script.
    return re.sub("<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _navigation(page: Page) -> str:
    return "".join(
        f'<li><a href="#{_slug(section.title)}">{text(section.title)}</a></li>' for section in page.sections
    )


def _loaded(block: Block, rows: list[Row]) -> str:
    """What is loaded, in a line each; the whole of it in a table below."""
    lines = "".join(_loaded_line(row) for row in rows)
    body = f'<ul class="sources">{lines}</ul>{_folded(block, rows)}' if rows else _empty(block)
    return (
        f'<section class="loaded" aria-label="{text(block.title)}">'
        f'<h2>{text(block.title)}</h2>{body}<p class="reading">{text(block.reading)}</p></section>'
    )


def _loaded_line(row: Row) -> str:
    name, file_name = _data(row["source"]), _data(row["file_name"], "")
    count = written(row["rows_loaded"], "count")
    badge = _badge(row["origin"])
    return f"<li>{badge} <strong>{name}</strong> <span>{count} rows <small>{file_name}</small></span></li>"


def _section(section: Section, rows: dict[Block, list[Row]], origins: dict[str, str]) -> str:
    slug = _slug(section.title)
    blocks = "\n".join(_block(block, rows[block], origins) for block in section.blocks)
    return (
        f'<section id="{slug}" aria-labelledby="{slug}-title">\n'
        f'<h2 id="{slug}-title">{text(section.title)}</h2>\n<p class="words">{text(section.words)}</p>\n'
        f'<div class="blocks">\n{blocks}\n</div>\n</section>'
    )


def _block(block: Block, rows: list[Row], origins: dict[str, str]) -> str:
    slug = _slug(block.title)
    return (
        f'<article class="block{" wide" if block.wide else ""}" id="{slug}" aria-labelledby="{slug}-title">\n'
        f'<h3 id="{slug}-title">{text(block.title)}</h3>\n<p class="reading">{text(block.reading)}</p>\n'
        f"<div>{_body(block, slug, rows, origins)}</div>\n{_origin_line(block, origins)}\n</article>"
    )


def _body(block: Block, slug: str, rows: list[Row], origins: dict[str, str]) -> str:
    if not rows:
        return _empty(block)
    if block.kind == "figures":
        return _figures(block, rows, origins)
    if not is_chart(block):
        return _table(block, rows)
    if not has_values(block, rows):
        return f'<p class="empty">Not yet known: no window has closed so far.</p>{_folded(block, rows)}'
    badges = origins if block.channels.get("each") == "source" else {}
    charts = "".join(
        _chart(drawing, f"{slug}-{number}", badges) for number, drawing in enumerate(drawings(block, rows))
    )
    return f'<div class="charts">{charts}</div>{_folded(block, rows)}'


def _empty(block: Block) -> str:
    return (
        f'<p class="empty">Nothing to show yet: <code>marts.{text(block.model)}</code> has no rows. '
        f"<code>{text(block.filled_by)}</code> fills it.</p>"
    )


def _origin_line(block: Block, origins: dict[str, str]) -> str:
    """The sources behind a block, each with whether it is real, and the table it shows."""
    sources = "".join(
        f"<li>{text(source)} {_badge(origins.get(source, 'not loaded'))}</li>" for source in block.sources
    )
    behind = f"<ul>{sources}</ul>" if sources else ""
    return f'<footer class="origin">{behind}<code>marts.{text(block.model)}</code></footer>'


def _badge(origin: Any) -> str:
    known = str(origin) if origin in ORIGINS else "other"
    return f'<span class="badge {known}">{_data(origin)}</span>'


def _chart(drawing: Drawing, name: str, origins: dict[str, str]) -> str:
    badge = f" {_badge(origins[drawing.caption])}" if drawing.caption in origins else ""
    caption = f"<figcaption>{_data(drawing.caption)}{badge}</figcaption>" if drawing.caption else ""
    keys = "".join(
        f'<button type="button" aria-pressed="false" data-series="{text(key)}" title="{text(label)}">'
        f'<i style="background:{text(color)}"></i><bdi>{text(shorten(label))}</bdi></button>'
        for key, label, color in drawing.legend
    )
    several = len(drawing.legend) > 1
    legend = f'<div class="legend" role="group" aria-label="Series to show">{keys}</div>' if several else ""
    return (
        f'<figure>{caption}{legend}<div class="chart" id="{name}"></div>'
        f'<script type="application/json" data-chart="{name}">{json_block(drawing.spec)}</script></figure>'
    )


def _figures(block: Block, rows: list[Row], origins: dict[str, str]) -> str:
    cards = []
    for row in rows:
        value, low, high, unit, count, note, source = (
            row[block.channels[channel]]
            for channel in ("value", "low", "high", "unit", "n", "note", "source")
        )
        known = low is not None and high is not None
        ends = f"{with_unit(low, unit)} to {with_unit(high, unit)}" if known else ""
        details = [
            f"<dd>95% interval {text(ends)}</dd>" if ends else "",
            f"<dd>n = {written(count, 'count')}</dd>" if count is not None else "",
            f'<dd class="note">{_data(note)}</dd>' if note else "",
            f"<dd>{_data(source)} {_badge(origins.get(str(source), 'not loaded'))}</dd>",
        ]
        big = text(with_unit(value, unit, block.column("value").missing))
        label = _data(row[block.channels["label"]])
        cards.append(f'<div><dt>{label}</dt><dd class="value">{big}</dd>{"".join(details)}</div>')
    return f'<dl class="figures">{"".join(cards)}</dl>'


def _folded(block: Block, rows: list[Row]) -> str:
    return f"<details><summary>Show as a table</summary>{_table(block, rows)}</details>"


def _table(block: Block, rows: list[Row]) -> str:
    head = "".join(f'<th scope="col"{_align(column)}>{text(column.label)}</th>' for column in block.columns)
    body = "".join(f"<tr>{''.join(_cell(row, column) for column in block.columns)}</tr>" for row in rows)
    # The frame scrolls, so a keyboard must be able to reach it.
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{text(block.title)}, as a table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _align(column: Column) -> str:
    return ' class="number"' if is_number(column) else ""


def _cell(row: Row, column: Column) -> str:
    value = row[column.name]
    if column.format == "origin":
        return f"<td>{_badge(value)}</td>"
    if column.format == "text":
        return f"<td>{_data(value, column.missing)}</td>"
    ends = interval(row, column)
    spread = f" <small>{text(ends)}</small>" if ends else ""
    return f"<td{_align(column)}>{text(written(value, column.format, column.missing))}{spread}</td>"


def _data(value: Any, missing: str = "—") -> str:
    """Text from data: escaped, kept apart from the direction of its surroundings, its length limited."""
    whole = written(value, "text", missing)
    short = shorten(whole)
    hover = f' title="{text(whole)}"' if short != whole else ""
    return f"<bdi{hover}>{text(short)}</bdi>"
