"""A Parquet file, also packed: opened and read so that each kind of damage is one line."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
from pyarrow import parquet

from common.errors import UserError
from ingest.reading.files import open_file, open_unpacked
from ingest.reading.packings import packing_of

PARQUET_MAGIC = b"PAR1"


@contextmanager
def open_parquet(path: Path) -> Iterator[parquet.ParquetFile]:
    """The file, opened; what fails while it is read inside is told as the file's damage.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    try:
        with _content(path) as content:
            yield parquet.ParquetFile(content, page_checksum_verification=True)
    except MemoryError:
        raise
    except (OSError, pyarrow.ArrowException) as error:
        if "Resource temporarily unavailable" in str(error):
            # A thread that the system has no room for.
            raise MemoryError from error
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: damaged Parquet ({reason}): get the file again") from error


@contextmanager
def _content(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, which are read from their end: of a packed file, a copy on disk."""
    with open_file(path) as file:
        if packing_of(file) is None:
            yield file
            return
    with open_unpacked(path) as unpacked:
        try:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
            shutil.copyfileobj(unpacked, copy, 1 << 20)
            copy.flush()
        except OSError as error:
            raise UserError(
                f"{path} can't be unpacked to a temporary file ({error.strerror}): free disk space, or set "
                "TMPDIR to another folder"
            ) from error
    with copy:
        yield copy
