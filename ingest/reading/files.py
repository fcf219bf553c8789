"""A file as the user gave it: its bytes and lines, whatever packs it. Each failure names file and place."""

import hashlib
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard
from tqdm import tqdm

from common.errors import UserError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 128 * 1024
BYTE_ORDER_MARK = "\ufeff"


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as hexadecimal text.

    Raises:
        UserError: there is no such file, or it can't be read.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_unpacked(path: Path) -> io.BufferedReader:
    """The file's content; zstd and gzip are told by their first bytes and unpacked, whatever the name says.

    Raises:
        UserError: there is no such file, it is empty or can't be read; while reading: the packed data is
            damaged or ends early.
    """
    with _opened(path) as file:
        head = file.read(len(ZSTD_MAGIC))
    if not head:
        raise UserError(f"{path} is empty: get the file again")
    if head == ZSTD_MAGIC:
        chunks = _unpack(path, "zstd", zstandard.ZstdDecompressor().decompressobj)
    elif head.startswith(GZIP_MAGIC):
        chunks = _unpack(path, "gzip", lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))
    else:
        chunks = _chunks(path)
    return io.BufferedReader(_ChunkReader(chunks), CHUNK_BYTES)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, and its line end; a byte-order mark is dropped.

    Only a line feed ends a line: the other separators that Unicode knows may stand inside a title.

    Raises:
        UserError: as `open_unpacked`, or a line is not UTF-8.
    """
    with open_unpacked(path) as file:
        for number, raw in enumerate(file, start=1):
            line = decode(raw, f"{path}: line {number}")
            yield number, line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line


def decode(raw: bytes, place: str) -> str:
    """`raw` as text.

    Raises:
        UserError: it is not UTF-8; `place` opens the message.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{place}, byte {error.start + 1}: not UTF-8: save the file as UTF-8") from error


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: check the path") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a directory: name the file in it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} can't be read ({reason}): check the path and its permissions") from error
    with file:
        yield file


def _chunks(path: Path) -> Generator[bytes]:
    size = path.stat().st_size
    bar = tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=None, delay=2, leave=False)
    with _opened(path) as file, bar:
        while chunk := file.read(CHUNK_BYTES):
            bar.update(len(chunk))
            yield chunk


def _unpack(path: Path, packing: str, new_frame: Callable[[], Any]) -> Generator[bytes]:
    """Unpack every frame in turn. The stream readers of both libraries take a cut-off frame for the end."""
    frame, is_open = new_frame(), False
    for chunk in _chunks(path):
        rest = chunk
        while rest:
            try:
                yield frame.decompress(rest)
            except (zstandard.ZstdError, zlib.error) as error:
                raise UserError(f"{path}: damaged {packing} data ({error}): get the file again") from error
            is_open = not frame.eof
            rest = b"" if is_open else frame.unused_data
            frame = frame if is_open else new_frame()
    if is_open:
        size = path.stat().st_size
        raise UserError(f"{path}: the {packing} data ends early, at byte {size:,}: get the file again")


class _ChunkReader(io.RawIOBase):
    """A readable file over a generator of chunks of bytes."""

    def __init__(self, chunks: Generator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def close(self) -> None:
        self._chunks.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
