"""JSON of any size as records: a value a line, or the entries of one list. No record is parsed here.

As with CSV, a list is split by array code: where an entry ends depends on quotes and brackets alone.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyarrow import compute

from common.errors import UserError
from ingest.reading import blocks
from ingest.reading.blocks import (
    BYTE_ORDER_MARK,
    LINE_FEED,
    MOST_LINE_BYTES,
    Positions,
    Records,
    line_blocks,
    line_records,
    make_records,
)
from ingest.reading.files import open_text

QUOTE, BACKSLASH = ord('"'), ord("\\")
COMMA = 2
# What a character does to the depth; a comma nothing, but it is to be found as well.
STEPS = np.zeros(256, np.int8)
STEPS[list(b"[{")], STEPS[list(b"]}")], STEPS[ord(",")] = 1, -1, COMMA


def json_records(path: Path, encoding: str | None = None, *, is_list: bool = False) -> Iterator[Records]:
    """Each line, or each entry of the file's one list with its place there, from 1.

    Raises:
        UserError: as `line_blocks`; or the list does not end, or the file not with it.
    """
    if is_list:
        return _list_records(path, encoding)
    return (line_records(path, first_line, block) for first_line, block in line_blocks(path, encoding))


def _list_records(path: Path, encoding: str | None) -> Iterator[Records]:
    place, is_over = 1, False
    with open_text(path, encoding) as file:
        rest = file.read(blocks.BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip().removeprefix(b"[")
        while not is_over:
            commas, end = _separators(rest)
            is_over = end is not None
            ends = commas + 1 if end is None or not rest[_last(commas) : end].strip() else [*commas + 1, end]
            if len(ends):
                yield _entries(path, place, rest, np.asarray(ends))
                place += len(ends)
            rest = rest[end + 1 :] if is_over else rest[_last(commas) :]
            if len(rest) > MOST_LINE_BYTES and not is_over:
                raise UserError(
                    f"{path}: entry {place:,} is longer than {MOST_LINE_BYTES >> 20} MB: check that it is "
                    "the file you mean"
                )
            chunk = file.read(blocks.BLOCK_BYTES)
            if not chunk and not is_over:
                raise UserError(f"{path}: the JSON list ends early, in entry {place:,}: get the file again")
            rest += chunk
    if rest.strip():
        raise UserError(f"{path} goes on behind its JSON list: write one list, or one object a line (JSONL)")


def _entries(path: Path, place: int, text: bytes, ends: Positions) -> Records:
    content = np.frombuffer(text, np.uint8)[: ends[-1]].copy()
    # The comma is no part of the entry that it ends.
    content[ends[content[ends - 1] == ord(",")] - 1] = LINE_FEED
    records = make_records(path, place + np.arange(len(ends)), content.tobytes(), ends, unit="entry")
    return Records(records.line_numbers, compute.ascii_trim_whitespace(records.texts))


def _separators(text: bytes) -> tuple[Positions, int | None]:
    """Where in the inside of a list its commas are, and its end if it is here."""
    content = np.frombuffer(text, np.uint8)
    steps = STEPS[content]
    marks = np.flatnonzero(steps)
    marks = marks[np.searchsorted(_quotes(text, content), marks) % 2 == 0]
    is_comma = steps[marks] == COMMA
    depths = np.cumsum(np.where(is_comma, 0, steps[marks]), dtype=np.int64)
    ends = np.flatnonzero(depths < 0)
    within = slice(ends[0] if len(ends) else None)
    commas = marks[within][is_comma[within] & (depths[within] == 0)]
    return commas, int(marks[ends[0]]) if len(ends) else None


def _quotes(text: bytes, content: NDArray[np.uint8]) -> Positions:
    """Where texts begin and end: quotes behind an even number of backslashes."""
    quotes = np.flatnonzero(content == QUOTE)
    if b'\\"' not in text:
        return quotes
    others = np.flatnonzero(content != BACKSLASH)
    before = np.searchsorted(others, quotes) - 1
    # The quote itself is among the others, and so is what stands before the backslashes, unless they begin.
    previous = np.where(before >= 0, others[before], -1)
    return quotes[(quotes - 1 - previous) % 2 == 0]


def _last(commas: Positions) -> int:
    """Where the text behind the last comma begins."""
    return int(commas[-1]) + 1 if len(commas) else 0
