"""What the user says of a log: its name, which column is what, and how its times are written."""

import codecs
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import UserError, listed, shortened

SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
# The sources that are filled in another way.
RESERVED_SOURCES = frozenset({"anime", "clickstream", "movielens", "steam", "viewing"})
# The layout of small clickstream tools, which loads without a word about columns; what else it has, such as
# `metadata`, becomes the properties.
PLAIN_LAYOUT = {"user": "user_id", "event": "event_type", "at": "timestamp", "session": "session_id"}
FLAGS = {
    "user": "--user",
    "event": "--event",
    "at": "--at",
    "session": "--session",
    "event_id": "--event-id",
    "item": "--item",
}


@dataclass(frozen=True)
class EventLogOptions:
    """How a log is read.

    Args:
        source: the name that its rows bear in every mart.
        user, event, at, session, event_id, item: the columns that hold these; the first three are needed, or
            none of them for the plain layout.
        properties: the columns kept as properties; None keeps all that are left over.
        date_order: which comes first in dates such as 01/02/2025; None rejects them, for they can be either.
        time_zone: of the times that name none, as in the IANA database.
        event_name: the name of every event, for a log that has no column of it.
        every_row: each row is an event of its own: rows alike in two files are two events too.
        columns: the names of a CSV file's columns, whose first line is a row then; empty: it names them.
        encoding: of text, by a name that Python knows; None: UTF-8, or UTF-16 that begins with its mark.

    Raises:
        UserError: the source's name can't be used, a needed column is not named, or there is no such zone or
            encoding.
    """

    source: str = "events"
    user: str | None = None
    event: str | None = None
    at: str | None = None
    session: str | None = None
    event_id: str | None = None
    item: str | None = None
    properties: tuple[str, ...] | None = None
    date_order: Literal["day-first", "month-first"] | None = None
    time_zone: str = "UTC"
    event_name: str | None = None
    every_row: bool = False
    columns: tuple[str, ...] = ()
    encoding: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that flags name."""
        columns = (getattr(self, name) for name in FLAGS)
        return (*(column for column in columns if column is not None), *(self.properties or ()))

    def __post_init__(self) -> None:
        if not SOURCE_NAME.fullmatch(self.source):
            raise UserError(
                f"--source {self.source}: a source's name has up to 40 small letters, digits, - and _, "
                "a letter first"
            )
        if self.source in RESERVED_SOURCES:
            raise UserError(f"--source {self.source}: this name is taken: choose another")
        if self.event is not None and self.event_name is not None:
            raise UserError(
                "--event and --event-name exclude each other: the name is in a column, or the same for all"
            )
        if self.event_name is not None and not self.event_name.strip():
            raise UserError("--event-name: a name has at least one letter: say it like view")
        if self.every_row and self.event_id is not None:
            raise UserError(
                "--every-row and --event-id exclude each other: an event's own id says which it is"
            )
        event = self.event if self.event_name is None else self.event_name
        needed = (self.user, event, self.at)
        if (self.user or self.event or self.at) and not all(needed):
            raise UserError(
                "--user, --event and --at belong together: name all three columns, or none of them for the "
                f"layout {', '.join(PLAIN_LAYOUT.values())}"
            )
        if self.time_zone not in zoneinfo.available_timezones():
            raise UserError(f"--time-zone {self.time_zone}: no such time zone: say it like Europe/Berlin")
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise UserError(
                f"--encoding {self.encoding}: no encoding of text: say utf-16, latin-1, cp1252 or another "
                "that Python knows"
            )


@dataclass(frozen=True)
class Columns:
    """The columns of one file: which is what, and those kept as properties (None: all that are left over)."""

    user: str
    event: str | None
    at: str
    session: str | None
    event_id: str | None
    item: str | None
    properties: tuple[str, ...] | None

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are something, and so no properties of their own accord."""
        named = (self.user, self.event, self.at, self.session, self.event_id, self.item)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def kept(self, present: tuple[str, ...]) -> tuple[str, ...]:
        """The columns, of those present, that are kept as properties."""
        if self.properties is not None:
            return self.properties
        return tuple(column for column in present if column not in self.used)


def resolve_columns(options: EventLogOptions, path: Path, present: tuple[str, ...]) -> Columns:
    """Find the columns of a file.

    Raises:
        UserError: the file lacks one; the message lists what it has.
    """
    named = {name: getattr(options, name) for name in FLAGS}
    if options.user is None:
        session = PLAIN_LAYOUT["session"] if PLAIN_LAYOUT["session"] in present else None
        event = None if options.event_name else PLAIN_LAYOUT["event"]
        named |= PLAIN_LAYOUT | {"event": event, "session": options.session or session}
    wanted = [(FLAGS[name], column) for name, column in named.items() if column is not None]
    wanted += [("--properties", column) for column in options.properties or ()]
    for flag, column in wanted:
        if column not in present:
            raise UserError(
                f"{path} has no column {shortened(column)} (it has {listed(present)}): name another by {flag}"
            )
    return Columns(**named, properties=options.properties)


def _is_encoding(name: str) -> bool:
    try:
        # Of what Python calls codecs, some make no text of bytes.
        return isinstance(codecs.getincrementaldecoder(name)().decode(b"", final=True), str)
    except (LookupError, ValueError, TypeError):
        return False
