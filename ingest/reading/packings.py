"""What a file may be packed with: zstd, gzip, or a zip archive of one file. Unpacked piece by piece."""

import io
import zipfile
from collections.abc import Generator
from pathlib import Path

import pyarrow

from common.errors import UserError, listed

PIECE_BYTES = 1 << 20
# The first bytes tell; an empty zip archive has those of its last part.
MAGIC = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
CUT_OFF = "Truncated"
# Workbooks of either kind are zip archives that hold one of these.
WORKBOOK_PARTS = {"[Content_Types].xml", "mimetype"}


def packing_of(file: io.BufferedReader) -> str | None:
    """What a file is packed with; None: nothing that is known."""
    head = file.peek(4)
    return next((packing for magic, packing in MAGIC.items() if head.startswith(magic)), None)


def unpack(path: Path, file: io.BufferedReader, packing: str) -> Generator[bytes]:
    """Pieces of what `file` holds, none longer than `PIECE_BYTES`; the file is closed with the last.

    Raises:
        UserError: the packed data is damaged, ends early, or is a zip archive of not one file.
    """
    with file:
        yield from _unzipped(path, file) if packing == "zip" else _decompressed(path, file, packing)


def _decompressed(path: Path, file: io.BufferedReader, packing: str) -> Generator[bytes]:
    # Arrow's stream, because those of zlib and zstandard take a cut-off file for a whole one, or a piece may
    # be of any length.
    with pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), packing) as stream:
        while True:
            try:
                piece = stream.read(PIECE_BYTES)
            except (OSError, pyarrow.ArrowInvalid) as error:
                if str(error).startswith(CUT_OFF):
                    raise UserError(
                        f"{path}: the {packing} data ends early, at byte {path.stat().st_size:,}: "
                        "get the file again"
                    ) from error
                raise _damaged(path, packing, error) from error
            if not piece:
                return
            yield piece


def _unzipped(path: Path, file: io.BufferedReader) -> Generator[bytes]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_only_member(path, archive)) as member:
            while piece := member.read(PIECE_BYTES):
                yield piece
    except (UserError, MemoryError):
        raise
    # Of a damaged archive, zipfile raises whatever its parts do.
    except Exception as error:
        raise _damaged(path, "zip", error) from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        # A Mac adds a folder of its own.
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    names = [member.filename for member in members]
    if not WORKBOOK_PARTS.isdisjoint(names):
        raise UserError(f"{path} is a workbook or another office file: save its sheet as CSV")
    if len(members) != 1:
        holds = f"{len(members):,} files: {listed(names)}" if members else "no file"
        raise UserError(f"{path} is a zip archive of {holds}: unpack it, and name the files to load")
    if members[0].flag_bits & 1:
        raise UserError(f"{path} is a zip archive with a password: unpack it")
    return members[0]


def _damaged(path: Path, packing: str, error: Exception) -> UserError:
    return UserError(f"{path}: damaged {packing} data ({error}): get the file again")
