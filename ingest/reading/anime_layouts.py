"""The two layouts of the anime-offline-database: one JSON object with a `data` list, or JSON Lines."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from ingest.reading.blocks import numbered_lines
from ingest.reading.files import BYTE_ORDER_MARK, decode, open_text

# No metadata line and no entry comes near this length; a minified file is one line that exceeds it.
SNIFFED_BYTES = 1 << 20
# Ten times what the catalogue was in 2025; beyond that it is none, and its text would fill the memory.
MOST_OBJECT_BYTES = 256 << 20
DATA_LIST = re.compile(rb'"data"\s*:\s*\[')
JSON_SPACE = " \t\r\n"
WHITE_SPACE = re.compile(f"[{JSON_SPACE}]*")
METADATA_KEYS = frozenset({"license", "repository", "scoreRange", "lastUpdate"})
REMEDY = "give it a release file of the anime-offline-database, .json or .jsonl"


@dataclass(frozen=True)
class Entry:
    """One entry as delivered: its number, its value, or why it has none."""

    number: int
    raw_text: str
    value: Any = None
    fault: str | None = None


def read_entries(path: Path, metadata: dict) -> Iterator[Entry]:
    """Each entry in turn; what the file tells of itself is put into `metadata` on the way.

    Raises:
        UserError: the file can't be read, is cut off, or has neither layout.
    """
    return _entries_of_lines(path, metadata) if _is_json_lines(path) else _entries_of_object(path, metadata)


def _is_json_lines(path: Path) -> bool:
    """By the first line, since the name can mislead; by the name when that line is no JSON by itself."""
    with open_text(path) as file:
        first_line = file.readline(SNIFFED_BYTES)
    if DATA_LIST.search(first_line):
        return False
    try:
        return isinstance(json.loads(first_line), dict)
    except (ValueError, RecursionError):
        return ".jsonl" in path.name


def _entries_of_lines(path: Path, metadata: dict) -> Iterator[Entry]:
    for number, line in numbered_lines(path):
        text = line.strip(JSON_SPACE)
        if not text:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            if not line.endswith("\n"):
                raise UserError(f"{path}: line {number} ends early: get the file again") from error
            yield Entry(number, text, fault="the line is not readable as JSON")
            continue
        if number == 1 and isinstance(value, dict) and "title" not in value and METADATA_KEYS & value.keys():
            metadata.update(value)
        else:
            yield Entry(number, text, value)


def _entries_of_object(path: Path, metadata: dict) -> Iterator[Entry]:
    """Walk the object entry by entry, so that 100 MB of text never are 1 GB of Python objects at once."""
    with open_text(path) as file:
        content = file.read(MOST_OBJECT_BYTES + 1)
    if len(content) > MOST_OBJECT_BYTES:
        raise UserError(f"{path} is larger than {MOST_OBJECT_BYTES >> 20} MB unpacked: {REMEDY}")
    text = decode(content, str(path)).removeprefix(BYTE_ORDER_MARK)
    del content
    cursor = _Cursor(path, text)
    has_data = False
    cursor.expect("{")
    while not cursor.skip("}"):
        key = cursor.key()
        cursor.expect(":")
        if key == "data":
            has_data = True
            yield from _entries_of_list(cursor)
        else:
            metadata[key] = cursor.value()
        if not cursor.skip(","):
            cursor.expect("}")
            break
    cursor.expect_end()
    if not has_data:
        raise UserError(f"{path} has no `data` list: {REMEDY}")


def _entries_of_list(cursor: "_Cursor") -> Iterator[Entry]:
    cursor.expect("[")
    number = 0
    while not cursor.skip("]"):
        number += 1
        cursor.place = f"entry {number}"
        start = cursor.at_text()
        value = cursor.value()
        yield Entry(number, cursor.text[start : cursor.at], value)
        if not cursor.skip(","):
            cursor.expect("]")
            break


class _Cursor:
    """A place in a JSON text; what can't be read there is a `UserError` that tells line and column."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.place = "the opening"
        self.at = 0
        self._decoder = json.JSONDecoder()

    def at_text(self) -> int:
        """Move over white space, and tell the place."""
        self.at = WHITE_SPACE.match(self.text, self.at).end()
        return self.at

    def value(self) -> Any:
        """The JSON value here; the cursor moves behind it."""
        try:
            value, self.at = self._decoder.raw_decode(self.text, self.at_text())
        except json.JSONDecodeError as error:
            raise self._error(error.pos, is_open_text=error.msg.startswith("Unterminated")) from error
        except (ValueError, RecursionError) as error:
            raise self._error(self.at) from error
        return value

    def key(self) -> str:
        """The key of an object's member here."""
        start = self.at_text()
        key = self.value()
        if not isinstance(key, str):
            raise self._error(start)
        return key

    def skip(self, mark: str) -> bool:
        """Move behind `mark` if it is here, and tell whether it was."""
        is_here = self.text.startswith(mark, self.at_text())
        self.at += len(mark) if is_here else 0
        return is_here

    def expect(self, mark: str) -> None:
        """Move behind `mark`, which has to be here."""
        if not self.skip(mark):
            raise self._error(self.at)

    def expect_end(self) -> None:
        """The text has to end here."""
        if self.at_text() < len(self.text):
            raise self._error(self.at)

    def _error(self, at: int, *, is_open_text: bool = False) -> UserError:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        where = f"line {line}, column {column:,} (in {self.place})"
        if is_open_text or not self.text[at:].strip():
            return UserError(f"{self.path}: the JSON ends early, at {where}: get the file again")
        return UserError(f"{self.path}: not readable as JSON at {where}: {REMEDY}")
