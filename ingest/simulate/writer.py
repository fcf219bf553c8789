"""Shards and truth as Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ingest.simulate.effects import planted_effects
from ingest.simulate.episodes import Views
from ingest.simulate.tables import COMPLETION_PARTS
from ingest.simulate.titles import EPISODE_BITS
from ingest.simulate.viewers import RUN_BITS, TASTE_BITS, Runs, Viewers
from ingest.simulate.world import World

MICROSECONDS = 1_000_000
NULLABLE = ("leaves_at",)
# Chosen by measurement: ordered integers as deltas, small ones and probabilities by byte, else dictionaries.
ENCODINGS = {
    "event_id": "DELTA_BINARY_PACKED",
    "user_id": "DELTA_BINARY_PACKED",
    "episode_number": "BYTE_STREAM_SPLIT",
    "started_at": "DELTA_BINARY_PACKED",
    "watch_seconds": "DELTA_BINARY_PACKED",
    "episode_seconds": "BYTE_STREAM_SPLIT",
    "p_continue": "BYTE_STREAM_SPLIT",
    "continued": "PLAIN",
    "signed_up_at": "DELTA_BINARY_PACKED",
    "leaves_at": "DELTA_BINARY_PACKED",
    "taste.list.element": "BYTE_STREAM_SPLIT",
}


def event_table(world: World, viewers: Viewers, runs: Runs, views: Views, ids: NDArray[np.int64]) -> pa.Table:
    is_used = np.bincount(runs.titles, minlength=len(world.titles.anime_ids)) > 0
    codes = (np.cumsum(is_used) - 1).astype(np.int32)[runs.titles]
    parts = np.arange(COMPLETION_PARTS + 1) / COMPLETION_PARTS
    return _table(
        {
            "event_id": ids,
            "user_id": viewers.user_ids[runs.viewers][views.runs],
            "anime_id": _categories(codes[views.runs], world.anime_ids()[is_used]),
            "episode_number": views.episodes,
            "started_at": _timestamps(world, views.starts),
            "watch_seconds": views.watch_seconds,
            "episode_seconds": runs.episode_seconds[views.runs],
            "completion": pa.DictionaryArray.from_arrays(views.completions, parts),
            "device": _categories(views.devices.view(np.int8), world.config.devices.names),
        }
    )


def event_ids(viewers: Viewers, runs: Runs, views: Views) -> NDArray[np.int64]:
    """User, run and episode packed in 52 bits, so that the id is exact in a double, too."""
    users = viewers.user_ids[runs.viewers]
    return (((users << RUN_BITS) | runs.numbers) << EPISODE_BITS)[views.runs] + views.episodes


def choice_table(views: Views, ids: NDArray[np.int64]) -> pa.Table:
    return _table(
        {"event_id": ids[views.choices], "p_continue": views.p_continue, "continued": views.continued}
    )


def viewer_table(world: World, viewers: Viewers) -> pa.Table:
    return _table(
        {
            "user_id": viewers.user_ids,
            "signed_up_at": _timestamps(world, viewers.signups),
            "acquisition_channel": _categories(viewers.channels.view(np.int8), world.config.channels.names),
        }
    )


def truth_viewer_table(world: World, viewers: Viewers) -> pa.Table:
    # Parts of 65,536 are exact in 32 bits.
    tastes = viewers.tastes.T.ravel() * np.float32(2.0**-TASTE_BITS)
    offsets = np.arange(len(viewers.user_ids) + 1, dtype=np.int32) * len(viewers.tastes)
    return _table(
        {
            "user_id": viewers.user_ids,
            "engagement": world.viewer_tables.engagement[viewers.bins],
            "leave_hazard_per_day": world.hazards[viewers.hazard_levels],
            "leaves_at": _timestamps(world, viewers.leaves, hidden=viewers.leaves >= world.calendar.end),
            "taste": pa.ListArray.from_arrays(pa.array(offsets), pa.array(tastes)),
        }
    )


def write_table(table: pa.Table, path: Path) -> Path:
    columns = {name.split(".")[0]: name for name in ENCODINGS}
    encodings = {columns[name]: ENCODINGS[columns[name]] for name in table.column_names if name in columns}
    pq.write_table(
        table,
        path,
        compression="lz4",
        use_dictionary=[name for name in table.column_names if name not in columns],
        column_encoding=encodings or None,
        write_statistics=False,
        # Without Arrow's own schema a reader sees plain strings and doubles, not our dictionaries.
        store_schema=False,
        dictionary_pagesize_limit=1 << 26,
        write_batch_size=1 << 14,
    )
    return path


def write_titles(world: World, folder: Path) -> Path:
    titles = world.titles
    table = pa.table(
        {"anime_id": titles.anime_ids, "quality": titles.quality, "popularity": titles.popularity}
    )
    return write_table(table, folder / "truth_titles.parquet")


def write_effects(world: World, folder: Path) -> Path:
    effects = planted_effects(world.config, world.titles)
    columns = dict(
        zip(("effect", "size", "unit", "description"), map(list, zip(*effects, strict=True)), strict=True)
    )
    return write_table(_table(columns), folder / "truth_effects.parquet")


def _table(columns: dict[str, pa.Array | NDArray | list]) -> pa.Table:
    """A table that declares which columns have no nulls: those are written a fifth faster."""
    arrays = {
        name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()
    }
    fields = [pa.field(name, array.type, nullable=name in NULLABLE) for name, array in arrays.items()]
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))


def _categories(codes: NDArray, names: list[str] | NDArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, type=pa.string()))


def _timestamps(world: World, seconds: NDArray, hidden: NDArray[np.bool_] | None = None) -> pa.Array:
    micros = (seconds.astype(np.int64) + world.calendar.epoch_seconds) * MICROSECONDS
    return pa.array(micros, type=pa.timestamp("us"), mask=hidden)
