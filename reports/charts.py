"""Draws a block's rows as Vega-Lite: one function a kind, each from rows to a layered chart.

Colours are the style sheet's custom properties, which SVG obeys: one drawing serves light, dark and print.
Text from data stands in categories and tooltips only, cut to a readable length; the names of series are left
to the page, whose legend isolates right-to-left text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import altair as alt

from reports.blocks import Block, Column
from reports.formats import AXIS_FORMATS, interval, plain, shorten, written
from reports.tables import Row

PALETTE = tuple(f"var(--series-{number})" for number in range(1, 9))
MAIN, SOFT, RULE = PALETTE[0], "var(--series-1-soft)", "var(--muted)"
LINE_HEIGHT = 24
# Every chart with a number on its vertical axis keeps this much room for it, so that charts below each
# other line up.
AXIS_ROOM = 46
IS_CHOSEN = "length(chosen) == 0 || indexof(chosen, datum.series) >= 0"

# What all charts of a page share; written once into the page, not into each chart.
CONFIG: dict[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "padding": 4,
    # A null breaks a line and leaves out a bar or a dot: it is never drawn as 0.
    "mark": {"invalid": "break-paths-filter-domains"},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titlePadding": 8,
    },
    "axisX": {"grid": False},
}


@dataclass(frozen=True)
class Drawing:
    """One chart as a page holds it: its specification, and what of it is words (caption and legend)."""

    spec: dict[str, Any]
    caption: str
    legend: tuple[tuple[str, str, str], ...]  # key, text, colour of each series


def drawings(block: Block, rows: list[Row]) -> list[Drawing]:
    """The charts of a block: one, or one for each value of `each` that has any, in the order of the rows."""
    if "each" not in block.channels:
        return [_drawing(block, rows, "")]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row[block.channels["each"]]), []).append(row)
    return [_drawing(block, group, caption) for caption, group in groups.items() if has_values(block, group)]


def has_values(block: Block, rows: list[Row]) -> bool:
    """Whether there is anything to draw: rows, and among them one whose value is known."""
    names = [block.channels[channel] for channel in ("x", "y") if channel in block.channels]
    return any(all(plain(row[name]) is not None for name in names) for row in rows)


def is_chart(block: Block) -> bool:
    """Whether a block is drawn by this module."""
    return block.kind in _KINDS


def _drawing(block: Block, rows: list[Row], caption: str) -> Drawing:
    legend = _legend(block, rows)
    chart = _KINDS[block.kind](block, rows)
    if legend:
        chart = chart.add_params(alt.param(name="chosen", value=[]))
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = chart.properties(width="container", autosize=fit, description=_description(block, caption))
    spec = chart.to_dict()
    # Altair adds its own theme here; the page has one for all its charts.
    spec.pop("config", None)
    return Drawing(spec=spec, caption=caption, legend=legend)


def _description(block: Block, caption: str) -> str:
    """What a screen reader says of the whole chart; the numbers are in the table beside it."""
    of_what = f", {caption}" if caption else ""
    return f"{block.title}{of_what}. {block.reading} The data table below holds the same numbers."


def _legend(block: Block, rows: list[Row]) -> tuple[tuple[str, str, str], ...]:
    if "series" not in block.channels:
        return ()
    names = {_series_key(block, row): str(row[block.channels["series"]]) for row in rows}
    colors = dict(block.series_colors)
    free = iter([color for color in PALETTE if color not in colors.values()] * (len(names) + 1))
    order = [*(key for key in colors if key in names), *(key for key in names if key not in colors)]
    return tuple((key, names[key], colors[key] if key in colors else next(free)) for key in order)


def _series_key(block: Block, row: Row) -> str:
    """What tells one series from another: two titles may bear the same name."""
    return str(row[block.channels.get("series_key", block.channels["series"])])


def _data(block: Block, rows: list[Row]) -> alt.Data:
    """The rows under the names of the channels, with each tooltip's text written out beforehand."""
    values = []
    for row in rows:
        datum = {channel: _placed(row[name]) for channel, name in block.channels.items() if channel != "each"}
        if "series" in datum:
            datum["series"] = _series_key(block, row)
        for number, column in enumerate(block.columns):
            datum[f"tip{number}"] = _tip(row, column)
        value = _value_column(block)
        for end, name in (("low", value.low), ("high", value.high)):
            if name:
                datum[end] = plain(row[name])
        values.append(datum)
    return alt.Data(values=values)


def _placed(value: Any) -> Any:
    return shorten(value) if isinstance(value, str) else plain(value)


def _tip(row: Row, column: Column) -> str:
    ends = interval(row, column)
    text = shorten(written(row[column.name], column.format, column.missing))
    return f"{text} ({ends})" if ends else text


def _value_column(block: Block) -> Column:
    """The column whose size is drawn, and whose interval goes with it."""
    return block.column("x" if block.kind in ("dots", "rows") else "y")


def _tooltip(block: Block) -> list[alt.Tooltip]:
    # Text written out beforehand, for Vega would write a null as 0.
    return [
        alt.Tooltip(field=f"tip{number}", type="nominal", title=column.label)
        for number, column in enumerate(block.columns)
    ]


def _axis(column: Column, **settings: Any) -> alt.Axis:
    whole = {"tickMinStep": 1} if column.format in ("integer", "count") else {}
    return alt.Axis(format=AXIS_FORMATS.get(column.format, "~r"), **whole, **settings)


def _measure(block: Block, axis: type, channel: str, **settings: Any) -> Any:
    """A value axis, horizontal or vertical."""
    column = block.column(channel)
    scale = {"type": block.scale, "zero": block.from_zero, "nice": block.scale == "linear"}
    ticks = {"values": list(block.ticks)} if block.ticks else {}
    # Small multiples name their measure in the caption.
    title = None if "each" in block.channels else column.label
    marks = _axis(column, labelFlush=False, labelOverlap=True, **ticks, **settings)
    return axis(channel, type="quantitative", title=title, axis=marks, scale=scale)


def _height_axis(block: Block) -> alt.Y:
    return _measure(block, alt.Y, "y", minExtent=AXIS_ROOM, maxExtent=AXIS_ROOM, tickCount=5)


def _line_axis() -> alt.Y:
    """Categories below each other, in the order of the rows."""
    room = alt.ExprRef("containerSize()[0] < 480 ? 140 : 260")
    return alt.Y("y", type="ordinal", title=None, sort=None, axis=alt.Axis(labelLimit=room))


def _lines_height(block: Block, rows: list[Row]) -> int:
    return LINE_HEIGHT * len({row[block.channels["y"]] for row in rows})


def _color(block: Block, rows: list[Row]) -> Any:
    legend = _legend(block, rows)
    if not legend:
        return alt.value(MAIN)
    domain, colors = [key for key, _, _ in legend], [color for _, _, color in legend]
    # The page draws the legend itself: buttons that a keyboard reaches and that wrap on a small screen.
    return alt.Color("series", type="nominal", legend=None, scale={"domain": domain, "range": colors})


def _opacity(block: Block, value: float) -> Any:
    if "series" not in block.channels:
        return alt.value(value)
    return alt.condition(IS_CHOSEN, alt.value(value), alt.value(value * 0.12))


def _targets(base: alt.Chart, block: Block) -> alt.Chart:
    """Unseen marks around the points, wide enough to be hit by a finger; they carry the tooltips."""
    return base.mark_point(size=220, filled=True, opacity=0, aria=False).encode(tooltip=_tooltip(block))


def _line(block: Block, rows: list[Row]) -> alt.LayerChart:
    """Lines over a number or a day, with the band of their interval."""
    color, value = _color(block, rows), _value_column(block)
    if block.column("x").format == "day":
        x = alt.X("x", type="temporal", title=block.column("x").label, axis=alt.Axis(labelOverlap=True))
        x = x.scale(nice=False, padding=4, type="utc")
    else:
        x = alt.X("x", type="quantitative", title=block.column("x").label, axis=_axis(block.column("x")))
        x = x.scale(nice=False, zero=False, padding=4)
    base = alt.Chart(_data(block, rows), height=block.height).encode(x=x, y=_height_axis(block), color=color)
    layers = []
    if value.low and value.high:
        ends = {"y": alt.Y("low", type="quantitative"), "y2": "high"}
        # Bands of many series lie on top of each other: they show for chosen series only.
        shade = alt.condition(f"length(chosen) > 0 && ({IS_CHOSEN})", alt.value(0.18), alt.value(0))
        shade = shade if "series" in block.channels else alt.value(0.18)
        layers.append(base.mark_area(aria=False).encode(**ends, opacity=shade))
    layers.append(base.mark_line(strokeWidth=2, aria=False).encode(opacity=_opacity(block, 1)))
    layers.append(base.mark_circle(size=26).encode(opacity=_opacity(block, 1)))
    return alt.layer(*layers, _targets(base, block))


def _bar(block: Block, rows: list[Row]) -> alt.LayerChart:
    """One bar a category, in the order of the rows, with a whisker where the value has an interval."""
    value = _value_column(block)
    x = alt.X("x", type="ordinal", title=block.column("x").label, sort=None)
    x = x.axis(labelAngle=0, labelOverlap=True, labelSeparation=6)
    base = alt.Chart(_data(block, rows), height=block.height).encode(x=x, y=_height_axis(block))
    layers = [base.mark_bar(color=MAIN, cornerRadiusEnd=2).encode(tooltip=_tooltip(block))]
    if value.low and value.high:
        ends = {"y": alt.Y("low", type="quantitative"), "y2": "high"}
        layers.append(base.mark_rule(color="var(--ink)", strokeWidth=1.5, aria=False).encode(**ends))
    return alt.layer(*layers)


def _rows(block: Block, rows: list[Row]) -> alt.LayerChart:
    """One bar a line, for categories whose names are too long to stand below bars."""
    x, y = _measure(block, alt.X, "x", grid=True), _line_axis()
    base = alt.Chart(_data(block, rows), height=_lines_height(block, rows)).encode(x=x, y=y)
    return alt.layer(base.mark_bar(color=MAIN, cornerRadiusEnd=2).encode(tooltip=_tooltip(block)))


def _dots(block: Block, rows: list[Row]) -> alt.LayerChart:
    """One line a category: a dot at the value, a bar over its interval, a dashed rule at the reference."""
    value = _value_column(block)
    x, y = _measure(block, alt.X, "x", grid=True, tickCount=4), _line_axis()
    data = _data(block, rows)
    base = alt.Chart(data, height=_lines_height(block, rows)).encode(x=x, y=y)
    layers = []
    if "reference" in block.channels:
        rule = alt.Chart(data).mark_rule(color=RULE, strokeDash=[4, 4], aria=False)
        layers.append(rule.encode(x=alt.X("reference", type="quantitative")))
    if value.low and value.high:
        ends = {"x": alt.X("low", type="quantitative"), "x2": "high"}
        layers.append(base.mark_rule(color=SOFT, strokeWidth=7, strokeCap="round", aria=False).encode(**ends))
    layers.append(base.mark_circle(color=MAIN, size=70, opacity=1))
    return alt.layer(*layers, _targets(base, block))


def _histogram(block: Block, rows: list[Row]) -> alt.LayerChart:
    """Counts over bins whose edges the model gives, stacked by series."""
    x = alt.X(
        "x", type="quantitative", bin="binned", title=block.column("x").label, axis=_axis(block.column("x"))
    )
    bars = alt.Chart(_data(block, rows), height=block.height).mark_bar(
        stroke="var(--paper)", strokeWidth=0.5, orient="vertical"
    )
    return alt.layer(
        bars.encode(
            x=x,
            x2="x2",
            y=_height_axis(block).stack("zero"),
            color=_color(block, rows),
            opacity=_opacity(block, 1),
            tooltip=_tooltip(block),
        )
    )


def _calibration(block: Block, rows: list[Row]) -> alt.LayerChart:
    """What was foretold against what came, a line for each series, on the square from 0 to 1."""
    return _against_diagonal(block, rows, (0, 1), has_lines=True)


def _scatter(block: Block, rows: list[Row]) -> alt.LayerChart:
    """One probability against another, a dot a row, on the square that holds them all."""
    value = _value_column(block)
    names = [name for name in (block.channels["x"], value.name, value.low, value.high) if name]
    known = [row[name] for row in rows for name in names if row[name] is not None]
    return _against_diagonal(block, rows, (min(known), max(known)), has_lines=False)


def _against_diagonal(
    block: Block, rows: list[Row], square: tuple[float, float], *, has_lines: bool
) -> alt.LayerChart:
    """Dots with whiskers, beside the diagonal on which both values are the same."""
    color = _color(block, rows)
    scale = alt.Scale(domain=list(square), nice=False, zero=False)
    x = alt.X("x", type="quantitative", title=block.column("x").label, axis=_axis(block.column("x")))
    y = _height_axis(block).scale(scale)
    base = alt.Chart(_data(block, rows), height=block.height).encode(x=x.scale(scale), y=y, color=color)
    diagonal = alt.Chart(alt.Data(values=[{"x": end, "y": end} for end in square]))
    ends = {"y": alt.Y("low", type="quantitative", scale=scale), "y2": "high"}
    line = base.mark_line(strokeWidth=2, aria=False).encode(opacity=_opacity(block, 1))
    return alt.layer(
        diagonal.mark_line(color=RULE, strokeDash=[4, 4], aria=False).encode(x="x:Q", y="y:Q"),
        base.mark_rule(strokeWidth=1.5, aria=False).encode(**ends, opacity=_opacity(block, 0.6)),
        *([line] if has_lines else []),
        base.mark_circle(size=40).encode(opacity=_opacity(block, 1)),
        _targets(base, block),
    )


_KINDS: dict[str, Callable[[Block, list[Row]], alt.LayerChart]] = {
    "line": _line,
    "bar": _bar,
    "rows": _rows,
    "dots": _dots,
    "histogram": _histogram,
    "calibration": _calibration,
    "scatter": _scatter,
}
