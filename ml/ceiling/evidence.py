"""How likely what was seen is: completions, continuations, and silence."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.log import COMPLETION_PARTS, Log
from ml.ceiling.parameters import Parameters

Floats = NDArray[np.float64]
# Means of completion are tabulated on the logit scale, this far around the mean and so far apart.
REACH, STEP = 3.0, 0.125
LEVELS = np.arange(-REACH, REACH + STEP / 2, STEP)


def completion_table(parameters: Parameters) -> Floats:
    """Log-likelihood of a completion, (levels, thousandths): Beta, rounded to thousandths."""
    size = parameters.size
    means = special.expit(size["completion_mean"] + LEVELS)[:, None] * size["completion_precision"]
    edges = np.clip((np.arange(COMPLETION_PARTS + 2) - 0.5) / COMPLETION_PARTS, 0, 1)
    below = special.betainc(means, size["completion_precision"] - means, edges)
    above = special.betaincc(means, size["completion_precision"] - means, edges)
    # Near 1 the difference of the upper tails is the exact one.
    chances = np.where(edges[1:] < 0.5, np.diff(below, axis=1), -np.diff(above, axis=1))
    return np.log(np.maximum(chances, 1e-300))


class Silence:
    """What it tells of the viewers that nothing was seen of them since their last start.

    A silent viewer has left, at one of a few instants since, or is still there.
    """

    # Days after the last start; the last of them is open.
    EDGES = np.array([0.0, 0.05, 0.5, 1.5, 2.5, 4.0, 6.0, 9.0, 14.0])

    def __init__(self, log: Log, last_starts: Floats, now: float) -> None:
        silent_days = np.maximum(now - last_starts, 0.0)[:, None] / 86_400
        low = np.minimum(self.EDGES, silent_days)
        high = np.minimum(np.append(self.EDGES[1:], np.inf), silent_days)
        self.low, self.high = low, high
        # Of leaving in each span its middle stands for it; the last column is of not having left.
        middles = np.hstack([(low + high) / 2, silent_days])
        self.instants = last_starts[:, None] + middles * 86_400
        self.log = log

    def log_likelihoods(
        self, hazards: Floats, start_rates: Floats, idle_days: Floats, unseen: Floats
    ) -> Floats:
        """(u, k, e) log-likelihood of leaving in span k (or, last, not) and having been silent, by engagement.

        Args:
            hazards: (u, e) a day.
            start_rates: (e,) a day of operational time.
            idle_days: (u, k) operational days from the last start to `instants`.
            unseen: (u, k) log-probability that no view begun before goes on by then.
        """
        stayed = np.exp(-hazards[:, None, :] * self.low[:, :, None])
        leaving = stayed - np.exp(-hazards[:, None, :] * self.high[:, :, None])
        there = np.exp(-hazards * self.high[:, -1:])[:, None, :]
        chances = np.log(np.maximum(np.concatenate([leaving, there], axis=1), 1e-30))
        return chances - start_rates * idle_days[:, :, None] + unseen[:, :, None]
