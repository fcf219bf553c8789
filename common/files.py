"""Files that are there whole or not at all."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, replacing one of its name only once the new one is complete.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path to write a file to, which takes the place of one of its name at the end.

    Until then it lies beside it, under a name that tells the process; what killed writers left there is
    cleared, and where writing fails nothing is left.

    Raises:
        OSError: it can't take its place, or the folder can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if not _is_alive(left.suffix[1:]):
            left.unlink(missing_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_alive(process_id: str) -> bool:
    """Whether there may be such a process; what is no number was not left by one."""
    if not process_id.isdecimal():
        return True
    try:
        os.kill(int(process_id), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
