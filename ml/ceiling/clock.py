"""When things happen: operational time, and how long after a view the next one starts."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.parameters import Parameters

DAY = 86_400
WEEK = 7 * DAY
HOUR = 3_600
HALF_HOUR = 1_800
MOST_GAP_DAYS = 14
# The week starts on Monday; 1970-01-01 was a Thursday.
EPOCH_SECOND_OF_WEEK = 3 * DAY
USUAL_EPISODE_SECONDS = 1_440

Floats = NDArray[np.float64]


class Clock:
    """The rhythm of starts and gaps. All instants are seconds since 1970."""

    def __init__(self, parameters: Parameters) -> None:
        self._size = parameters.size
        weights = np.outer(parameters.weekdays, parameters.hours).ravel()
        self._week_cuts = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum() * 7
        self._usual_completion = special.expit(parameters.size["completion_mean"])
        self._later = _later_shares(parameters)

    def operational_days(self, instants: Floats) -> Floats:
        """Days of operational time since some Monday: starts come evenly in it, seven days a week."""
        weeks, seconds = np.divmod(instants + EPOCH_SECOND_OF_WEEK, WEEK)
        return weeks * 7 + np.interp(seconds, np.arange(169) * HOUR, self._week_cuts)

    def seen_share(self, starts: Floats, ends: Floats, episode_seconds: Floats, until: Floats) -> Floats:
        """P(the next view is over by `until`), given that the viewer goes on with it and stays.

        How long the next view takes is set to its mean.
        """
        elapsed = until - starts - self._usual_completion * episode_seconds
        pause = elapsed - (ends - starts) - self._size["gap_pause_minimum"]
        binge = -np.expm1(-np.maximum(pause, 0.0) / self._size["gap_pause_mean"])
        hours = np.clip(elapsed / HOUR, 0, self._later.shape[1] - 1)
        low = np.minimum(hours.astype(np.int64), self._later.shape[1] - 2)
        cells = self.half_hours(starts)
        later = self._later[cells, low] * (low + 1 - hours) + self._later[cells, low + 1] * (hours - low)
        return self._size["gap_binge"] * binge + (1 - self._size["gap_binge"]) * later

    def stay_probabilities(self, hazards: Floats) -> Floats:
        """E[exp(-hazard * gap)], P(the viewer is still there at the next start), by half hour of the week of
        this start: (..., 336) for hazards a day of any shape."""
        watch = self._usual_completion * USUAL_EPISODE_SECONDS
        pause = watch + self._size["gap_pause_minimum"] + self._size["gap_pause_mean"]
        hours = np.arange(self._later.shape[1] - 1) + 0.5
        later = np.exp(-hazards[..., None] * hours / 24) @ np.diff(self._later, axis=1).T
        binge = np.exp(-hazards * pause / DAY)[..., None]
        return self._size["gap_binge"] * binge + (1 - self._size["gap_binge"]) * later

    def half_hours(self, instants: Floats) -> NDArray[np.int64]:
        """Half hour of the week, 0 to 335."""
        return ((instants + EPOCH_SECOND_OF_WEEK) % WEEK // HALF_HOUR).astype(np.int64)

    def is_weekend(self, instants: Floats) -> NDArray[np.bool_]:
        return (instants + EPOCH_SECOND_OF_WEEK) % WEEK >= 5 * DAY


def _later_shares(parameters: Parameters) -> Floats:
    """P(a next view on another day starts within so many hours), by half hour of the week of this start:
    (336, 337)."""
    cells = np.arange(WEEK // HALF_HOUR)
    weekdays, seconds = cells // 48, (cells % 48 + 0.5) * HALF_HOUR
    days = np.arange(1, len(parameters.gap_days) + 1)
    shares = parameters.gap_days * parameters.weekdays[(weekdays[:, None] + days) % 7]
    shares /= shares.sum(axis=1, keepdims=True)
    by_hour = np.concatenate([[0.0], np.cumsum(parameters.hours)]) / parameters.hours.sum()
    hours = np.arange(MOST_GAP_DAYS * 24 + 1)
    table = np.zeros((len(cells), len(hours)))
    for day, share in zip(days, shares.T, strict=True):
        second_of_day = hours * HOUR + seconds[:, None] - day * DAY
        table += share[:, None] * np.interp(second_of_day, np.arange(25) * HOUR, by_hour)
    return table
