"""Reads `steam-200k.csv`: who bought and who played which game, for how many hours."""

import csv
import hashlib
import math
import re
from collections import Counter
from pathlib import Path

import pyarrow

from common.errors import UserError
from ingest.reading.blocks import numbered_lines
from ingest.reading.delivery import Delivery, Reject, RowBuffer, UnusableRowError

COLUMNS = ("user_id", "game_title", "behavior", "value", "0")
BEHAVIORS = frozenset({"purchase", "play"})
NUMBER = re.compile(r"(-?)\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
SCHEMA = {
    "event_id": pyarrow.string(),
    "user_id": pyarrow.string(),
    "game_title": pyarrow.string(),
    "behavior": pyarrow.string(),
    "value": pyarrow.float64(),
    "_row_number": pyarrow.int64(),
}


def read_steam(path: Path) -> Delivery:
    """Read a file of `user-id, game-title, behaviour, value, 0` without a header.

    One physical line is one record, since no title holds a line break: so a quote that is never closed
    spoils its own line and no other. Lines without any text are passed over.

    Raises:
        UserError: the file is missing, without rows, damaged, or not UTF-8.
    """
    rows = RowBuffer(SCHEMA)
    rejects: list[Reject] = []
    seen: Counter[tuple] = Counter()
    for number, line in numbered_lines(path):
        text = line.rstrip("\r\n")
        if not text:
            continue
        try:
            row = parse_row(text)
        except UnusableRowError as fault:
            rejects.append(Reject(number, fault.column, fault.reason, text))
            continue
        rows.append((_event_id(row, seen[row]), *row, number))
        seen[row] += 1
    table = rows.to_table()
    if not table.num_rows and not rejects:
        raise UserError(f"{path} holds no rows: give it steam-200k.csv as published")
    return Delivery({"steam_behaviors": table}, rejects)


def parse_row(text: str) -> tuple[str, str, str, float]:
    """One line as user id, game title, behaviour and value.

    Raises:
        UnusableRowError: naming the column and what is wrong with it.
    """
    user_id, game_title, behavior, value, last = _fields(text)
    if not (user_id.isascii() and user_id.isdecimal()):
        raise UnusableRowError("user_id", "the user id is not a whole number")
    if not game_title.strip():
        raise UnusableRowError("game_title", "the title is empty")
    if behavior not in BEHAVIORS:
        raise UnusableRowError("behavior", "the behaviour is neither purchase nor play")
    if last not in ("0", "0.0"):
        raise UnusableRowError("0", "the last column is not 0, as it is on every published row")
    return user_id, game_title, behavior, _hours(value)


def _fields(text: str) -> list[str]:
    if '"' in text:
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error as error:
            is_open = "end of data" in str(error)
            reason = "a quote is never closed" if is_open else f"not readable as CSV ({error})"
            raise UnusableRowError(None, reason) from error
    else:
        fields = text.split(",")
    if len(fields) != len(COLUMNS):
        fault = "few" if len(fields) < len(COLUMNS) else "many"
        raise UnusableRowError(None, f"too {fault} columns: {len(COLUMNS)} are needed (found {len(fields)})")
    return fields


def _hours(text: str) -> float:
    number = NUMBER.fullmatch(text)
    if number is None:
        raise UnusableRowError("value", "the value is not a number")
    if number[1] and float(text) != 0:
        raise UnusableRowError("value", "the value is negative")
    value = abs(float(text))
    if not math.isfinite(value):
        raise UnusableRowError("value", "the value is too large")
    return value


def _event_id(row: tuple[str, str, str, float], ordinal: int) -> str:
    """An id of a row's content and, among rows alike, of which one it is: the same in a longer file.

    The title comes last, because it alone may hold the separator.
    """
    user_id, game_title, behavior, value = row
    content = f"{user_id}|{behavior}|{value!r}|{ordinal}|{game_title}"
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
