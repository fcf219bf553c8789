"""`python -m reports.build`: writes the pages from the marts, each as one file that opens from disk."""

import sys
import time
from pathlib import Path

from common.errors import UserError, run_command
from common.files import write_whole
from reports.blocks import Page
from reports.html import document
from reports.pages import PAGES
from reports.tables import read_rows

BUILD_FOLDER = Path("reports/build")


def build() -> None:
    """Write every page and say where it is.

    Raises:
        UserError: there is no warehouse, a model is missing, or the folder can't be written.
    """
    for page in PAGES:
        started = time.perf_counter()
        path = write(page)
        seconds = time.perf_counter() - started
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB in {seconds:.1f} s")
        print(f"Open it in a browser: {path.resolve().as_uri()}")


def write(page: Page) -> Path:
    """Write one page; whoever has the old one open, or is stopped in the middle, never sees half of it.

    Raises:
        UserError: as `build`.
    """
    content = document(page, read_rows(page))
    path = BUILD_FOLDER / page.file_name
    try:
        write_whole(path, content.encode("utf-8"))
    except OSError as error:
        raise UserError(f"{path} can't be written ({error.strerror}): free it or its folder") from error
    return path


if __name__ == "__main__":
    sys.exit(run_command(build))
