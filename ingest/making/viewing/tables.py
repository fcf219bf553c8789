"""The model's distributions as lookup tables, made once a run.

Draws look up quantiles by 12 to 16 random bits, and logits are whole multiples of 1/256, so that no row
passes through exp, log or a sum of floats whose last bits differ between processors. What the tables hold is
rounded well above those last bits.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ingest.making.viewing.config import CompletionConfig, Config, GapConfig, RhythmConfig, ViewerConfig

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

LOGIT_STEPS = 256  # per unit
LOGIT_CODES = 8192  # logits from -16 to just below +16
TABLE_BITS = 12  # of most tables
SMALL_BITS = 10  # of those that views look up: they stay in a processor's cache
FINE_BITS = 16  # of exponentials, and of shares decided by a threshold
SECOND_BITS = 14  # of the second of the day
HAZARD_LEVELS = 128
HAZARD_RANGE = (0.0004, 0.06)  # a day
COMPLETION_LEVELS = 16
COMPLETION_LEVEL_STEPS = 32  # logit steps between levels
COMPLETION_PARTS = 1000  # completion is a whole number of thousandths
DAY = 86_400
HALF_HOUR = 1_800
WEEK = 7 * DAY
WEEK_BITS = 20  # operational time: a week of 2 ** 20 even ticks
WEEK_TICKS = 1 << WEEK_BITS
SEGMENT_BITS = 8
SEGMENT_TICKS = 1 << SEGMENT_BITS


def steps(logits: ArrayLike) -> NDArray[np.int64]:
    """Logits as whole multiples of 1/256."""
    return np.rint(np.asarray(logits, dtype=np.float64) * LOGIT_STEPS).astype(np.int64)


def midpoints(bits: int) -> Floats:
    """The middles of 2 ** bits equal parts of [0, 1]: where quantiles are taken."""
    return (np.arange(1 << bits) + 0.5) / (1 << bits)


def normal_quantiles(bits: int = FINE_BITS) -> Floats:
    return np.round(special.ndtri(midpoints(bits)), 9)


def share_table(shares: ArrayLike, bits: int = TABLE_BITS) -> NDArray[np.uint8]:
    """Category of each of 2 ** bits equally likely values, by (unnormalised) shares."""
    cumulative = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.searchsorted(cumulative / cumulative[-1], midpoints(bits)).astype(np.uint8)


def threshold(share: float, bits: int = FINE_BITS) -> int:
    """The number of `bits` bits below which a draw says yes with probability `share`."""
    return round(share * (1 << bits))


@dataclass(frozen=True)
class ViewerTables:
    """By engagement bin (4,096 equally likely): engagement, its logit and its rates."""

    engagement: Floats
    standard_engagement: Floats
    logit_steps: NDArray[np.int32]
    completion_steps: NDArray[np.int32]
    hazard_levels: NDArray[np.uint8]  # channels x bins
    title_ticks: Floats  # operational ticks between titles
    channels: NDArray[np.uint8]
    favourites: NDArray[np.uint8]
    taste_gammas: Floats
    signup_cuts: Floats  # position in the log at 4,097 even quantiles


@dataclass(frozen=True)
class EpisodeTables:
    """What one view needs."""

    thresholds: NDArray[np.uint32]  # by logit code: continue if 32 random bits are below it
    probabilities: NDArray[np.float32]  # by logit code: what the threshold means
    completions: NDArray[np.int16]  # levels x 1,024 quantiles, flat, in thousandths
    completion_steps: NDArray[np.int16]  # logit steps by thousandth of completion
    binge_threshold: int
    pauses: NDArray[np.int32]  # seconds
    later_days: NDArray[np.int32]  # weekdays x 1,024, flat: days on
    seconds_of_day: NDArray[np.int32]
    devices: NDArray[np.uint8]  # favourites x 256, flat
    stays: NDArray[
        np.float32
    ]  # hazard levels x weekdays x half hours, flat: P(viewer stays until the next start)


@dataclass(frozen=True)
class Calendar:
    """The log's days. Instants are whole seconds since the log's start; the week starts on Monday."""

    start_date: date
    days: int
    week_cuts: NDArray[np.int64]  # second of the week at 4,097 even steps of operational time

    @cached_property
    def end(self) -> int:
        return self.days * DAY

    @cached_property
    def weekdays(self) -> NDArray[np.int32]:
        """Weekday (Monday = 0) by day of the log."""
        return ((np.arange(self.days + 1) + self.start_date.weekday()) % 7).astype(np.int32)

    @cached_property
    def half_hours(self) -> NDArray[np.int32]:
        """Half hour of the week by half hour of the log."""
        per_day = DAY // HALF_HOUR
        return (self.weekdays[:, None] * per_day + np.arange(per_day, dtype=np.int32)).ravel()

    @cached_property
    def epoch_seconds(self) -> int:
        """The log's start in seconds since 1970."""
        start = datetime(self.start_date.year, self.start_date.month, self.start_date.day)
        return round((start - datetime(1970, 1, 1)).total_seconds())

    @cached_property
    def ticks(self) -> tuple[int, int]:
        """The log's start and end in operational time."""
        origin = self.start_date.weekday() * DAY
        return self._to_ticks(origin), self._to_ticks(origin + self.end)

    def from_ticks(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Seconds since the log's start at an operational time; never decreasing in it.

        An even process in operational time is a process with the daily and weekly rhythm in real time
        (the time change of an inhomogeneous Poisson process).
        """
        segments = (ticks >> SEGMENT_BITS) & ((1 << WEEK_BITS - SEGMENT_BITS) - 1)
        low, high = self.week_cuts[segments], self.week_cuts[segments + 1]
        within = low + ((high - low) * (ticks & (1 << SEGMENT_BITS) - 1) >> SEGMENT_BITS)
        return (ticks >> WEEK_BITS) * WEEK + within - self.start_date.weekday() * DAY

    def _to_ticks(self, second: int) -> int:
        week, rest = divmod(second, WEEK)
        within = np.interp(rest, self.week_cuts, np.arange(len(self.week_cuts)) * SEGMENT_TICKS)
        return week * WEEK_TICKS + round(float(within))


def make_calendar(rhythm: RhythmConfig, start_date: date, days: int) -> Calendar:
    weights = np.outer(rhythm.weekdays, rhythm.hours).ravel()
    cumulative = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    even = np.linspace(0, 1, WEEK_TICKS // SEGMENT_TICKS + 1)
    cuts = np.rint(np.interp(even, cumulative, np.arange(len(weights) + 1) * 3_600))
    return Calendar(start_date, days, cuts.astype(np.int64))


def exponential_quantiles() -> Floats:
    """Quantiles of the exponential distribution with mean 1, by 16 bits."""
    return np.round(-np.log1p(-midpoints(FINE_BITS)), 9)


def hazard_levels() -> Floats:
    """The hazards a viewer can have, a day: evenly spaced on the log scale, so that each has its table."""
    low, high = np.log(HAZARD_RANGE)
    return np.round(np.exp(np.linspace(low, high, HAZARD_LEVELS)), 9)


def make_viewer_tables(config: Config) -> ViewerTables:
    viewers, channels = config.viewers, config.channels
    engagement = _beta_quantiles(viewers.engagement_alpha, viewers.engagement_beta, midpoints(TABLE_BITS))
    standard = _standardise(engagement, viewers)
    hazards = config.leaving.hazard_per_day * np.exp(-config.leaving.log_ratio_per_sd * standard)
    levels = np.outer(channels.hazard_ratios, hazards)
    low, high = np.log(HAZARD_RANGE)
    levels = np.rint((np.log(levels) - low) / (high - low) * (HAZARD_LEVELS - 1))
    titles_per_day = config.starts.titles_per_day * np.exp(config.starts.log_ratio_per_sd * standard)
    gammas = special.gammaincinv(viewers.taste_concentration, midpoints(TABLE_BITS))
    cuts = np.arange((1 << TABLE_BITS) + 1) / (1 << TABLE_BITS)
    return ViewerTables(
        engagement=engagement,
        standard_engagement=standard,
        logit_steps=steps(config.continuation.per_sd_engagement * standard).astype(np.int32),
        completion_steps=steps(config.completion.per_sd_engagement * standard).astype(np.int32),
        hazard_levels=np.clip(levels, 0, HAZARD_LEVELS - 1).astype(np.uint8),
        title_ticks=np.round(WEEK_TICKS / 7 / titles_per_day, 3),
        channels=share_table(channels.shares),
        favourites=share_table(config.devices.shares),
        taste_gammas=np.round(gammas, 9) + 1e-9,  # so that their sum is never zero
        signup_cuts=_beta_quantiles(viewers.signup_alpha, viewers.signup_beta, cuts),
    )


def make_episode_tables(config: Config) -> EpisodeTables:
    effects = config.continuation
    logits = (np.arange(LOGIT_CODES) - LOGIT_CODES // 2) / LOGIT_STEPS
    completion = np.arange(COMPLETION_PARTS + 1) / COMPLETION_PARTS
    pauses = _pauses(config.gaps)
    later_days = _later_days(config.gaps, config.rhythm)
    seconds_of_day = _seconds_of_day(config.rhythm)
    thresholds = np.rint(special.expit(logits) * 2**32)
    return EpisodeTables(
        thresholds=thresholds.astype(np.uint32),
        probabilities=(thresholds / 2**32).astype(np.float32),
        completions=_completions(config.completion),
        completion_steps=steps(effects.per_completion * (completion - effects.completion_centre)).astype(
            np.int16
        ),
        binge_threshold=threshold(config.gaps.binge_share),
        pauses=pauses,
        later_days=later_days,
        seconds_of_day=seconds_of_day,
        devices=_devices(config),
        stays=_stays(config, pauses, later_days, seconds_of_day),
    )


def _beta_quantiles(alpha: ArrayLike, beta: ArrayLike, at: Floats) -> Floats:
    return np.round(special.betaincinv(alpha, beta, at), 6)


def _standardise(engagement: Floats, viewers: ViewerConfig) -> Floats:
    alpha, beta = viewers.engagement_alpha, viewers.engagement_beta
    mean = alpha / (alpha + beta)
    variance = mean * (1 - mean) / (alpha + beta + 1)
    return np.round((engagement - mean) / np.sqrt(variance), 6)


def _completions(completion: CompletionConfig) -> NDArray[np.int16]:
    offsets = (np.arange(COMPLETION_LEVELS) - COMPLETION_LEVELS // 2) * COMPLETION_LEVEL_STEPS / LOGIT_STEPS
    means = special.expit(completion.mean_logit + offsets)[:, None]
    quantiles = special.betaincinv(
        means * completion.precision, (1 - means) * completion.precision, midpoints(SMALL_BITS)[None, :]
    )
    return np.rint(quantiles * COMPLETION_PARTS).astype(np.int16).ravel()


def _pauses(gaps: GapConfig) -> NDArray[np.int32]:
    exponential = -np.log1p(-midpoints(SMALL_BITS)) * gaps.pause_mean_seconds
    return (gaps.pause_minimum_seconds + np.rint(exponential)).astype(np.int32)


def _later_days(gaps: GapConfig, rhythm: RhythmConfig) -> NDArray[np.int32]:
    """Days on to the next episode, by weekday of this one: far ones are rare, busy days likely."""
    ahead = np.arange(1, len(gaps.day_weights) + 1)
    weekdays = np.asarray(rhythm.weekdays)
    tables = [
        share_table(gaps.day_weights * weekdays[(weekday + ahead) % 7], SMALL_BITS) for weekday in range(7)
    ]
    return np.concatenate(tables).astype(np.int32) + 1


def _seconds_of_day(rhythm: RhythmConfig) -> NDArray[np.int32]:
    cumulative = np.concatenate([[0.0], np.cumsum(rhythm.hours)]) / np.sum(rhythm.hours)
    seconds = np.interp(midpoints(SECOND_BITS), cumulative, np.arange(25) * 3_600)
    return np.floor(np.round(seconds, 6)).astype(np.int32)


def _devices(config: Config) -> NDArray[np.uint8]:
    """By favourite and 8 bits: the favourite, or any device by share."""
    tables = []
    for favourite in range(len(config.devices.names)):
        shares = (1 - config.devices.favourite_share) * np.asarray(config.devices.shares)
        shares[favourite] += config.devices.favourite_share
        tables.append(share_table(shares, bits=8))
    return np.concatenate(tables)


def _stays(
    config: Config, pauses: Integers, later_days: Integers, seconds_of_day: Integers
) -> NDArray[np.float32]:
    """E[exp(-hazard * gap)], the probability not to leave before the next start, by hazard level, weekday and
    half hour of this start: the hazard is constant, so it does not matter how long the viewer is here."""
    hazards = hazard_levels()[:, None, None]
    usual_watch = special.expit(config.completion.mean_logit) * config.titles.default_seconds["TV"]
    binge = np.exp(-hazards * (usual_watch + pauses.mean()) / DAY)
    days = np.arange(1, len(config.gaps.day_weights) + 1)
    shares = (later_days.reshape(7, -1, 1) == days).mean(axis=1)
    on_days = (np.exp(-hazards * days) * shares).sum(axis=2, keepdims=True)
    # Every 16th quantile of the second of the day is as good as all of them, and quicker.
    until_second = np.exp(-hazards * seconds_of_day[8::16] / DAY).mean(axis=2, keepdims=True)
    half_hours = (np.arange(DAY // HALF_HOUR) + 0.5) * HALF_HOUR / DAY
    later = on_days * until_second * np.exp(hazards * half_hours)
    share = config.gaps.binge_share
    return np.round(share * binge + (1 - share) * later, 9).astype(np.float32).ravel()
