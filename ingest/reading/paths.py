"""The files that a user names: by path or by pattern, and what each is called where its name is stored."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError


def find_files(patterns: Iterable[str]) -> list[Path]:
    """The files that paths and patterns such as `logs/*.csv` name, each once, a pattern's in order.

    Raises:
        UserError: a pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        # Of pathlib, each Python takes other patterns (`**log.csv`) and names (too long a one) for an error.
        is_path = "\0" in pattern or os.path.exists(pattern)  # noqa: PTH110
        matches = [pattern] if is_path else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not matches:
            raise UserError(f"{pattern}: no such file: check the path")
        found |= dict.fromkeys(map(Path, matches))
    return list(found)


def file_name(path: Path) -> str:
    """The file's name as text that can be stored: a name on disk may hold bytes that are not UTF-8."""
    return os.fsencode(path.name or path.resolve().name).decode("utf-8", "replace")
