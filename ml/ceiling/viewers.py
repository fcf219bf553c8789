"""Each viewer's engagement and taste given what was known at a row, and the probability averaged over them.

Engagement is summed over its quadrature nodes, taste over draws from its prior, and the quality of each
title begun, under what all other viewers tell of it, over Gauss-Hermite nodes. Given engagement and taste the
runs of a viewer are independent, and of the taste a run sees its match alone: so each run is a cubic in that.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.clock import DAY, MOST_GAP_DAYS, Clock
from ml.ceiling.completions import LEVEL_STEP, LEVELS, completion_table
from ml.ceiling.lives import active_life
from ml.ceiling.log import Log
from ml.ceiling.parameters import Parameters
from ml.ceiling.tastes import Tastes

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
QUALITY_NODES = 5
# Chebyshev's points of [0, 1], through which the cubics go.
MATCH_NODES = (1 - np.cos((np.arange(4) + 0.5) * np.pi / 4)) / 2
CUBIC = len(MATCH_NODES)
# Logits at which a run's likelihood is tabulated.
LOGIT_STEP = 0.0625
LOGITS = np.arange(-9.0, 9.0 + LOGIT_STEP / 2, LOGIT_STEP)
# States of runs worked on at a time.
BLOCK_STATES = 500


@dataclass(frozen=True)
class Qualities:
    """What all but its own viewer tell of the title of each run: mean and variance, (midnights, r)."""

    means: Floats
    variances: Floats


@dataclass(frozen=True)
class Pairs:
    """Rows (of n), each with every run that its viewer had begun by then: p pairs, ordered by row.

    Attributes:
        rows, runs: (p,).
        lasts: (p,) the run's last view known at the row.
        is_own: (p,) whether that is the row's own view, whose outcome is asked for.
        is_settled: (p,) whether nothing can change any more.
    """

    rows: Integers
    runs: Integers
    lasts: Integers
    is_own: NDArray[np.bool_]
    is_settled: NDArray[np.bool_]


class ViewerPosterior:
    """The posterior of a log's viewers, and the probabilities that it gives."""

    def __init__(
        self, log: Log, parameters: Parameters, clock: Clock, tastes: Tastes, repeats: Floats
    ) -> None:
        """`repeats`: as `lives_at` has it."""
        self._log, self._parameters, self._clock = log, parameters, clock
        self._tastes, self._repeats = tastes, repeats
        self._nodes, self._log_prior = parameters.engagement_prior()
        self._completions = completion_table(parameters).T
        self._quality_roots, weights = special.roots_hermitenorm(QUALITY_NODES)
        self._quality_logs = np.log(weights / weights.sum())
        self._to_cubic = np.linalg.inv(np.vander(MATCH_NODES, increasing=True)).T
        self._ratios = np.unique(log.hazard_ratios)
        self._stays = clock.stay_probabilities(parameters.hazards(self._nodes, self._ratios))

    def probabilities(self, rows: Integers, days: Integers, qualities: Qualities) -> Floats:
        """(n,) P(continued) of views of some viewers.

        Args:
            rows: (n,) views, ordered by viewer and end.
            days: (n,) the midnight before each row's end, as a row of `qualities`.
        """
        log = self._log
        pairs = self._pair(rows)
        # What is settled is worked out once, with what was known of the title then.
        keys = np.where(pairs.is_settled, -1, pairs.rows) + pairs.runs * (len(rows) + 1)
        _, firsts, states = np.unique(keys, return_index=True, return_inverse=True)
        likelihoods, chances = self._integrate_quality(rows, days, pairs, firsts, qualities)
        viewers = log.run_viewers[log.runs[rows]]
        channels = np.searchsorted(self._ratios, log.hazard_ratios[viewers])
        stays = self._stays[channels, :, self._clock.half_hours(log.starts[rows])]
        life = self._life(rows, pairs)
        result = np.empty(len(rows))
        edges = np.flatnonzero(np.diff(viewers, prepend=-1, append=-1))
        for first, last in pairwise(edges):
            low, high = np.searchsorted(pairs.rows, [first, last])
            mine = Pairs(
                pairs.rows[low:high] - first,
                *(part[low:high] for part in (pairs.runs, pairs.lasts, pairs.is_own, pairs.is_settled)),
            )
            of_mine = states[low:high]
            logs = self._log_weights(mine, likelihoods[of_mine], life[first:last])
            p = self._continue_chances(mine, chances[of_mine]) * stays[first:last, :, None]
            weights = np.exp(logs - logs.max(axis=(1, 2), keepdims=True))
            total = weights.sum(axis=(1, 2), dtype=np.float64)
            result[first:last] = (weights * p).sum(axis=(1, 2), dtype=np.float64) / total
        return result

    def _pair(self, rows: Integers) -> Pairs:
        log = self._log
        viewers = log.run_viewers[log.runs[rows]]
        first_runs = np.searchsorted(log.run_viewers, viewers)
        counts = np.searchsorted(log.run_viewers, viewers, side="right") - first_runs
        pair_rows = np.repeat(np.arange(len(rows)), counts)
        runs = np.arange(len(pair_rows)) + np.repeat(first_runs - np.cumsum(counts) + counts, counts)
        own, now = rows[pair_rows], log.ends[rows][pair_rows]
        is_own = log.runs[own] == runs
        # The views of a run end one after the other, so run and end order all views.
        origin, span = log.ends.min(), np.ptp(log.ends) + 1
        keys = log.runs * span + (log.ends - origin)
        lasts = np.where(is_own, own, np.searchsorted(keys, runs * span + (now - origin)) - 1)
        is_old = ~log.has_next[lasts] | (now - log.starts[lasts] > MOST_GAP_DAYS * DAY)
        is_known = lasts >= log.first_views[runs]
        parts = (pair_rows, runs, lasts, is_own, is_old & ~is_own)
        return Pairs(*(part[is_known] for part in parts))

    def _integrate_quality(
        self, rows: Integers, days: Integers, pairs: Pairs, chosen: Integers, qualities: Qualities
    ) -> tuple[Floats, Floats]:
        """Of s chosen pairs, by engagement, as cubics in the match, (s, e, 4) each: log-likelihood of what
        was seen of the run, and P(the viewer goes on after the last view)."""
        log, lasts, runs = self._log, pairs.lasts[chosen], pairs.runs[chosen]
        now, day = log.ends[rows][pairs.rows[chosen]], days[pairs.rows[chosen]]
        shares = self._clock.seen_share(log.starts[lasts], log.ends[lasts], log.episode_seconds[lasts], now)
        shares = np.where(pairs.is_settled[chosen], 1.0, shares) * (
            log.has_next[lasts] & ~pairs.is_own[chosen]
        )
        means, spreads = qualities.means[day, runs], np.sqrt(qualities.variances[day, runs])
        logits, completions, places = self._run_tables(lasts)
        on_e, on_q, on_m = self._parameters.on_logit
        level_e, level_q, _ = self._parameters.on_completion
        fixed = on_e * self._nodes[:, None, None] + on_m * MATCH_NODES[:, None]
        likelihoods, chances = np.empty((2, len(chosen), len(self._nodes), CUBIC))
        for block in np.array_split(np.arange(len(chosen)), len(chosen) // BLOCK_STATES + 1):
            quality = (means[block, None] + spreads[block, None] * self._quality_roots)[:, None, :]
            at = fixed + on_q * quality[:, None]
            levels = level_e * self._nodes[:, None] + level_q * quality
            logs = _interpolate(logits, places[block], at, LOGITS[0], LOGIT_STEP) + self._quality_logs
            logs += _interpolate(completions, places[block], levels, LEVELS[0], LEVEL_STEP)[:, :, None, :]
            p = special.expit(at + log.offsets[lasts[block], None, None, None])
            logs += np.log1p(-shares[block, None, None, None] * p)
            highest = logs.max(axis=3, keepdims=True)
            weights = np.exp(logs - highest)
            total = weights.sum(axis=3)
            likelihoods[block] = (np.log(total) + highest[..., 0]) @ self._to_cubic
            chances[block] = ((weights * p).sum(axis=3) / total) @ self._to_cubic
        return likelihoods, chances

    def _run_tables(self, lasts: Integers) -> tuple[Floats, Floats, Integers]:
        """Log-likelihoods of a run so far, and the row of them for each of `lasts`: that each view before was
        followed by the next, at each of `LOGITS`; and that of the completions, at each of `LEVELS`."""
        log, runs = self._log, np.unique(self._log.runs[lasts])
        counts = log.last_views[runs] - log.first_views[runs] + 1
        firsts = np.cumsum(counts) - counts
        views = np.arange(counts.sum()) + np.repeat(log.first_views[runs] - firsts, counts)
        continued = special.log_expit(LOGITS + log.offsets[views, None])
        logits = np.cumsum(continued, axis=0) - continued
        logits -= np.repeat(logits[firsts], counts, axis=0)
        seen = self._completions[log.completions[views]]
        completions = np.cumsum(seen, axis=0)
        completions -= np.repeat(completions[firsts] - seen[firsts], counts, axis=0)
        return logits, completions, np.searchsorted(views, lasts)

    def _life(self, rows: Integers, pairs: Pairs) -> Floats:
        """(n, e) log prior, and log-likelihood of the titles begun and of being there, by engagement."""
        log = self._log
        viewers = log.run_viewers[log.runs[rows]]
        firsts = np.full(len(rows), np.inf)
        np.minimum.at(firsts, pairs.rows, log.starts[log.first_views[pairs.runs]])
        now = self._clock.operational_days(log.starts[rows])
        begun = self._clock.operational_days(log.starts[log.first_views[pairs.runs]])
        lost = np.bincount(pairs.rows, self._repeats[pairs.runs] * (now[pairs.rows] - begun), len(rows))
        return self._log_prior + active_life(
            self._parameters,
            log.hazard_ratios[viewers],
            later_titles=np.bincount(pairs.rows, minlength=len(rows)) - 1,
            open_days=now - self._clock.operational_days(firsts) - lost,
            days_here=(log.starts[rows] - log.signups[viewers]) / DAY,
        )

    def _log_weights(self, pairs: Pairs, likelihoods: Floats, life: Floats) -> Singles:
        """(n, e, d) log posterior of engagement and taste at the n rows of one viewer."""
        runs, places = np.unique(pairs.runs, return_inverse=True)
        titles = self._log.run_titles[runs]
        shape = (len(life), len(self._nodes), len(runs) * CUBIC)
        terms = np.zeros((*shape[:2], len(runs), CUBIC), dtype=np.float32)
        terms[pairs.rows, :, places] = likelihoods
        is_begun = np.zeros((len(life), len(runs)), dtype=np.float32)
        is_begun[pairs.rows, places] = 1.0
        powers = _powers(self._tastes.matches[titles]).reshape(shape[2], -1)
        logs = terms.reshape(-1, shape[2]) @ powers
        choices = is_begun @ self._tastes.choices[titles]
        return logs.reshape(*shape[:2], -1) + choices[:, None, :] + life[:, :, None].astype(np.float32)

    def _continue_chances(self, pairs: Pairs, chances: Floats) -> Singles:
        """(n, e, d) P(the viewer goes on) after the rows of one viewer."""
        own = np.flatnonzero(pairs.is_own)
        matches = self._tastes.matches[self._log.run_titles[pairs.runs[own]]]
        return chances[own].astype(np.float32) @ _powers(matches)


def _powers(matches: Singles) -> Singles:
    """(n, d) to (n, 4, d): their powers 0 to 3."""
    return matches[:, None, :] ** np.arange(CUBIC, dtype=np.float32)[:, None]


def _interpolate(tables: Floats, rows: Integers, at: Floats, low: float, step: float) -> Floats:
    """tables[row] at the values `at`, (n, ...) for n rows; linear between columns, level beyond them."""
    width = tables.shape[1]
    places = np.clip((at - low) / step, 0, width - 1.001)
    cells = places.astype(np.int64)
    places -= cells
    cells += (rows * width).reshape(-1, *[1] * (at.ndim - 1))
    values = tables.ravel()
    left = values[cells]
    return left + places * (values[cells + 1] - left)
