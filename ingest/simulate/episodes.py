"""Episode views: round e simulates episode e of every run that is still going."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.randomness import Keys, bits, draw
from ingest.simulate.tables import (
    COMPLETION_PARTS,
    DAY,
    HALF_HOUR,
    LOGIT_CODES,
    SECOND_BITS,
    TABLE_BITS,
    steps,
)
from ingest.simulate.viewers import Runs, Viewers, scatter_rounds
from ingest.simulate.world import World

SATURDAY = 5
LEAST_GAP = 60  # seconds between the end of a view and the next start


@dataclass(frozen=True)
class Views:
    """The views of a shard, ordered by viewer, run and episode."""

    runs: NDArray[np.int64]  # rows of Runs
    episodes: NDArray[np.int32]
    starts: NDArray[np.int32]  # seconds since the log's start
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
        self.lengths = np.zeros(len(runs.keys), dtype=np.int64)
        # Whether the last view was followed by one that is beyond the log's end.
        self.goes_beyond = np.zeros(len(runs.keys), dtype=bool)
        self.rounds: list[tuple] = []

    def watch(self, episode: int) -> None:
        """Simulate one episode of the runs that are going, and keep those that go on to the next."""
        keys = self.runs.keys[self.going]
        words = draw(keys, 2 * episode)
        days = self.starts // DAY
        completions, codes = self._logits(episode, words, days)
        self.rounds.append((self.going, self.starts, completions, codes, words.astype(np.uint8)))
        self.lengths[self.going] = episode
        says_yes = (words >> np.uint64(32)).astype(np.uint32) < self.tables.thresholds[codes]
        says_yes &= self.runs.episodes[self.going] > episode
        on = np.flatnonzero(says_yes)
        self._move_on(on, completions[on], days[on], draw(keys[on], 2 * episode + 1))

    def _logits(
        self, episode: int, words: Keys, days: NDArray
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        completions = self.tables.completions[
            self.runs.completion_tables[self.going] + bits(words, 8, TABLE_BITS)
        ]
        codes = self.runs.logit_codes[self.going] + self.tables.completion_steps[completions]
        codes += self.day_steps[days]
        if episode <= len(self.dips):
            codes += np.int16(self.dips[episode - 1])
        return completions, np.clip(codes, 0, LOGIT_CODES - 1, out=codes)

    def _move_on(self, on: NDArray, completions: NDArray, days: NDArray, words: Keys) -> None:
        """Draw the gap to the next start; drop runs whose viewer leaves or whose log ends before."""
        going, tables = self.going[on], self.tables
        ends = self.starts[on] + watch_seconds(completions, self.runs.episode_seconds[going])
        binge = ends + tables.pauses[bits(words, 16, TABLE_BITS)]
        days_on = tables.later_days[(self.weekdays[days] << TABLE_BITS) + bits(words, 28, TABLE_BITS)]
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
    lengths = watching.lengths
    starts, completions, codes, device_bits = scatter_rounds(watching.rounds, lengths)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    lasts = np.cumsum(lengths) - 1
    episodes = (np.arange(1, len(rows) + 1) - np.repeat(lasts + 1 - lengths, lengths)).astype(np.int32)
    choices = np.flatnonzero(episodes < runs.episodes[rows])
    continued = np.ones(len(rows), dtype=bool)
    continued[lasts] = watching.goes_beyond
    favourites = viewers.favourites[runs.viewers].astype(np.int32) << 8
    return Views(
        runs=rows,
        episodes=episodes,
        starts=starts,
        watch_seconds=watch_seconds(completions, runs.episode_seconds[rows]),
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
    days = starts // DAY
    half_hours = (starts - days * DAY) // HALF_HOUR
    hours_of_week = (7 * viewers.hazard_levels[runs.viewers].astype(np.int32))[
        rows
    ] + world.calendar.weekdays[days]
    stays = world.episode_tables.stays[hours_of_week * (DAY // HALF_HOUR) + half_hours]
    return (world.episode_tables.thresholds[codes] * 2.0**-32 * stays).astype(np.float32)
