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
# Encodings chosen by measurement: ordered integers as deltas, probabilities by byte.
EVENT_ENCODINGS = {
    "event_id": "DELTA_BINARY_PACKED",
    "user_id": "DELTA_BINARY_PACKED",
    "episode_number": "DELTA_BINARY_PACKED",
    "started_at": "DELTA_BINARY_PACKED",
    "watch_seconds": "DELTA_BINARY_PACKED",
    "episode_seconds": "DELTA_BINARY_PACKED",
}
CHOICE_ENCODINGS = {"event_id": "DELTA_BINARY_PACKED", "p_continue": "BYTE_STREAM_SPLIT"}


def event_table(world: World, viewers: Viewers, runs: Runs, views: Views) -> pa.Table:
    users = viewers.user_ids[runs.viewers]
    used, codes = np.unique(runs.titles, return_inverse=True)
    parts = np.arange(COMPLETION_PARTS + 1) / COMPLETION_PARTS
    return pa.table(
        {
            "event_id": event_ids(users, runs, views),
            "user_id": users[views.runs],
            "anime_id": _categories(codes.astype(np.int32)[views.runs], world.anime_ids()[used]),
            "episode_number": views.episodes,
            "started_at": _timestamps(world, views.starts),
            "watch_seconds": views.watch_seconds,
            "episode_seconds": runs.episode_seconds[views.runs],
            "completion": pa.DictionaryArray.from_arrays(views.completions, parts),
            "device": _categories(views.devices.view(np.int8), world.config.devices.names),
        }
    )


def event_ids(users: NDArray[np.int64], runs: Runs, views: Views) -> NDArray[np.int64]:
    """User, run and episode packed in 52 bits, so that the id is exact in a double, too."""
    return (((users << RUN_BITS) | runs.numbers) << EPISODE_BITS)[views.runs] + views.episodes


def choice_table(viewers: Viewers, runs: Runs, views: Views) -> pa.Table:
    ids = event_ids(viewers.user_ids[runs.viewers], runs, views)
    return pa.table(
        {"event_id": ids[views.choices], "p_continue": views.p_continue, "continued": views.continued}
    )


def viewer_table(world: World, viewers: Viewers) -> pa.Table:
    return pa.table(
        {
            "user_id": viewers.user_ids,
            "signed_up_at": _timestamps(world, viewers.signups),
            "acquisition_channel": _categories(viewers.channels.view(np.int8), world.config.channels.names),
        }
    )


def truth_viewer_table(world: World, viewers: Viewers) -> pa.Table:
    tastes = pa.array((viewers.tastes / 2.0**TASTE_BITS).ravel())
    offsets = np.arange(len(viewers.user_ids) + 1, dtype=np.int32) * viewers.tastes.shape[1]
    return pa.table(
        {
            "user_id": viewers.user_ids,
            "engagement": world.viewer_tables.engagement[viewers.bins],
            "leave_hazard_per_day": world.hazards[viewers.hazard_levels],
            "leaves_at": _timestamps(world, viewers.leaves, hidden=viewers.leaves >= world.calendar.end),
            "taste": pa.ListArray.from_arrays(pa.array(offsets), tastes),
        }
    )


def write_table(table: pa.Table, path: Path, encodings: dict[str, str] | None = None) -> Path:
    encodings = encodings or {}
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in table.column_names if name not in encodings],
        column_encoding=encodings or None,
        write_statistics=False,
        # Without Arrow's own schema a reader sees plain strings and doubles, not our dictionaries.
        store_schema=False,
        dictionary_pagesize_limit=1 << 26,
        coerce_timestamps="us",
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
    return write_table(pa.table(columns), folder / "truth_effects.parquet")


def _categories(codes: NDArray, names: list[str] | NDArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, type=pa.string()))


def _timestamps(world: World, seconds: NDArray, hidden: NDArray[np.bool_] | None = None) -> pa.Array:
    micros = (seconds.astype(np.int64) + world.calendar.epoch_seconds) * MICROSECONDS
    return pa.array(micros, type=pa.timestamp("us"), mask=hidden)
