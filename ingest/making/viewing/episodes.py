"""Episode views: round e simulates episode e of every run that is still going."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.making.viewing.randomness import Keys, bits, draw
from ingest.making.viewing.tables import (
    COMPLETION_PARTS,
    DAY,
    HALF_HOUR,
    LOGIT_CODES,
    SECOND_BITS,
    SMALL_BITS,
    WEEK,
    steps,
)
from ingest.making.viewing.viewers import Runs, Viewers, scatter_rounds
from ingest.making.viewing.world import World

SATURDAY = 5
LEAST_GAP = 60  # seconds between the end of a view and the next start


@dataclass(frozen=True)
class Views:
    """The views of a shard, ordered by viewer, run and episode."""

    runs: NDArray[np.int64]  # rows of Runs
    episodes: NDArray[np.int32]
    starts: NDArray[np.int32]  # seconds since the log's start
    episode_seconds: NDArray[np.int32]
    watch_seconds: NDArray[np.int32]
    completions: NDArray[np.int16]  # thousandths
    devices: NDArray[np.uint8]
    choices: NDArray[np.int64]  # rows of the views with a next episode; then, for each of those:
    p_continue: NDArray[np.float32]
    continued: NDArray[np.bool_]


class Watching:
    """The rounds: state and draws of the runs that are still going."""

    def __init__(self, world: World, runs: Runs) -> None:
        self.tables, self.runs = world.episode_tables, runs
        self.weekdays, self.log_end = world.calendar.weekdays, world.calendar.end
        self.dips = -steps(world.config.continuation.episode_dips)
        weekend = int(steps(world.config.continuation.weekend))
        self.day_steps = np.where(self.weekdays >= SATURDAY, weekend, 0).astype(np.int16)
        self.going = np.arange(len(runs.keys))
        self.starts = runs.starts
        # Whether the last view was followed by one that is beyond the log's end.
        self.goes_beyond = np.zeros(len(runs.keys), dtype=bool)
        self.rounds: list[tuple[NDArray, NDArray]] = []

    def watch(self, episode: int) -> None:
        """Simulate one episode of the runs that are going, and keep those that go on to the next."""
        keys = self.runs.keys[self.going]
        words = draw(keys, 2 * episode)
        days = self.starts // DAY
        completions, codes = self._logits(episode, words, days)
        self.rounds.append((self.going, _pack(self.starts, completions, codes, words)))
        says_yes = (words >> np.uint64(32)).astype(np.uint32) < self.tables.thresholds[codes]
        says_yes &= self.runs.episodes[self.going] > episode
        on = np.flatnonzero(says_yes)
        self._move_on(on, completions[on], days[on], draw(keys[on], 2 * episode + 1))

    def _logits(
        self, episode: int, words: Keys, days: NDArray
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        completions = self.tables.completions[
            self.runs.completion_tables[self.going] + bits(words, 8, SMALL_BITS)
        ]
        codes = self.runs.logit_codes[self.going] + self.tables.completion_steps[completions]
        codes += self.day_steps[days]
        if episode <= len(self.dips):
            codes += np.int16(self.dips[episode - 1])
        return completions, codes

    def _move_on(self, on: NDArray, completions: NDArray, days: NDArray, words: Keys) -> None:
        """Draw the gap to the next start; drop runs whose viewer leaves or whose log ends before."""
        going, tables = self.going[on], self.tables
        ends = self.starts[on] + watch_seconds(completions, self.runs.episode_seconds[going])
        binge = ends + tables.pauses[bits(words, 16, SMALL_BITS)]
        days_on = tables.later_days[(self.weekdays[days] << SMALL_BITS) + bits(words, 28, SMALL_BITS)]
        later = (days + days_on) * DAY + tables.seconds_of_day[bits(words, 40, SECOND_BITS)]
        is_binge = bits(words, 0, 16) < tables.binge_threshold
        starts = np.where(is_binge, binge, np.maximum(later, ends + LEAST_GAP))
        stays = starts < self.runs.leaves[going]
        in_log = starts < self.log_end
        self.goes_beyond[going[np.flatnonzero(stays & ~in_log)]] = True
        # Indexing by position is several times as fast as by a mask.
        kept = np.flatnonzero(stays & in_log)
        self.going, self.starts = going[kept], starts[kept]


def watch_seconds(completions: NDArray[np.int16], episode_seconds: NDArray[np.int32]) -> NDArray[np.int32]:
    """completion * episode_seconds, rounded half up."""
    return (completions * episode_seconds + COMPLETION_PARTS // 2) // COMPLETION_PARTS


def make_views(world: World, viewers: Viewers, runs: Runs) -> Views:
    """Watch all runs to their ends."""
    watching = Watching(world, runs)
    episode = 1
    while episode == 1 or len(watching.going):
        watching.watch(episode)
        episode += 1
    packed, lengths = scatter_rounds(watching.rounds, len(runs.keys))
    starts, completions, codes, device_bits = _unpack(packed)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    lasts = np.cumsum(lengths) - 1
    episodes = (np.arange(1, len(rows) + 1) - (lasts + 1 - lengths)[rows]).astype(np.int32)
    episode_seconds = runs.episode_seconds[rows]
    choices = np.flatnonzero(episodes < runs.episodes[rows])
    continued = np.ones(len(rows), dtype=bool)
    continued[lasts] = watching.goes_beyond
    favourites = viewers.favourites[runs.viewers].astype(np.int32) << 8
    return Views(
        runs=rows,
        episodes=episodes,
        starts=starts,
        episode_seconds=episode_seconds,
        watch_seconds=watch_seconds(completions, episode_seconds),
        completions=completions,
        devices=world.episode_tables.devices[favourites[rows] + device_bits],
        choices=choices,
        p_continue=_probabilities(world, viewers, runs, rows[choices], starts[choices], codes[choices]),
        continued=continued[choices],
    )


def _probabilities(
    world: World, viewers: Viewers, runs: Runs, rows: NDArray, starts: NDArray, codes: NDArray
) -> NDArray[np.float32]:
    """P(the draw says yes) * P(the viewer is still there at the next start)."""
    tables, half_hours = world.episode_tables, world.calendar.half_hours
    first_stays = viewers.hazard_levels[runs.viewers].astype(np.int32) * (WEEK // HALF_HOUR)
    stays = tables.stays[first_stays[rows] + half_hours[starts // HALF_HOUR]]
    return tables.probabilities[codes] * stays


def _pack(starts: NDArray, completions: NDArray, codes: NDArray, words: Keys) -> NDArray[np.int64]:
    """All that a round keeps of a view in one word, because moving a value costs more than packing four."""
    low = (completions.astype(np.int32) << 21) | (codes.astype(np.int32) << 8) | words.astype(np.uint8)
    return (starts.astype(np.int64) << 32) | low


def _unpack(packed: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Starts, completions, logit codes and device bits."""
    low = packed.astype(np.int32)
    return (
        (packed >> 32).astype(np.int32),
        (low >> 21).astype(np.int16),
        (low >> 8) & (LOGIT_CODES - 1),
        low & 0xFF,
    )
