"""A bar over rows, on a terminal, that moves while one large load is being written too."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import duckdb
from tqdm import tqdm

SECONDS_BETWEEN_LOOKS = 0.5


class Progress:
    """Rows written of `total`, as far as DuckDB says how far its query is."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, total: int) -> None:
        self._connection = connection
        self._bar = tqdm(
            total=total, desc="publishing", unit=" rows", unit_scale=True, disable=None, delay=2, leave=False
        )
        if not self._bar.disable:
            connection.execute("set enable_progress_bar = true")
            connection.execute("set enable_progress_bar_print = false")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @contextmanager
    def over(self, rows: int) -> Iterator[None]:
        """While these rows are written."""
        if self._bar.disable:
            yield
            return
        before, is_over = self._bar.n, Event()
        watcher = Thread(target=self._watch, args=(before, rows, is_over), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()
        self._bar.update(before + rows - self._bar.n)

    def _watch(self, before: int, rows: int, is_over: Event) -> None:
        while not is_over.wait(SECONDS_BETWEEN_LOOKS):
            # Below 0 before the query has begun.
            share = max(self._connection.query_progress(), 0) / 100
            self._bar.update(before + int(rows * share) - self._bar.n)
