"""A text file as blocks of whole records, each with its line number and its text: for files of any size.

A block is some megabytes long and is split by array code, so that time goes with bytes and not with rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from common.errors import UserError
from ingest.reading.files import decode, open_text

BLOCK_BYTES = 8 << 20
MOST_LINE_BYTES = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_FEED, CARRIAGE_RETURN = ord("\n"), ord("\r")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """Records in their order: the line that each begins on, from 1, and its text with its line end."""

    line_numbers: Positions
    texts: pyarrow.LargeStringArray

    @property
    def size(self) -> int:
        """Bytes of all texts, which lie side by side from the start of their buffer."""
        return int(np.frombuffer(self.texts.buffers()[1], np.int64)[len(self.texts)])

    def where(self, mask: NDArray[np.bool_]) -> "Records":
        """The records that `mask` is true for."""
        return Records(self.line_numbers[mask], self.texts.filter(pyarrow.array(mask)))


def line_blocks(path: Path, encoding: str | None = None) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each with the number of its first line; a byte-order mark is dropped.

    Raises:
        UserError: as `open_text`, or a line is longer than any of a text.
    """
    first_line, rest = 1, b""
    with open_text(path, encoding) as file:
        if file.peek(len(BYTE_ORDER_MARK)).startswith(BYTE_ORDER_MARK):
            file.read(len(BYTE_ORDER_MARK))
        while chunk := file.read(BLOCK_BYTES):
            whole, end, begun = chunk.rpartition(b"\n")
            if not end:
                rest += chunk
                if len(rest) > MOST_LINE_BYTES:
                    raise UserError(
                        f"{path}: line {first_line:,} is longer than {MOST_LINE_BYTES >> 20} MB: check that "
                        "it is the file you mean"
                    )
                continue
            block = rest + whole + end
            yield first_line, block
            first_line += block.count(b"\n")
            rest = begun
    if rest:
        yield first_line, rest


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that holds more than its line end, with its number, from 1, and its line end.

    Only a line feed ends a line: the other separators that Unicode knows may stand inside a title.

    Raises:
        UserError: as `line_blocks`, or a line is not UTF-8.
    """
    for first_line, block in line_blocks(path):
        records = line_records(path, first_line, block)
        yield from zip(records.line_numbers.tolist(), records.texts.to_pylist(), strict=True)


def line_records(path: Path, first_line: int, block: bytes) -> Records:
    """Each line of a block that holds more than its line end.

    Raises:
        UserError: a line is not UTF-8.
    """
    if not block.strip(b"\n"):
        # Soon told: a small packed file may hold gigabytes of them.
        return Records(np.zeros(0, np.int64), pyarrow.array([], pyarrow.large_string()))
    ends = newlines(block) + 1
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    line_numbers = first_line + np.arange(len(ends))
    return without_blank(make_records(path, line_numbers, block, ends))


def make_records(
    path: Path, line_numbers: Positions, text: bytes, ends: Positions, unit: str = "line"
) -> Records:
    """Records that lie side by side in `text`, each up to its end.

    Raises:
        UserError: one is not UTF-8.
    """
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    texts = pyarrow.LargeStringArray.from_buffers(
        len(ends), pyarrow.py_buffer(offsets), pyarrow.py_buffer(text)
    )
    try:
        texts.validate(full=True)
    except pyarrow.ArrowInvalid:
        for line_number, start, end in zip(line_numbers, offsets[:-1], offsets[1:], strict=True):
            decode(text[start:end], f"{path}: {unit} {line_number}")
        raise
    return Records(line_numbers, texts)


def without_blank(records: Records) -> Records:
    """The records that hold more than a line end."""
    offsets = np.frombuffer(records.texts.buffers()[1], np.int64)[: len(records.texts) + 1]
    content = np.frombuffer(records.texts.buffers()[2] or b"", np.uint8)
    sizes = np.diff(offsets)
    firsts = content[offsets[:-1]] if len(sizes) else np.zeros(0, np.uint8)
    is_line_end = (firsts == LINE_FEED) | (firsts == CARRIAGE_RETURN)
    is_blank = is_line_end & ((sizes == 1) | ((sizes == 2) & (firsts == CARRIAGE_RETURN)))
    return records.where(~is_blank) if is_blank.any() else records


def newlines(block: bytes) -> Positions:
    """Where the line feeds of a block are."""
    return np.flatnonzero(np.frombuffer(block, np.uint8) == LINE_FEED)
