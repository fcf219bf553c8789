"""What a page is made of: plain data, which a writer draws without knowing what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["figures", "table", "line", "bar", "rows", "dots", "histogram", "calibration", "scatter"]
Format = Literal[
    "text",
    "origin",
    "integer",
    "count",
    "rate",
    "hours",
    "decimal",
    "metric",
    "difference",
    "seconds",
    "day",
    "moment",
]


@dataclass(frozen=True)
class Column:
    """A column of a `rpt_` model as readers see it.

    Args:
        name: the column in the model.
        label: its heading in tables, axes and tooltips, with the unit if it has one.
        format: how a value is written (see `reports.formats`).
        low, high: the columns that hold the ends of its interval, if it has one.
        missing: what stands for a null; a null is never written as a number.
    """

    name: str
    label: str
    format: Format = "text"
    low: str | None = None
    high: str | None = None
    missing: str = "—"


@dataclass(frozen=True, eq=False)
class Block:
    """One chart, table or row of figures: the model it draws, its columns, and the words around it.

    Args:
        kind: how it is drawn (see `reports.charts` and `reports.html`).
        title: its heading.
        reading: how to read it: unit, denominator, what an interval or a gap means.
        model: the `marts.rpt_` model whose rows it shows.
        order_by: the order of the rows; together the columns are unique, so that a page is reproducible.
        columns: what its table shows, in this order.
        channels: what the drawing uses for `x`, `y`, `series` and so on: names of columns. Each value of
            `each` has a drawing of its own.
        sources: the sources whose rows stand behind it; their origin is shown with it. None where each source
            has a drawing of its own, which shows it.
        filled_by: the command that fills the model when it is empty.
        only: keep only the rows that have these values.
        series_colors: value of the series -> colour of the style sheet; the others take the palette in turn.
        scale: of the value axis.
        ticks: where the value axis has its marks, if they are not to be chosen by the drawing.
        from_zero: whether the value axis must begin at 0.
        height: of the drawing in pixels; charts with one line a row find their own.
        wide: whether it takes the whole width of the page.
    """

    kind: Kind
    title: str
    reading: str
    model: str
    order_by: tuple[str, ...]
    columns: tuple[Column, ...]
    sources: tuple[str, ...]
    filled_by: str
    channels: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, str | bool] = field(default_factory=dict)
    series_colors: Mapping[str, str] = field(default_factory=dict)
    scale: Literal["linear", "symlog"] = "linear"
    ticks: tuple[float, ...] = ()
    from_zero: bool = True
    height: int = 260
    wide: bool = False

    def column(self, channel: str) -> Column:
        """The column that a channel draws; one that no table shows is described by its name alone."""
        name = self.channels[channel]
        return next((column for column in self.columns if column.name == name), Column(name, name))


@dataclass(frozen=True)
class Section:
    """Blocks under one heading, with the words that introduce them."""

    title: str
    words: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """One file of the report; what is loaded, and whether it is real, stands at its top."""

    file_name: str
    title: str
    words: str
    loaded: Block
    sections: tuple[Section, ...]

    def blocks(self) -> tuple[Block, ...]:
        """All blocks of the page, the one on what is loaded first."""
        return (self.loaded, *(block for section in self.sections for block in section.blocks))
