"""CSV of any size with nothing lost: each record is a row of text columns, or a reject with its raw text.

Records are told apart here, so that their lines and their text are known, and taken to fields by Arrow. A
block whose quotes are all where they belong is split by array code; any other is walked line by line, so that
a stray or unclosed quote spoils its own line and no other.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import csv

from common.errors import UserError, listed
from ingest.reading.blocks import (
    CARRIAGE_RETURN,
    LINE_FEED,
    Records,
    line_blocks,
    make_records,
    newlines,
    without_blank,
)
from ingest.reading.delivery import Reject
from ingest.reading.files import decode

QUOTE = ord('"')
DELIMITERS = (b",", b";", b"\t", b"|")
QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')
# A quote that is still open after so many bytes was never meant to be closed.
MOST_RECORD_BYTES = 1 << 20
MOST_COLUMNS = 10_000
NOTHING = (np.zeros(0, np.int64), b"", np.zeros(0, np.int64))
ROW_NUMBER, RAW_TEXT = "_row_number", "_raw_text"


@dataclass(frozen=True)
class CsvBlock:
    """Some of the records. `rows` has the header's columns, all text, then `_row_number` and `_raw_text`."""

    rows: pyarrow.Table
    rejects: list[Reject]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file and its columns, which its first line names unless `has_header` is false."""

    path: Path
    columns: tuple[str, ...]
    delimiter: bytes
    has_header: bool = True
    encoding: str | None = None

    def blocks(self) -> Iterator[CsvBlock]:
        """All records after the header, by and by. Lines without any text are no records.

        Raises:
            UserError: a line is not UTF-8, or the packed data is damaged.
        """
        first_line, rest = 1, b""
        for block_line, block in line_blocks(self.path, self.encoding):
            if block_line == 1 and self.has_header:
                first_line, block = 2, block.partition(b"\n")[2]
            text = rest + block
            result, used = self._parse(first_line, text, is_end=False)
            yield result
            first_line, rest = first_line + text.count(b"\n", 0, used), text[used:]
        if rest:
            yield self._parse(first_line, rest, is_end=True)[0]

    def _parse(self, first_line: int, text: bytes, *, is_end: bool) -> tuple[CsvBlock, int]:
        """The records of `text`, and how many bytes they take: the last may go on in the next block."""
        if not text.strip(b"\n"):
            return self._to_fields(make_records(self.path, *NOTHING), []), len(text)
        ends = _tidy_ends(text, self.delimiter, is_end=is_end)
        if ends is not None:
            line_ends = newlines(text)
            starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
            line_numbers = first_line + np.searchsorted(line_ends, starts)
            records = make_records(self.path, line_numbers, text, ends)
            block = self._to_fields(records, [])
            # A record over several lines with the wrong number of fields may hold good lines.
            is_several = np.diff(np.append(np.searchsorted(line_ends, starts), len(line_ends))) > 1
            torn = set(line_numbers[is_several].tolist())
            if not torn or not any(reject.row_number in torn for reject in block.rejects):
                return block, int(ends[-1]) if len(ends) else 0
        return self._walk(first_line, text, is_end=is_end)

    def _walk(self, first_line: int, text: bytes, *, is_end: bool) -> tuple[CsvBlock, int]:
        """As `_parse`, line by line, for a text with a quote out of place."""
        lines = io.BytesIO(text).readlines()
        good: list[bytes] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        at = used = 0
        while at < len(lines):
            line_count = self._lines_of_record(lines, at) if is_end or lines[at].endswith(b"\n") else None
            if line_count is None and not is_end:
                break
            number = first_line + at
            if line_count:
                good.append(b"".join(lines[at : at + line_count]))
                numbers.append(number)
            else:
                raw_text = decode(lines[at], f"{self.path}: line {number}").rstrip("\r\n")
                rejects.append(Reject(number, None, _fault(lines[at]), raw_text))
            used += sum(map(len, lines[at : at + (line_count or 1)]))
            at += line_count or 1
        ends = np.cumsum([len(record) for record in good], dtype=np.int64)
        records = make_records(self.path, np.array(numbers, np.int64), b"".join(good), ends)
        return self._to_fields(records, rejects), used

    def _lines_of_record(self, lines: list[bytes], at: int) -> int | None:
        """How many lines the record that begins here takes; 0: it is none; None: it is open at the end."""
        if b'"' not in lines[at] and b"\r" not in lines[at].removesuffix(b"\n").removesuffix(b"\r"):
            return 1
        size = quotes = 0
        for count, line in enumerate(islice(lines, at, None), start=1):
            size += len(line)
            quotes += line.count(b'"')
            if size > MOST_RECORD_BYTES:
                return 0
            if quotes % 2 == 0:
                record = b"".join(lines[at : at + count])
                is_whole = self._record_pattern.fullmatch(record) is not None
                is_fit = count == 1 or self._field_count(record) == len(self.columns)
                return count if is_whole and is_fit else 0
        return None

    @cached_property
    def _record_pattern(self) -> re.Pattern[bytes]:
        delimiter = re.escape(self.delimiter)
        field = rb'(?:%s|[^"\r\n%s]*+)' % (QUOTED.pattern, delimiter)
        return re.compile(rb"%s(?:%s%s)*+(?:\r?\n)?" % (field, delimiter, field))

    def _field_count(self, record: bytes) -> int:
        return QUOTED.sub(b"", record).count(self.delimiter) + 1

    def _to_fields(self, records: Records, rejects: list[Reject]) -> CsvBlock:
        """Take well quoted records to fields; those with too many or too few are added to `rejects`."""
        records = without_blank(records)
        unfit: list[csv.InvalidRow] = []

        def skip(row: csv.InvalidRow) -> str:
            unfit.append(row)
            return "skip"

        if not len(records.texts):
            rows = pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in self.columns})
        else:
            rows = self._read(records, skip)
        is_fit = np.ones(len(records.texts), bool)
        is_fit[[row.number - 1 for row in unfit]] = False
        fit = records.where(is_fit)
        if len(fit.texts) != rows.num_rows:
            raise AssertionError(f"{self.path}: records and rows differ near line {records.line_numbers[0]}")
        rejects += [self._unfit(records, row) for row in unfit]
        rejects.sort(key=lambda reject: reject.row_number)
        rows = rows.append_column(ROW_NUMBER, pyarrow.array(fit.line_numbers))
        return CsvBlock(rows.append_column(RAW_TEXT, fit.texts), rejects)

    def _read(self, records: Records, skip) -> pyarrow.Table:
        # What follows the last record belongs to one that is still open.
        text = records.texts.buffers()[2].slice(0, records.size)
        names = list(self.columns)
        return csv.read_csv(
            pyarrow.BufferReader(text),
            # Only in one thread and one block are the numbers of unfit rows known.
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=text.size + 1),
            parse_options=csv.ParseOptions(
                delimiter=self.delimiter.decode(), newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False
            ),
        )

    def _unfit(self, records: Records, row: csv.InvalidRow) -> Reject:
        fault = "few" if row.actual_columns < row.expected_columns else "many"
        namer = "the header names" if self.has_header else "--columns names"
        reason = f"too {fault} columns: {namer} {row.expected_columns} (found {row.actual_columns})"
        at = row.number - 1
        return Reject(int(records.line_numbers[at]), None, reason, records.texts[at].as_py().rstrip("\r\n"))


def open_csv(path: Path, columns: tuple[str, ...] = (), encoding: str | None = None) -> CsvFile:
    """Read the first line: which character parts the columns (comma, semicolon, tab or bar), and their names.

    With `columns`, these are the names, and the first line is a record like the others.

    Raises:
        UserError: there is no such file, it is empty, can't be read, or its first line is no header, or has
            not as many columns as are named.
    """
    blocks = line_blocks(path, encoding)
    _, block = next(blocks, (1, b""))
    blocks.close()
    line = block.partition(b"\n")[0].removesuffix(b"\r")
    text = decode(line, f"{path}: line 1")
    bare = QUOTED.sub(b"", line)
    delimiter = max(DELIMITERS, key=bare.count)
    count = bare.count(delimiter) + 1
    if columns and b'"' not in bare and count != len(columns):
        raise UserError(
            f"{path}: line 1 has {count:,} columns, but --columns names {len(columns):,}: name each"
        )
    found = columns or _names(path, text, delimiter.decode(), is_torn=b'"' in bare)
    check_columns(path, found)
    return CsvFile(path, found, delimiter, has_header=not columns, encoding=encoding)


def check_columns(path: Path, columns: tuple[str, ...]) -> None:
    """See that each column has a name of its own.

    Raises:
        UserError: two share one, or there are more columns than any table has.
    """
    if len(columns) > MOST_COLUMNS:
        raise UserError(
            f"{path} has {len(columns):,} columns, and {MOST_COLUMNS:,} can be read: check that it is the "
            "file you mean"
        )
    twice = [name for name, times in Counter(columns).items() if times > 1]
    if twice:
        raise UserError(f"{path}: two columns are called {listed(twice)}: give each a name of its own")


def _names(path: Path, header: str, delimiter: str, *, is_torn: bool) -> tuple[str, ...]:
    if is_torn:
        raise UserError(f"{path}: line 1 has a quote out of place: it has to name the columns")
    names = [
        name[1:-1].replace('""', '"') if name.startswith('"') else name.strip()
        for name in re.findall(
            r'(?:^|(?<={0}))("(?:[^"]++|"")*+"|[^"{0}]*+)'.format(re.escape(delimiter)), header
        )
    ]
    if not any(names):
        raise UserError(f"{path}: line 1 is blank: it has to name the columns")
    # A table's index is often written without a name.
    return tuple(name or f"column {number}" for number, name in enumerate(names, start=1))


def _tidy_ends(text: bytes, delimiter: bytes, *, is_end: bool) -> NDArray[np.int64] | None:
    """Where each record ends; None if a quote or a carriage return is out of place."""
    content = np.frombuffer(text, np.uint8)
    line_ends = newlines(text)
    quotes = np.flatnonzero(content == QUOTE) if QUOTE in text else np.zeros(0, np.int64)
    if b"\r" in text:
        returns = np.flatnonzero(content == CARRIAGE_RETURN)
        returns = returns[np.searchsorted(quotes, returns) % 2 == 0]
        if not (np.append(content, LINE_FEED)[returns + 1] == LINE_FEED).all():
            return None
    if len(quotes):
        if not _are_in_place(content, quotes, ord(delimiter)):
            return None
        line_ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
    ends = line_ends + 1
    last = int(ends[-1]) if len(ends) else 0
    if is_end and last < len(text):
        if len(quotes) % 2:
            return None
        ends = np.append(ends, len(text))
    elif len(text) - last > MOST_RECORD_BYTES:
        return None
    return ends


def _are_in_place(content: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: int) -> bool:
    """Each opening quote begins a field, each closing one ends it, where a doubled quote closes and opens."""
    padded = np.concatenate([[LINE_FEED], content, [LINE_FEED]]).astype(np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    before, behind = padded[opening], padded[closing + 2]
    is_begin = (before == delimiter) | (before == LINE_FEED)
    is_begin[1:] |= opening[1:] - closing[: len(opening) - 1] == 1
    is_end = (behind == delimiter) | (behind == LINE_FEED) | (behind == CARRIAGE_RETURN) | (behind == QUOTE)
    return bool(is_begin.all() and is_end.all())


def _fault(line: bytes) -> str:
    if line.count(b'"') % 2:
        return "a quote is never closed"
    return "a quote is out of place" if b'"' in line else "a carriage return stands within the line"
