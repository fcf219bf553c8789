"""A file as the user gave it: its bytes, whatever packs them, as UTF-8. Each failure names file and place."""

import codecs
import hashlib
import io
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from common.errors import UserError
from ingest.reading.packings import packing_of, unpack

CHUNK_BYTES = 128 * 1024
BYTE_ORDER_MARK = "\ufeff"


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as hexadecimal text.

    Raises:
        UserError: as `open_file`.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_file(path: Path, *, has_bar: bool = False) -> io.BufferedReader:
    """The file's bytes as they lie on disk; with `has_bar`, a terminal shows how much of them was read.

    Raises:
        UserError: there is no such file, it is none that lies on disk, or it can't be read.
    """
    try:
        # To open a pipe would wait for a writer, and a device may never end.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UserError(f"{path} is a directory: name the file in it")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is a pipe or a device: save what it gives to a file, and name that")
        return io.BufferedReader(_FileOnDisk(path, has_bar=has_bar), CHUNK_BYTES)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: check the path") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def open_unpacked(path: Path) -> io.BufferedReader:
    """The file's content; zstd, gzip and zip are told by their first bytes, whatever the name says.

    It is unpacked piece by piece: a small file may hold more than the memory does.

    Raises:
        UserError: as `open_file`, or there is nothing in it, or not one file in a zip archive; while reading:
            the packed data is damaged or ends early.
    """
    file = open_file(path, has_bar=True)
    packing = packing_of(file)
    if packing is not None:
        file = io.BufferedReader(_ChunkReader(unpack(path, file, packing)), CHUNK_BYTES)
    if not file.peek(1):
        raise UserError(f"{path} is empty: get the file again")
    return file


def open_text(path: Path, encoding: str | None = None) -> io.BufferedReader:
    """As `open_unpacked`, but UTF-8, from any encoding that Python knows.

    Without one, it is UTF-16 where it begins with its mark; what else is no UTF-8 fails where it is decoded.

    Raises:
        UserError: as `open_unpacked`; while reading: a byte is none of the encoding.
    """
    file = open_unpacked(path)
    if encoding is not None:
        chunks = _recoded(path, file, encoding, "name another by --encoding")
    elif file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        chunks = _recoded(path, file, "utf-16", "save the file as UTF-8")
    else:
        return file
    return io.BufferedReader(_ChunkReader(chunks), CHUNK_BYTES)


def decode(raw: bytes, place: str) -> str:
    """`raw` as text.

    Raises:
        UserError: it is not UTF-8; `place` opens the message.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place}, byte {error.start + 1}: not UTF-8: save the file as UTF-8, or, for `ingest events`, "
            "say what it is, such as --encoding cp1252"
        ) from error


def _recoded(path: Path, file: io.BufferedReader, encoding: str, remedy: str) -> Generator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    with file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            try:
                yield decoder.decode(chunk, final=not chunk).encode("utf-8")
            except UnicodeError as error:
                raise UserError(f"{path}: after byte {at:,}: not {encoding}: {remedy}") from error
            if not chunk:
                return
            at += len(chunk)


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"{path} can't be read ({reason}): check the path and its permissions")


class _FileOnDisk(io.FileIO):
    """A file whose failures are told as the user's."""

    def __init__(self, path: Path, *, has_bar: bool) -> None:
        super().__init__(path)
        self._path = path
        self._bar = tqdm(
            total=os.fstat(self.fileno()).st_size,
            desc=path.name,
            unit="B",
            unit_scale=True,
            # None: shown on a terminal only.
            disable=None if has_bar else True,
            delay=2,
            leave=False,
        )

    def readinto(self, buffer: Any) -> int:
        try:
            count = super().readinto(buffer)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        self._bar.update(count)
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self, "_bar"):
            self._bar.close()
        super().close()


class _ChunkReader(io.RawIOBase):
    """A readable file over a generator of chunks of bytes."""

    def __init__(self, chunks: Generator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

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
            self._rest = memoryview(chunk)
        # A view is cut without a copy; else a chunk read by small pieces would be copied at each.
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
