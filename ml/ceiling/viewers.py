"""Each viewer's engagement and taste given what was known at a row, and the probability averaged over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.clock import DAY, MOST_GAP_DAYS, Clock
from ml.ceiling.evidence import LEVELS, STEP, completion_table
from ml.ceiling.log import Log
from ml.ceiling.parameters import Parameters
from ml.ceiling.tastes import Tastes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
QUALITY_NODES = 7
# In the taste match, everything is a cubic through these points: Chebyshev's of [0, 1].
MATCH_NODES = (1 - np.cos((np.arange(4) + 0.5) * np.pi / 4)) / 2
# Logits are tabulated so far from 0, so far apart.
LOGIT_REACH, LOGIT_STEP = 9.0, 0.0625


@dataclass(frozen=True)
class Qualities:
    """What all but its own viewer tell of the title of a run: mean and variance, (midnights, runs)."""

    means: Floats
    variances: Floats


class ViewerPosterior:
    """Posterior of the viewers of a log, and the probabilities that it gives."""

    def __init__(self, log: Log, parameters: Parameters, clock: Clock, tastes: Tastes) -> None:
        self.log, self.parameters, self.clock, self.tastes = log, parameters, clock, tastes
        size = parameters.size
        self._on_logit = [size[f"continue_{name}"] for name in ("engagement", "quality", "taste_match")]
        self._on_completion = [size[f"completion_{name}"] for name in ("engagement", "quality")]
        self.nodes, self.log_prior = parameters.engagement_prior()
        self._completions = completion_table(parameters).T
        roots, weights = special.roots_hermitenorm(QUALITY_NODES)
        self._quality_roots, self._quality_logs = roots, np.log(weights / weights.sum())
        self._to_cubic = np.linalg.inv(np.vander(MATCH_NODES, increasing=True))
        ratios = np.array(sorted(set(parameters.hazard_ratios.values())))
        self._ratios = ratios
        self._stays = clock.stay_probabilities(parameters.hazards(self.nodes, ratios))

    def probabilities(self, rows: Integers, days: Integers, qualities: Qualities) -> Floats:
        """P(continued) of the views `rows` of some viewers.

        Args:
            rows: (n,) views, ordered by viewer and end.
            days: (n,) the midnight before each, a row of `qualities`.
        """
        log = self.log
        pair_rows, pair_runs, lasts = self._known_runs(rows)
        now = log.ends[rows][pair_rows]
        is_own = lasts == rows[pair_rows]
        is_settled = ~is_own & (~log.has_next[lasts] | (now - log.starts[lasts] > MOST_GAP_DAYS * DAY))
        keys = np.where(is_settled, -1, pair_rows) + pair_runs * (len(rows) + 1)
        _, firsts, states = np.unique(keys, return_index=True, return_inverse=True)
        likelihoods, chances = self._integrate_quality(
            lasts[firsts],
            now[firsts],
            is_own[firsts],
            is_settled[firsts],
            qualities.means[days[pair_rows[firsts]], pair_runs[firsts]],
            qualities.variances[days[pair_rows[firsts]], pair_runs[firsts]],
        )
        life = self._life(rows, pair_rows, pair_runs)
        stays = self._stays[
            np.searchsorted(self._ratios, log.hazard_ratios[log.run_viewers[log.runs[rows]]]), :,
            self.clock.half_hours(log.starts[rows]),
        ]
        result = np.empty(len(rows))
        cuts = np.flatnonzero(np.diff(log.run_viewers[log.runs[rows]])) + 1
        for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            mine = slice(*np.searchsorted(pair_rows, [first, last]))
            result[first:last] = self._average(
                pair_rows[mine] - first, pair_runs[mine], likelihoods[states[mine]], is_own[mine],
                chances[states[mine]], life[first:last], stays[first:last],
            )
        return result

    def _known_runs(self, rows: Integers) -> tuple[Integers, Integers, Integers]:
        """Pairs of a row and a run that its viewer had begun by then, and the run's last view known then."""
        log = self.log
        viewers = log.run_viewers[log.runs[rows]]
        first_runs = np.searchsorted(log.run_viewers, viewers)
        counts = np.searchsorted(log.run_viewers, viewers, side="right") - first_runs
        pair_rows = np.repeat(np.arange(len(rows)), counts)
        pair_runs = np.arange(len(pair_rows)) - np.repeat(np.cumsum(counts) - counts - first_runs, counts)
        # Views of a run end one after the other.
        origin, span = log.ends.min(), np.ptp(log.ends) + 2
        keys = log.runs * span + (log.ends - origin)
        wanted = pair_runs * span + (log.ends[rows][pair_rows] - origin)
        lasts = np.searchsorted(keys, wanted) - 1
        lasts = np.where(log.runs[rows][pair_rows] == pair_runs, rows[pair_rows], lasts)
        is_known = lasts >= log.first_views[pair_runs]
        return pair_rows[is_known], pair_runs[is_known], lasts[is_known]

    def _integrate_quality(self, lasts, now, is_own, is_settled, means, variances):
        """Of each state of a run (its views up to `lasts`, at `now`), by engagement, as cubics in the taste
        match: log-likelihood of what was seen, and probability of going on after the last view."""
        log = self.log
        likelihoods = np.empty((len(lasts), len(self.nodes), 4))
        chances = np.empty_like(likelihoods)
        logits, completions, places = self._run_tables(lasts)
        shares = self.clock.seen_share(log.starts[lasts], log.ends[lasts], log.episode_seconds[lasts], now)
        shares = np.where(is_settled, 1.0, shares) * (log.has_next[lasts] & ~is_own)
        on_e, on_q, on_m = self._on_logit
        fixed = on_e * self.nodes[:, None, None] + on_m * MATCH_NODES[:, None]
        for block in np.array_split(np.arange(len(lasts)), len(lasts) // 500 + 1):
            quality = means[block, None] + np.sqrt(variances[block, None]) * self._quality_roots
            base = fixed + on_q * quality[:, None, None, :]
            level = self._on_completion[0] * self.nodes[:, None] + self._on_completion[1] * quality[:, None, :]
            seen = _interpolate(logits, places[block], base, -LOGIT_REACH, LOGIT_STEP)
            seen += _interpolate(completions, places[block], level, LEVELS[0], STEP)[:, :, None, :]
            p = special.expit(base + log.offsets[lasts[block], None, None, None])
            seen += np.log1p(-shares[block, None, None, None] * p) + self._quality_logs
            highest = seen.max(axis=3, keepdims=True)
            weights = np.exp(seen - highest)
            total = weights.sum(axis=3)
            likelihoods[block] = (np.log(total) + highest[..., 0]) @ self._to_cubic.T
            chances[block] = ((weights * p).sum(axis=3) / total) @ self._to_cubic.T
        return likelihoods, chances

    def _run_tables(self, lasts: Integers):
        """Tables of the runs: log-likelihood of the views before (all of them continued) by logit, and of the
        completions so far by level; and which row of them each state has."""
        log = self.log
        runs = np.unique(log.runs[lasts])
        counts = log.last_views[runs] - log.first_views[runs] + 1
        starts = np.cumsum(counts) - counts
        views = np.arange(counts.sum()) + np.repeat(log.first_views[runs] - starts, counts)
        grid = np.arange(-LOGIT_REACH, LOGIT_REACH + LOGIT_STEP / 2, LOGIT_STEP)
        yes = special.log_expit(grid + log.offsets[views, None])
        logits = np.cumsum(yes, axis=0) - yes
        logits -= np.repeat(logits[starts], counts, axis=0)
        own = self._completions[log.completions[views]]
        completions = np.cumsum(own, axis=0)
        completions -= np.repeat(completions[starts] - own[starts], counts, axis=0)
        return logits, completions, np.searchsorted(views, lasts)

    def _life(self, rows: Integers, pair_rows: Integers, pair_runs: Integers) -> Floats:
        """(n, e) log-likelihood of the titles begun by each row and of being there at it."""
        log, parameters = self.log, self.parameters
        viewers = log.run_viewers[log.runs[rows]]
        firsts = np.full(len(rows), np.inf)
        np.minimum.at(firsts, pair_rows, log.starts[log.first_views[pair_runs]])
        later = np.bincount(pair_rows, minlength=len(rows)) - 1
        busy = self.clock.operational_days(log.starts[rows]) - self.clock.operational_days(firsts)
        here = (log.starts[rows] - log.signups[viewers]) / DAY
        rates = parameters.start_rates(self.nodes)
        hazards = log.hazard_ratios[viewers, None] * parameters.hazards(self.nodes, np.ones(1))
        return self.log_prior + np.outer(later, np.log(rates)) - np.outer(busy, rates) - here[:, None] * hazards

    def _average(self, rows, runs, likelihoods, is_own, chances, life, stays) -> Floats:
        """The rows of one viewer."""
        distinct, places = np.unique(runs, return_inverse=True)
        titles = self.log.run_titles[distinct]
        powers = self.tastes.matches[titles][:, None, :] ** np.arange(4, dtype=np.float32)[:, None]
        n, e, r = len(life), len(self.nodes), len(distinct)
        terms = np.zeros((n, e, r, 4), dtype=np.float32)
        terms[rows, :, places] = likelihoods
        begun = np.zeros((n, r), dtype=np.float32)
        begun[rows, places] = 1.0
        logs = (terms.reshape(n * e, r * 4) @ powers.reshape(r * 4, -1)).reshape(n, e, -1)
        logs += life[:, :, None].astype(np.float32) + (begun @ self.tastes.choices[titles])[:, None, :]
        weights = np.exp(logs - logs.max(axis=(1, 2), keepdims=True))
        own = np.flatnonzero(is_own)
        p = chances[own].astype(np.float32) @ powers[places[own]]
        p *= stays[:, :, None]
        return (weights * p).sum(axis=(1, 2), dtype=np.float64) / weights.sum(axis=(1, 2), dtype=np.float64)


def _interpolate(tables: Floats, rows: Integers, at: Floats, low: float, step: float) -> Floats:
    """tables[row] at `at`, linear in between: (n, ...) for n rows."""
    width = tables.shape[1]
    scaled = np.clip((at - low) / step, 0, width - 1.001)
    cells = scaled.astype(np.int64)
    scaled -= cells
    cells += (rows * width).reshape(-1, *[1] * (at.ndim - 1))
    flat = tables.ravel()
    left = flat[cells]
    return left + scaled * (flat[cells + 1] - left)
