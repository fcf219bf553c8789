"""Shards and truth as Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ingest.making.viewing.columns import booleans, categories, lists, numbers, strings, table, timestamps
from ingest.making.viewing.effects import planted_effects
from ingest.making.viewing.episodes import Views
from ingest.making.viewing.tables import COMPLETION_PARTS
from ingest.making.viewing.titles import EPISODE_BITS
from ingest.making.viewing.viewers import RUN_BITS, TASTE_PARTS, Runs, Viewers
from ingest.making.viewing.world import World


def event_table(world: World, viewers: Viewers, runs: Runs, views: Views, ids: NDArray[np.int64]) -> pa.Table:
    is_used = np.bincount(runs.titles, minlength=len(world.titles.anime_ids)) > 0
    codes = (np.cumsum(is_used) - 1).astype(np.int32)[runs.titles]
    parts = np.arange(COMPLETION_PARTS + 1) / COMPLETION_PARTS
    return table(
        {
            "event_id": numbers(ids),
            "user_id": numbers(ids >> (RUN_BITS + EPISODE_BITS)),
            "anime_id": categories(codes[views.runs], strings(world.titles.anime_ids.filter(is_used))),
            "episode_number": numbers(views.episodes),
            "started_at": _timestamps(world, views.starts),
            "watch_seconds": numbers(views.watch_seconds),
            "episode_seconds": numbers(views.episode_seconds),
            "completion": categories(views.completions, numbers(parts)),
            "device": categories(views.devices.view(np.int8), strings(world.config.devices.names)),
        }
    )


def event_ids(viewers: Viewers, runs: Runs, views: Views) -> NDArray[np.int64]:
    """User, run and episode packed in 52 bits, so that the id is exact in a double, too."""
    users = viewers.user_ids[runs.viewers]
    return (((users << RUN_BITS) | runs.numbers) << EPISODE_BITS)[views.runs] + views.episodes


def choice_table(views: Views, ids: NDArray[np.int64]) -> pa.Table:
    return table(
        {
            "event_id": numbers(ids[views.choices]),
            "p_continue": numbers(views.p_continue),
            "continued": booleans(views.continued),
        }
    )


def viewer_table(world: World, viewers: Viewers) -> pa.Table:
    return table(
        {
            "user_id": numbers(viewers.user_ids),
            "signed_up_at": _timestamps(world, viewers.signups),
            "acquisition_channel": categories(
                viewers.channels.view(np.int8), strings(world.config.channels.names)
            ),
        }
    )


def truth_viewer_table(world: World, viewers: Viewers) -> pa.Table:
    tastes = viewers.tastes / np.float32(TASTE_PARTS)
    return table(
        {
            "user_id": numbers(viewers.user_ids),
            "engagement": numbers(world.viewer_tables.engagement[viewers.bins]),
            "leave_hazard_per_day": numbers(world.hazards[viewers.hazard_levels]),
            "leaves_at": _timestamps(world, viewers.leaves, hidden=viewers.leaves >= world.calendar.end),
            "taste": lists(tastes),
        },
        nullable=("leaves_at",),
    )


def write_table(rows: pa.Table, path: Path) -> Path:
    """Write a table, uncompressed: the files are loaded at once, and packing takes longer than moving."""
    pq.write_table(
        rows,
        path,
        compression="none",
        use_dictionary=[column.name for column in rows.schema if not pa.types.is_primitive(column.type)],
        write_statistics=False,
        # Without Arrow's own schema a reader sees plain strings and doubles, not our dictionaries.
        store_schema=False,
        dictionary_pagesize_limit=1 << 26,
        write_batch_size=1 << 14,
    )
    return path


def write_titles(world: World, folder: Path) -> Path:
    titles = world.titles
    rows = table(
        {
            "anime_id": strings(titles.anime_ids),
            "quality": numbers(titles.quality),
            "popularity": numbers(titles.popularity),
        }
    )
    return write_table(rows, folder / "truth_titles.parquet")


def write_effects(world: World, folder: Path) -> Path:
    effects, sizes, units, descriptions = zip(*planted_effects(world.config, world.titles), strict=True)
    rows = table(
        {
            "effect": strings(list(effects)),
            "size": numbers(np.array(sizes)),
            "unit": strings(list(units)),
            "description": strings(list(descriptions)),
        }
    )
    return write_table(rows, folder / "truth_effects.parquet")


def _timestamps(world: World, seconds: NDArray, hidden: NDArray[np.bool_] | None = None) -> pa.Array:
    return timestamps(seconds.astype(np.int64) + world.calendar.epoch_seconds, hidden)
