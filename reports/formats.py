"""How values are written for readers: formatting only, the number itself is a column of a mart."""

import datetime
import math
from typing import Any

from reports.blocks import Column, Format

# The longest text a label, cell or tooltip shows; tables keep the whole of it one hover away.
TEXT_LIMIT = 100

_PATTERNS: dict[Format, str] = {
    "count": "{:,.0f}",
    "rate": "{:.1%}",
    "hours": "{:,.1f} h",
    "decimal": "{:,.1f}",
    "metric": "{:.4f}",
    "difference": "{:+z.4f}",
    "seconds": "{:,.1f} s",
    "day": "{:%Y-%m-%d}",
    "moment": "{:%Y-%m-%d %H:%M} UTC",
}

# The same for the axes of charts, in the notation of Vega (d3-format).
AXIS_FORMATS: dict[Format, str] = {
    "integer": "d",
    "count": "~s",
    "rate": ".0%",
    "hours": ",~r",
    "decimal": ",~r",
    "metric": "~r",
    "difference": "~r",
}


def is_number(column: Column) -> bool:
    """Whether a column's values are numbers, which align right."""
    return column.format not in ("text", "origin", "day", "moment")


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: dates as ISO text, and no number (NaN, infinite) as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def shorten(text: str) -> str:
    """`text`, cut to what a label can hold."""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1].rstrip() + "…"


def written(value: Any, style: Format, missing: str = "—") -> str:
    """`value` for readers; a null, or what is no number, becomes `missing`, never 0."""
    if plain(value) is None:
        return missing
    pattern = _PATTERNS.get(style)
    return pattern.format(value) if pattern else str(value)


def with_unit(value: Any, unit: str, missing: str = "—") -> str:
    """`value` in a unit that the row itself names, such as `count`, `rate` or `episodes`."""
    if unit in _PATTERNS:
        return written(value, unit, missing)
    text = written(value, "decimal", missing)
    return text if text == missing else f"{text} {unit}"


def interval(row: dict[str, Any], column: Column) -> str:
    """The ends of a column's interval, or nothing where it has none or an end is not known."""
    if column.low is None or column.high is None:
        return ""
    low, high = row[column.low], row[column.high]
    if plain(low) is None or plain(high) is None:
        return ""
    return f"{written(low, column.format)} to {written(high, column.format)}"
