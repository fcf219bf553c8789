"""A log, shard by shard: bounded memory whatever the number of viewers, on one processor or several."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ingest.making.viewing import writer
from ingest.making.viewing.config import load_config
from ingest.making.viewing.episodes import make_views
from ingest.making.viewing.viewers import make_runs, make_viewers
from ingest.making.viewing.world import SimulationOptions, World, make_world

# Some 700,000 views: enough to fill arrays in late rounds, few enough for 0.3 GB.
DEFAULT_SHARD_VIEWERS = 24_576
# Fewer shards than this take less time than starting processes.
SHARDS_WORTH_PROCESSES = 8

OnShard = Callable[[int, int], None]


@dataclass(frozen=True)
class SimulatedLog:
    """What was written: rows, and files in the order of their rows."""

    events: int
    viewers: int
    choices: int
    titles: int
    effects: int
    event_files: list[Path]
    viewer_files: list[Path]
    truth_viewer_files: list[Path]
    choice_files: list[Path]
    truth_titles_file: Path
    truth_effects_file: Path


@dataclass(frozen=True)
class Shard:
    """Viewers `first` to `first + count - 1`, counted from 0."""

    number: int
    first: int
    count: int


def write_viewing_log(
    catalogue: pl.DataFrame,
    options: SimulationOptions,
    folder: Path,
    *,
    shard_viewers: int = DEFAULT_SHARD_VIEWERS,
    processes: int | None = None,
    on_shard: OnShard | None = None,
) -> SimulatedLog:
    """Simulate a viewing log on a catalogue and write it to `folder` as Parquet.

    The rows, and their order over the files, depend on catalogue and options alone.

    Args:
        catalogue: columns anime_id, type, episodes (0 = unknown), status, duration_seconds,
            score_arithmetic_mean and tags; other columns and the order of rows don't matter.
        options: viewers, days, seed, start.
        folder: is made if missing; files of the same names are replaced.
        shard_viewers: viewers simulated at a time and written to one file of each kind.
        processes: None for as many as processors, when the log is long enough to gain by it. Processes are
            spawned: a script that asks for more than one guards its own start with `__name__`.
        on_shard: called with (shards done, shards in all) after each.

    Raises:
        UserError: options out of range, or nothing to watch in the catalogue.
    """
    world = make_world(catalogue, options, load_config())
    folder.mkdir(parents=True, exist_ok=True)
    shards = [
        Shard(number, first, min(shard_viewers, options.viewers - first))
        for number, first in enumerate(range(0, options.viewers, shard_viewers))
    ]
    counts = []
    for count in _run(world, shards, folder, _worker_count(processes, len(shards))):
        counts.append(count)
        if on_shard:
            on_shard(len(counts), len(shards))
    return SimulatedLog(
        events=sum(events for events, _ in counts),
        viewers=options.viewers,
        choices=sum(choices for _, choices in counts),
        titles=len(world.titles.anime_ids),
        effects=len(writer.planted_effects(world.config, world.titles)),
        event_files=_paths(folder, "events", shards),
        viewer_files=_paths(folder, "viewers", shards),
        truth_viewer_files=_paths(folder, "truth_viewers", shards),
        choice_files=_paths(folder, "choices", shards),
        truth_titles_file=writer.write_titles(world, folder),
        truth_effects_file=writer.write_effects(world, folder),
    )


def _keep_memory() -> None:
    """Have glibc keep freed arrays for the next ones instead of giving them back to the system each time.

    Its thresholds for that follow the largest block freed so far (mallopt(3), M_MMAP_THRESHOLD). Without it,
    clearing fresh pages takes as long as the arithmetic.
    """
    np.empty(31 << 20, dtype=np.uint8)


def write_shard(world: World, shard: Shard, folder: Path) -> tuple[int, int]:
    """Simulate and write one shard; return its numbers of events and choices."""
    viewers = make_viewers(world, shard.first, shard.count)
    runs = make_runs(world, viewers)
    views = make_views(world, viewers, runs)
    ids = writer.event_ids(viewers, runs, views)
    tables = {
        "viewers": writer.viewer_table(world, viewers),
        "truth_viewers": writer.truth_viewer_table(world, viewers),
        "events": writer.event_table(world, viewers, runs, views, ids),
        "choices": writer.choice_table(views, ids),
    }
    for kind, table in tables.items():
        writer.write_table(table, _path(folder, kind, shard))
    return len(views.runs), len(views.choices)


def _path(folder: Path, kind: str, shard: Shard) -> Path:
    return folder / f"{kind}-{shard.number:05d}.parquet"


def _paths(folder: Path, kind: str, shards: list[Shard]) -> list[Path]:
    return [_path(folder, kind, shard) for shard in shards]


def _worker_count(processes: int | None, shards: int) -> int:
    if processes is None:
        processes = (os.cpu_count() or 1) if shards >= SHARDS_WORTH_PROCESSES else 1
    return max(1, min(processes, shards))


def _run(world: World, shards: list[Shard], folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    if workers == 1:
        _keep_memory()
        for shard in shards:
            yield write_shard(world, shard, folder)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_hold_world, initargs=(world, folder)) as pool:
        for done in as_completed([pool.submit(_write_held, shard) for shard in shards]):
            yield done.result()


_held: tuple[World, Path]


def _hold_world(world: World, folder: Path) -> None:
    """Keep what all shards of a process need, so that it is sent once."""
    global _held
    _held = (world, folder)
    _keep_memory()


def _write_held(shard: Shard) -> tuple[int, int]:
    world, folder = _held
    return write_shard(world, shard, folder)
