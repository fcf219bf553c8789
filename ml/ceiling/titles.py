"""What the whole log tells of each title's quality, midnight by midnight: belief propagation.

Viewers' engagement and titles' quality are the nodes of a graph, runs (a viewer watching a title) its edges.
A run's views are summed up as a Gaussian in (engagement, quality, match) around what is believed of the three,
by the expected slope and curvature of their log-likelihood (Opper and Archambeau 2009); its messages are that
Gaussian with the other two integrated out under their cavity beliefs (Minka 2001). Engagement is kept on
quadrature nodes, because its prior is no Gaussian and silence weighs it, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.clock import DAY, MOST_GAP_DAYS, Clock
from ml.ceiling.evidence import LEVELS, STEP, Silence, completion_table
from ml.ceiling.log import Log
from ml.ceiling.parameters import Parameters
from ml.ceiling.tastes import Tastes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FIRST_SWEEPS, LATER_SWEEPS = 10, 2
LEAST_PRECISION = 0.3  # of a cavity: about a third of the priors'


@dataclass
class Gaussian:
    """Independent Gaussians as precision and precision * mean, arrays of one shape."""

    precision: Floats
    shift: Floats

    @property
    def mean(self) -> Floats:
        return self.shift / self.precision

    def without(self, other: "Gaussian") -> "Gaussian":
        precision = np.maximum(self.precision - other.precision, LEAST_PRECISION)
        return Gaussian(precision, self.shift - other.shift)


class Beliefs:
    """Beliefs on all viewers and titles, carried on from midnight to midnight.

    Attributes:
        to_titles, to_viewers: (r,) each run's messages.
        titles, viewers: (t,), (u,) beliefs of everything seen.
        viewer_weights: (u, e) posterior on the nodes of engagement.
    """

    def __init__(self, log: Log, parameters: Parameters, clock: Clock, tastes: Tastes) -> None:
        self.log, self.parameters, self.clock, self.tastes = log, parameters, clock, tastes
        size = parameters.size
        self._on_logit = [size[f"continue_{name}"] for name in ("engagement", "quality", "taste_match")]
        self._on_completion = [size[f"completion_{name}"] for name in ("engagement", "quality")]
        table = completion_table(parameters)
        self._slopes = np.gradient(table, STEP, axis=0)
        self._information = (np.exp(table) * self._slopes**2).sum(axis=1)
        self.nodes, self.log_prior = parameters.engagement_prior()
        runs, viewers = len(log.run_viewers), len(log.user_ids)
        self.prior = Gaussian(1 / log.quality_variances, log.quality_means / log.quality_variances)
        self.titles = Gaussian(self.prior.precision.copy(), self.prior.shift.copy())
        self.to_titles = Gaussian(np.zeros(runs), np.zeros(runs))
        self.to_viewers = Gaussian(np.zeros(runs), np.zeros(runs))
        self.viewers = Gaussian(np.ones(viewers), np.zeros(viewers))
        self.viewer_weights = np.tile(np.exp(self.log_prior), (viewers, 1))
        self.match_means, self.match_variances = np.zeros(runs), np.full(runs, 0.05)
        self._matches = np.zeros(runs)
        self._logit_variances = np.ones(runs)
        self._choice_sums = np.zeros((viewers, tastes.matches.shape[1]), dtype=np.float32)
        self._chosen = np.zeros(runs, dtype=bool)
        self._is_new = True

    def advance(self, midnight: float) -> None:
        """Take in what was known at `midnight`: views that were over before."""
        seen = self._see(midnight)
        self._learn_tastes(seen["runs"])
        for _ in range(FIRST_SWEEPS if self._is_new else LATER_SWEEPS):
            self._sweep(seen, midnight)
        self._is_new = False

    def titles_without_own(self) -> Gaussian:
        """(r,) what all but the run's own viewer tell of its title."""
        return _part(self.titles, self.log.run_titles).without(self.to_titles)

    def _see(self, midnight: float) -> dict[str, NDArray]:
        log = self.log
        views = np.flatnonzero(log.ends < midnight)
        runs = log.runs[views]
        viewers = log.run_viewers[runs]
        last_starts = log.signups.copy()
        np.maximum.at(last_starts, viewers, log.starts[views])
        continued = log.next_ends[views] < midnight
        stopped = np.flatnonzero(log.has_next[views] & ~continued)
        # Those whose next view would have begun before the viewer's last start are answered: with no.
        recent = stopped[log.starts[views[stopped]] > last_starts[viewers[stopped]] - MOST_GAP_DAYS * DAY]
        silence = Silence(log, last_starts, midnight)
        of, instants = views[recent], silence.instants[viewers[recent]]
        shares = self.clock.seen_share(
            log.starts[of][:, None], log.ends[of][:, None], log.episode_seconds[of][:, None], instants
        )
        is_known_run = np.zeros(len(log.run_viewers), dtype=bool)
        is_known_run[runs] = True
        known_runs = np.flatnonzero(is_known_run)
        first_starts = np.full(len(log.user_ids), np.inf)
        np.minimum.at(first_starts, log.run_viewers[known_runs], log.starts[log.first_views[known_runs]])
        first_starts = np.where(np.isfinite(first_starts), first_starts, log.signups)
        last_days = self.clock.operational_days(last_starts)
        seen_shares = np.ones(len(views))
        # The table ends at the gap's greatest length; what is a little below 1 there is the mean next view.
        seen_shares[recent] = shares[:, -1]
        return {
            "views": views, "runs": known_runs, "continued": continued, "seen_shares": seen_shares,
            "recent": recent, "shares": shares, "silence": silence,
            "idle_days": self.clock.operational_days(silence.instants) - last_days[:, None],
            "busy_days": last_days - self.clock.operational_days(first_starts),
            "days_here": (last_starts - log.signups) / DAY,
            "later_titles": np.maximum(np.bincount(log.run_viewers[known_runs], minlength=len(log.user_ids)) - 1, 0),
            "present": np.unique(viewers),
        }

    def _learn_tastes(self, known_runs: Integers) -> None:
        log = self.log
        new = known_runs[~self._chosen[known_runs]]
        if not len(new):
            return
        self._chosen[new] = True
        np.add.at(self._choice_sums, log.run_viewers[new], self.tastes.choices[log.run_titles[new]])
        viewers = np.unique(log.run_viewers[new])
        weights = np.zeros((len(log.user_ids), 1), dtype=np.float32)
        weights = np.exp(self._choice_sums[viewers] - self._choice_sums[viewers].max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        rows = np.full(len(log.user_ids), -1)
        rows[viewers] = np.arange(len(viewers))
        changed = known_runs[rows[log.run_viewers[known_runs]] >= 0]
        for block in np.array_split(changed, len(changed) // 10_000 + 1):
            w = weights[rows[log.run_viewers[block]]]
            matches = self.tastes.matches[log.run_titles[block]]
            means = np.einsum("rd,rd->r", w, matches)
            self.match_means[block] = means
            self.match_variances[block] = np.einsum("rd,rd->r", w, (matches - means[:, None]) ** 2) + 1e-4

    def _sweep(self, seen: dict, midnight: float) -> None:
        log = self.log
        views, known = seen["views"], seen["runs"]
        of_run = log.runs[views]
        run_viewers, run_titles = log.run_viewers[known], log.run_titles[known]
        engagement, quality = self.viewers.mean[run_viewers], self.titles.mean[run_titles]
        match = self._matches[known] if not self._is_new else self.match_means[known]
        on_e, on_q, on_m = self._on_logit
        centre = np.zeros(len(log.run_viewers))
        centre[known] = on_e * engagement + on_q * quality + on_m * match
        spread = np.zeros(len(log.run_viewers))
        spread[known] = (
            on_e**2 / self.viewers.precision[run_viewers]
            + on_q**2 / self.titles.precision[run_titles]
            + on_m**2 * self.match_variances[known]
        )
        shrink = 1 / np.sqrt(1 + np.pi / 8 * spread[of_run])
        p = special.expit(shrink * (centre[of_run] + log.offsets[views]))
        self._listen_to_silence(seen, p)
        slope, curvature = _outcome_slopes(p, shrink, seen["continued"], seen["seen_shares"], log.has_next[views])
        runs = len(log.run_viewers)
        g = np.bincount(of_run, slope, runs)[known]
        w = np.bincount(of_run, curvature, runs)[known]
        # completions
        c_e, c_q = self._on_completion
        level = np.zeros(runs)
        level[known] = c_e * engagement + c_q * quality
        cell = np.clip(np.rint((level[of_run] - LEVELS[0]) / STEP), 0, len(LEVELS) - 1).astype(np.int64)
        g2 = np.bincount(of_run, self._slopes[cell, log.completions[views]], runs)[known]
        w2 = np.bincount(of_run, self._information[cell], runs)[known]
        # joint Gaussian in (E, Q, M)
        ee = w * on_e**2 + w2 * c_e**2
        eq = w * on_e * on_q + w2 * c_e * c_q
        qq = w * on_q**2 + w2 * c_q**2
        em, qm, mm = w * on_e * on_m, w * on_q * on_m, w * on_m**2
        le = g * on_e + g2 * c_e + ee * engagement + eq * quality + em * match
        lq = g * on_q + g2 * c_q + eq * engagement + qq * quality + qm * match
        lm = g * on_m + em * engagement + qm * quality + mm * match
        tau = 1 / self.match_variances[known]
        pm, sm = mm + tau, lm + tau * self.match_means[known]
        ee, eq, qq = ee - em**2 / pm, eq - em * qm / pm, qq - qm**2 / pm
        le, lq = le - em * sm / pm, lq - qm * sm / pm
        # to titles, under the viewer's cavity
        cavity = _part(self.viewers, run_viewers).without(_part(self.to_viewers, known))
        self.to_titles.precision[known] = qq - eq**2 / (ee + cavity.precision)
        self.to_titles.shift[known] = lq - eq * (le + cavity.shift) / (ee + cavity.precision)
        titles = len(log.quality_means)
        self.titles = Gaussian(
            self.prior.precision + np.bincount(run_titles, self.to_titles.precision[known], titles),
            self.prior.shift + np.bincount(run_titles, self.to_titles.shift[known], titles),
        )
        # to viewers, under the title's cavity
        cavity = _part(self.titles, run_titles).without(_part(self.to_titles, known))
        self.to_viewers.precision[known] = ee - eq**2 / (qq + cavity.precision)
        self.to_viewers.shift[known] = le - eq * (lq + cavity.shift) / (qq + cavity.precision)
        self._update_viewers(known, run_viewers)
        self._matches[known] = (
            sm - em * self.viewers.mean[run_viewers] - qm * self.titles.mean[run_titles]
        ) / pm

    def _listen_to_silence(self, seen: dict, p: Floats) -> None:
        """Weigh engagement by starts, stays and silence; and by how much each recent view is answered."""
        log, parameters = self.log, self.parameters
        silence = seen["silence"]
        viewers = log.run_viewers[log.runs[seen["views"][seen["recent"]]]]
        shares = seen["shares"]
        unseen = np.zeros((len(log.user_ids), shares.shape[1]))
        np.add.at(unseen, viewers, np.log1p(-np.minimum(p[seen["recent"]][:, None] * shares, 1 - 1e-9)))
        hazards = log.hazard_ratios[:, None] * parameters.hazards(self.nodes, np.ones(1))
        rates = parameters.start_rates(self.nodes)
        spans = silence.log_likelihoods(hazards, rates, seen["idle_days"], unseen)
        highest = spans.max(axis=1, keepdims=True)
        weights = np.exp(spans - highest)
        total = weights.sum(axis=1)
        self._life = (
            np.log(total)
            + highest[:, 0]
            + seen["later_titles"][:, None] * np.log(rates)
            - seen["busy_days"][:, None] * rates
            - seen["days_here"][:, None] * hazards
        )
        chances = np.einsum("uke,ue->uk", weights / total[:, None, :], self.viewer_weights)
        seen["seen_shares"][seen["recent"]] = (chances[viewers] * shares).sum(axis=1)

    def _update_viewers(self, known: Integers, run_viewers: Integers) -> None:
        count = len(self.log.user_ids)
        shift = np.bincount(run_viewers, self.to_viewers.shift[known], count)
        precision = np.bincount(run_viewers, self.to_viewers.precision[known], count)
        logs = self.log_prior + self._life + np.outer(shift, self.nodes) - np.outer(precision, self.nodes**2) / 2
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        self.viewer_weights = weights
        mean = weights @ self.nodes
        variance = np.maximum(weights @ self.nodes**2 - mean**2, 1e-3)
        self.viewers = Gaussian(1 / variance, mean / variance)


def _part(beliefs: Gaussian, rows: Integers) -> Gaussian:
    return Gaussian(beliefs.precision[rows], beliefs.shift[rows])


def _outcome_slopes(p, shrink, continued, seen_shares, has_next):
    """Expected slope and curvature of each view's log-likelihood in its logit."""
    spread = p * (1 - p)
    unseen = np.maximum(1 - seen_shares * p, 1e-9)
    slope = np.where(continued, 1 - p, -seen_shares * spread / unseen)
    bend = seen_shares * spread * ((1 - 2 * p) * unseen + seen_shares * spread) / unseen**2
    curvature = shrink * np.where(continued, spread, np.maximum(bend, 0.0))
    # sign: d2/deta2 log(1 - F p) = -bend
    return slope * has_next, curvature * has_next
