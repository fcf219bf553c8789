"""Viewers of a shard, and the titles each of them starts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.making.viewing.randomness import Keys, bits, draw
from ingest.making.viewing.tables import (
    COMPLETION_LEVEL_STEPS,
    COMPLETION_LEVELS,
    DAY,
    FINE_BITS,
    LOGIT_CODES,
    SMALL_BITS,
    TABLE_BITS,
    WEEK_TICKS,
    steps,
    threshold,
)
from ingest.making.viewing.world import World

RUN_BITS = 12  # of an event id
MOST_RUNS = (1 << RUN_BITS) - 1
TASTE_BITS = 6
TASTE_PARTS = 1 << TASTE_BITS  # a taste is in whole 64ths
FOREVER = np.int64(2**31 - 1)

# Numbers of a viewer's draws. Runs follow: draw 2r + FIRST_RUN is run r's key, the next one its waiting time.
TRAITS, SIGN_UP, LEAVING, TASTES = 0, 1, 2, 3
FIRST_RUN = 16
# Numbers of a run's draws; views follow, episode e at 2e and 2e + 1.
TITLE = 0


@dataclass(frozen=True)
class Viewers:
    """n viewers, ordered by user_id. Instants are whole seconds since the log's start."""

    user_ids: NDArray[np.int64]
    keys: Keys
    bins: NDArray[np.int64]  # of engagement
    channels: NDArray[np.uint8]
    favourites: NDArray[np.uint8]  # device
    hazard_levels: NDArray[np.uint8]
    tastes: NDArray[np.uint8]  # n x k, in 64ths
    taste_ends: NDArray[np.uint8]  # k x n: their running sums
    signup_ticks: NDArray[np.int64]  # operational time
    signups: NDArray[np.int64]
    leaves: NDArray[np.int64]  # may be after the log's end


@dataclass(frozen=True)
class Runs:
    """m runs (a viewer starting a title), ordered by viewer and number."""

    viewers: NDArray[np.int64]  # rows of Viewers
    numbers: NDArray[np.int64]  # from 1 up for each viewer; gaps where a title was drawn again
    keys: Keys
    starts: NDArray[np.int32]
    leaves: NDArray[np.int32]
    titles: NDArray[np.int32]
    episodes: NDArray[np.int32]
    episode_seconds: NDArray[np.int32]
    logit_codes: NDArray[np.int16]  # all of the logit that the run fixes, as an index of the thresholds
    completion_tables: NDArray[np.int32]  # where its quantiles start


def make_viewers(world: World, first: int, count: int) -> Viewers:
    """Viewers `first` to `first + count - 1`, counted from 0."""
    tables = world.viewer_tables
    user_ids = np.arange(first + 1, first + count + 1, dtype=np.int64)
    keys = draw(np.broadcast_to(world.seed_key, user_ids.shape), user_ids)
    traits = draw(keys, TRAITS)
    bins = bits(traits, 0, TABLE_BITS)
    channels = tables.channels[bits(traits, 12, TABLE_BITS)]
    levels = tables.hazard_levels[channels, bins]
    signup_ticks = _signup_ticks(world, keys)
    signups = np.clip(world.calendar.from_ticks(signup_ticks), 0, world.calendar.end - 1)
    lifetimes = world.exponential[bits(draw(keys, LEAVING), 0, FINE_BITS)] / world.hazards[levels] * DAY
    taste_ends = _taste_ends(world, keys)
    return Viewers(
        user_ids=user_ids,
        keys=keys,
        bins=bins,
        channels=channels,
        favourites=tables.favourites[bits(traits, 24, TABLE_BITS)],
        hazard_levels=levels,
        tastes=np.ascontiguousarray(np.diff(taste_ends, axis=0, prepend=np.uint8(0)).T),
        taste_ends=taste_ends,
        signup_ticks=signup_ticks,
        signups=signups,
        leaves=signups + 1 + lifetimes.astype(np.int64),
    )


def make_runs(world: World, viewers: Viewers) -> Runs:
    """The titles that viewers start, each start within the viewer's life and the log."""
    rows, numbers, starts = _starts(world, viewers)
    keys = draw(viewers.keys[rows], FIRST_RUN + 2 * numbers)
    titles = _choose_titles(world, viewers, rows, keys)
    kept = _first_choices(rows, titles, numbers)
    rows, numbers, starts, keys, titles = (values[kept] for values in (rows, numbers, starts, keys, titles))
    catalogue, tables = world.titles, world.viewer_tables
    bins = viewers.bins[rows]
    return Runs(
        viewers=rows,
        numbers=numbers,
        keys=keys,
        starts=starts.astype(np.int32),
        leaves=np.minimum(viewers.leaves, FOREVER).astype(np.int32)[rows],
        titles=titles,
        episodes=catalogue.episodes[titles],
        episode_seconds=catalogue.episode_seconds[titles],
        logit_codes=_logit_codes(world, viewers, rows, titles),
        completion_tables=_completion_tables(
            tables.completion_steps[bins] + catalogue.completion_steps[titles]
        ),
    )


def scatter_rounds(rounds: list[tuple[NDArray, NDArray]], owners: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Bring values collected in rounds into the order of their owners.

    Args:
        rounds: for round r = 0, 1, ... the owners still in play (ascending), and a value for each of them.
        owners: how many there are.

    Returns: the values, owner by owner, within an owner by round; and how many each owner has.
    """
    lengths = np.bincount(np.concatenate([playing for playing, _ in rounds]), minlength=owners)
    offsets = np.cumsum(lengths) - lengths
    ordered = np.empty(int(lengths.sum()), dtype=rounds[0][1].dtype)
    for number, (playing, values) in enumerate(rounds):
        ordered[offsets[playing] + number] = values
    return ordered, lengths


def _signup_ticks(world: World, keys: Keys) -> NDArray[np.int64]:
    words = draw(keys, SIGN_UP)
    cuts = world.viewer_tables.signup_cuts
    cell = bits(words, 0, TABLE_BITS)
    within = bits(words, 32, 32) / 2.0**32
    position = cuts[cell] + (cuts[cell + 1] - cuts[cell]) * within
    start, end = world.calendar.ticks
    return start + np.floor(position * (end - start)).astype(np.int64)


def _taste_ends(world: World, keys: Keys) -> NDArray[np.uint8]:
    """Dirichlet tastes, as gamma variates over their sum: running sums, rounded to 64ths."""
    ends = np.zeros((world.config.viewers.taste_tags, len(keys)))
    for tag in range(len(ends)):
        if tag % 4 == 0:
            words = draw(keys, TASTES + tag // 4)
        ends[tag] = world.viewer_tables.taste_gammas[bits(words, 16 * (tag % 4), TABLE_BITS)]
        if tag:
            ends[tag] += ends[tag - 1]
    return np.floor(ends * (TASTE_PARTS / ends[-1]) + 0.5).astype(np.uint8)


def _starts(world: World, viewers: Viewers) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Viewer row, number and instant of each start: round r draws the start r of all viewers still there."""
    ends = np.minimum(viewers.leaves, world.calendar.end)
    waiting_ticks = world.viewer_tables.title_ticks[viewers.bins]
    rows = np.arange(len(viewers.keys))
    ticks = viewers.signup_ticks
    mean = np.full(len(rows), world.config.starts.first_delay_days * WEEK_TICKS / 7)
    rounds = []
    for number in range(1, MOST_RUNS + 1):
        words = draw(viewers.keys[rows], FIRST_RUN + 2 * number + 1)
        ticks = ticks + 1 + (mean * world.exponential[bits(words, 0, FINE_BITS)]).astype(np.int64)
        # A clipped sign-up may be a second after what the clock says.
        starts = np.maximum(world.calendar.from_ticks(ticks), viewers.signups[rows])
        # Indexing by position is several times as fast as by a mask.
        here = np.flatnonzero(starts < ends[rows])
        rows, ticks, starts = rows[here], ticks[here], starts[here]
        if number > 1 and not len(rows):
            break
        rounds.append((rows, starts))
        mean = waiting_ticks[rows]
    starts, lengths = scatter_rounds(rounds, len(viewers.keys))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    numbers = np.arange(1, len(rows) + 1) - (np.cumsum(lengths) - lengths)[rows]
    return rows, numbers, starts


def _choose_titles(world: World, viewers: Viewers, rows: NDArray, keys: Keys) -> NDArray[np.int32]:
    """By taste: a tag drawn from the viewer's taste, then a title with it. Or from all titles."""
    words = draw(keys, TITLE)
    lists = np.full(len(rows), world.taste_list)
    by_taste = np.flatnonzero(bits(words, 32, 16) < threshold(world.config.titles.taste_share))
    draws = bits(words[by_taste], 48, TASTE_BITS).astype(np.uint8)
    led_rows = rows[by_taste]
    tags = np.zeros(len(by_taste), dtype=np.uint8)
    for ends in viewers.taste_ends[:-1]:
        tags += ends[led_rows] <= draws
    lists[by_taste] = tags
    return world.titles.choices.choose(lists, words)


def _first_choices(rows: NDArray, titles: NDArray, numbers: NDArray) -> NDArray[np.bool_]:
    """Whether a viewer chose the title for the first time: a title drawn again is not watched again."""
    title_bits = 64 - 26 - RUN_BITS
    keys = (rows << (title_bits + RUN_BITS)) | (titles.astype(np.int64) << RUN_BITS) | numbers
    order = np.sort(keys)
    again = order[1:][order[1:] >> RUN_BITS == order[:-1] >> RUN_BITS]
    first = np.ones(len(rows), dtype=bool)
    if len(again):
        run_offsets = np.searchsorted(rows, again >> (title_bits + RUN_BITS))
        first[run_offsets + (again & MOST_RUNS) - 1] = False
    return first


def _logit_codes(world: World, viewers: Viewers, rows: NDArray, titles: NDArray) -> NDArray[np.int16]:
    effects, catalogue = world.config.continuation, world.titles
    match_steps = (
        _matches(viewers.tastes, catalogue.tag_masks, rows, titles) * int(steps(effects.per_taste_match))
    ) >> TASTE_BITS
    fixed = steps(effects.intercept - effects.per_taste_match * catalogue.mean_match) + LOGIT_CODES // 2
    codes = (
        world.viewer_tables.logit_steps[viewers.bins[rows]]
        + catalogue.logit_steps[titles]
        + match_steps
        + fixed
    )
    # Far enough from the ends that what an episode adds stays within the tables.
    return np.clip(codes, LOGIT_CODES // 4, LOGIT_CODES * 3 // 4).astype(np.int16)


def _matches(
    tastes: NDArray[np.uint8], tag_masks: NDArray[np.uint8], rows: NDArray, titles: NDArray
) -> NDArray[np.int64]:
    """Each viewer's taste for the tags of the title, summed, in 64ths.

    Eight tags go in a 64-bit word. No sum exceeds 64, so the bytes don't run over, and the product with
    0x0101... adds them up in the highest one.
    """
    sums = np.zeros(len(rows), dtype=np.uint64)
    for taste_words, mask_words in zip(_words_of_eight(tastes), _words_of_eight(tag_masks), strict=True):
        sums += taste_words[rows] & mask_words[titles]
    return ((sums * np.uint64(0x0101010101010101)) >> np.uint64(56)).view(np.int64)


def _words_of_eight(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """n x k to k / 8 x n, k rounded up."""
    padding = np.zeros((len(rows), -rows.shape[1] % 8), dtype=np.uint8)
    return np.ascontiguousarray(np.hstack([rows, padding]).view(np.uint64).T)


def _completion_tables(step_sums: NDArray[np.int32]) -> NDArray[np.int32]:
    levels = (step_sums + COMPLETION_LEVEL_STEPS // 2) // COMPLETION_LEVEL_STEPS + COMPLETION_LEVELS // 2
    return np.clip(levels, 0, COMPLETION_LEVELS - 1) << SMALL_BITS
