"""What the whole log tells of each title's quality, midnight by midnight: belief propagation.

Viewers' engagement and titles' quality are the nodes of a graph, runs (a viewer watching a title) its edges.
The views of a run are summed up as a Gaussian in engagement, quality and taste match around what is believed
of the three, by the expected slope and curvature of their log-likelihood (Opper and Archambeau, Neural
Computation 21, 2009). Its messages to title and viewer are that Gaussian with the others integrated out under
their cavity beliefs (Minka, UAI 2001). A viewer's belief is kept on quadrature nodes, because its prior is no
Gaussian, and starts and silence weigh it, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.clock import Clock
from ml.ceiling.completions import LEVEL_STEP, LEVELS, completion_table
from ml.ceiling.known import Known, known_at
from ml.ceiling.lives import Lives, lives_at
from ml.ceiling.log import Log
from ml.ceiling.parameters import Parameters
from ml.ceiling.tastes import Tastes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# The first midnight starts from the priors, each later one from the beliefs of the one before.
FIRST_SWEEPS, LATER_SWEEPS = 10, 1
LEAST_PRECISION = 0.3  # of a cavity: well below that of any prior
LEAST_VARIANCE = 1e-3
# Runs whose tastes are averaged at a time.
BLOCK_RUNS = 10_000


@dataclass(frozen=True)
class Gaussians:
    """Independent Gaussians by precision and precision * mean, arrays of one shape."""

    precision: Floats
    shift: Floats

    @property
    def mean(self) -> Floats:
        return self.shift / self.precision

    def at(self, rows: Integers) -> "Gaussians":
        return Gaussians(self.precision[rows], self.shift[rows])

    def without(self, message: "Gaussians") -> "Gaussians":
        """The belief without one of its messages: the cavity."""
        precision = np.maximum(self.precision - message.precision, LEAST_PRECISION)
        return Gaussians(precision, self.shift - message.shift)


@dataclass(frozen=True)
class Edges:
    """What the views of each run tell of engagement e and quality q, the match integrated out: (r,) each.

    A log-likelihood of -(ee e² + 2 eq e q + qq q²) / 2 + e_shift e + q_shift q; and the match given e and q,
    of mean match_at - match_e e - match_q q.
    """

    ee: Floats
    eq: Floats
    qq: Floats
    e_shift: Floats
    q_shift: Floats
    match_at: Floats
    match_e: Floats
    match_q: Floats

    def to_quality(self, engagement: Gaussians) -> Gaussians:
        """The message to the title, under a belief on the viewer."""
        share = self.eq / (self.ee + engagement.precision)
        return Gaussians(self.qq - share * self.eq, self.q_shift - share * (self.e_shift + engagement.shift))

    def to_engagement(self, quality: Gaussians) -> Gaussians:
        """The message to the viewer, under a belief on the title."""
        share = self.eq / (self.qq + quality.precision)
        return Gaussians(self.ee - share * self.eq, self.e_shift - share * (self.q_shift + quality.shift))


class Beliefs:
    """Beliefs on all u viewers and t titles of a log, carried on from midnight to midnight.

    Attributes:
        titles: (t,) quality.
        viewers: (u,) engagement, in standard deviations: the moments of `viewer_weights`.
        viewer_weights: (u, e) posterior on the nodes of engagement.
    """

    def __init__(
        self, log: Log, parameters: Parameters, clock: Clock, tastes: Tastes, repeats: Floats
    ) -> None:
        """`repeats`: as `lives_at` has it."""
        self._log, self._parameters, self._clock = log, parameters, clock
        self._tastes, self._repeats = tastes, repeats
        table = completion_table(parameters)
        self._completion_slopes = np.gradient(table, LEVEL_STEP, axis=0)
        self._completion_curvatures = (np.exp(table) * self._completion_slopes**2).sum(axis=1)
        self._nodes, self._log_prior = parameters.engagement_prior()
        runs, viewers = len(log.run_viewers), len(log.user_ids)
        self._prior = Gaussians(1 / log.quality_variances, log.quality_means / log.quality_variances)
        self._to_titles = self._to_viewers = Gaussians(np.zeros(runs), np.zeros(runs))
        self.titles = self._prior
        self.viewers = Gaussians(np.ones(viewers), np.zeros(viewers))
        self.viewer_weights = np.tile(np.exp(self._log_prior), (viewers, 1))
        # Of the taste match of each run: what choices tell, and what is believed of it.
        self._match_priors = Gaussians(np.ones(runs), np.zeros(runs))
        self._matches = np.zeros(runs)
        self._choice_sums = np.zeros((viewers, tastes.matches.shape[1]), dtype=np.float32)
        self._is_begun = np.zeros(runs, dtype=bool)

    def advance(self, midnight: float) -> None:
        """Take in all that was known at `midnight`, which is later than any before."""
        known = known_at(self._log, midnight)
        is_first = not self._is_begun.any()
        self._learn_tastes(known.runs)
        lives = lives_at(self._log, self._parameters, self._clock, self._repeats, known)
        shares = self._seen_shares(known, lives)
        for _ in range(FIRST_SWEEPS if is_first else LATER_SWEEPS):
            self._sweep(known, lives, shares)

    def titles_without_own(self) -> Gaussians:
        """(r,) quality of each run's title, as all but the run itself shows it."""
        return self.titles.at(self._log.run_titles).without(self._to_titles)

    def _learn_tastes(self, known_runs: Integers) -> None:
        """Match of a viewer's runs, given all titles chosen so far."""
        log = self._log
        new = known_runs[~self._is_begun[known_runs]]
        self._is_begun[new] = True
        np.add.at(self._choice_sums, log.run_viewers[new], self._tastes.choices[log.run_titles[new]])
        has_news = np.zeros(len(log.user_ids), dtype=bool)
        has_news[log.run_viewers[new]] = True
        changed = known_runs[has_news[log.run_viewers[known_runs]]]
        for block in np.array_split(changed, len(changed) // BLOCK_RUNS + 1):
            logs = self._choice_sums[log.run_viewers[block]]
            weights = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
            weights /= weights.sum(axis=1, keepdims=True)
            matches = self._tastes.matches[log.run_titles[block]]
            means = np.einsum("rd,rd->r", weights, matches).astype(np.float64)
            squares = np.einsum("rd,rd->r", weights, matches**2)
            precision = 1 / np.maximum(squares - means**2, LEAST_VARIANCE)
            self._match_priors.precision[block] = precision
            self._match_priors.shift[block] = precision * means
        self._matches[new] = self._match_priors.mean[new]

    def _seen_shares(self, known: Known, lives: Lives) -> Floats:
        """(s, k) of the recent views: if one follows and the viewer leaves in a span, P(it is seen)."""
        log, views = self._log, known.views[known.recent]
        until = lives.instants[log.run_viewers[log.runs[views]]]
        starts, ends, seconds = (
            values[views, None] for values in (log.starts, log.ends, log.episode_seconds)
        )
        return self._clock.seen_share(starts, ends, seconds, until)

    def _sweep(self, known: Known, lives: Lives, shares: Floats) -> None:
        """Messages along every run, once to its title and once back."""
        log = self._log
        p, shrinkage = self._expected_chances(known)
        seen_shares, life = self._hear_silence(known, lives, shares, p)
        edges = self._sum_up(known, p, shrinkage, seen_shares)
        self._to_titles = edges.to_quality(self.viewers.at(log.run_viewers).without(self._to_viewers))
        titles = len(log.quality_means)
        self.titles = Gaussians(
            self._prior.precision + np.bincount(log.run_titles, self._to_titles.precision, titles),
            self._prior.shift + np.bincount(log.run_titles, self._to_titles.shift, titles),
        )
        self._to_viewers = edges.to_engagement(self.titles_without_own())
        self._update_viewers(life)
        engagement, quality = self.viewers.mean[log.run_viewers], self.titles.mean[log.run_titles]
        self._matches = edges.match_at - edges.match_e * engagement - edges.match_q * quality

    def _expected_chances(self, known: Known) -> tuple[Floats, Floats]:
        """(n,) P(the viewer goes on) of each known view under the beliefs, and by how much their spread
        flattens its logit (MacKay, Neural Computation 4, 1992)."""
        log, (on_e, on_q, on_m) = self._log, self._parameters.on_logit
        viewers, titles = self.viewers.at(log.run_viewers), self.titles.at(log.run_titles)
        centres = on_e * viewers.mean + on_q * titles.mean + on_m * self._matches
        variances = on_m**2 / self._match_priors.precision
        variances += on_e**2 / viewers.precision + on_q**2 / titles.precision
        runs = log.runs[known.views]
        shrinkage = (1 / np.sqrt(1 + np.pi / 8 * variances))[runs]
        return special.expit(shrinkage * (centres[runs] + log.offsets[known.views])), shrinkage

    def _hear_silence(self, known: Known, lives: Lives, shares: Floats, p: Floats) -> tuple[Floats, Floats]:
        """(n,) P(a next view would have been seen), and (u, e) what the viewers' lives tell of engagement."""
        viewers = self._log.run_viewers[self._log.runs[known.views[known.recent]]]
        unseen = np.zeros((len(self._log.user_ids), shares.shape[1]))
        np.add.at(unseen, viewers, np.log1p(-p[known.recent, None] * shares))
        life, chances = lives.weigh(unseen, self.viewer_weights)
        seen_shares = np.ones(len(known.views))
        seen_shares[known.recent] = (chances[viewers] * shares).sum(axis=1)
        return seen_shares, life

    def _sum_up(self, known: Known, p: Floats, shrinkage: Floats, seen_shares: Floats) -> Edges:
        """The views of each run as a Gaussian around what is believed."""
        log, runs = self._log, self._log.runs[known.views]
        on_logit, on_completion = self._parameters.on_logit, self._parameters.on_completion
        slopes, curvatures = _outcome_slopes(p, known.continued, seen_shares)
        has_next = log.has_next[known.views]
        count = len(log.run_viewers)
        slope = np.bincount(runs, slopes * has_next, count)
        curvature = np.bincount(runs, shrinkage * curvatures * has_next, count)
        here = np.array([self.viewers.mean[log.run_viewers], self.titles.mean[log.run_titles], self._matches])
        levels = np.tensordot(on_completion, here, 1)[runs]
        cells = np.clip(np.rint((levels - LEVELS[0]) / LEVEL_STEP), 0, len(LEVELS) - 1).astype(np.int64)
        level_slope = np.bincount(runs, self._completion_slopes[cells, log.completions[known.views]], count)
        level_curvature = np.bincount(runs, self._completion_curvatures[cells], count)
        # (3, 3, r) and (3, r): precision and shift in engagement, quality and match.
        precision = np.multiply.outer(np.outer(on_logit, on_logit), curvature)
        precision += np.multiply.outer(np.outer(on_completion, on_completion), level_curvature)
        shift = np.outer(on_logit, slope) + np.outer(on_completion, level_slope)
        shift += np.einsum("abr,br->ar", precision, here)
        return _without_match(precision, shift, self._match_priors)

    def _update_viewers(self, life: Floats) -> None:
        log, count = self._log, len(self._log.user_ids)
        shift = np.bincount(log.run_viewers, self._to_viewers.shift, count)
        precision = np.bincount(log.run_viewers, self._to_viewers.precision, count)
        logs = self._log_prior + life + np.outer(shift, self._nodes) - np.outer(precision, self._nodes**2 / 2)
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        self.viewer_weights = weights / weights.sum(axis=1, keepdims=True)
        mean = self.viewer_weights @ self._nodes
        variance = np.maximum(self.viewer_weights @ self._nodes**2 - mean**2, LEAST_VARIANCE)
        self.viewers = Gaussians(1 / variance, mean / variance)


def _outcome_slopes(p: Floats, continued: NDArray[np.bool_], seen_shares: Floats) -> tuple[Floats, Floats]:
    """Slope and curvature (its sign turned) in the logit, of log p after a view that was followed by the next
    one, else of log(1 - share * p)."""
    spread = p * (1 - p)
    unseen = 1 - seen_shares * p
    slopes = np.where(continued, 1 - p, -seen_shares * spread / unseen)
    bends = seen_shares * spread * ((1 - 2 * p) * unseen + seen_shares * spread) / unseen**2
    return slopes, np.where(continued, spread, np.maximum(bends, 0.0))


def _without_match(precision: Floats, shift: Floats, priors: Gaussians) -> Edges:
    """Integrate the match out of (3, 3, r) and (3, r) under its priors."""
    (ee, eq, em), (_, qq, qm), (_, _, mm) = precision
    whole = mm + priors.precision
    match_at, match_e, match_q = (shift[2] + priors.shift) / whole, em / whole, qm / whole
    return Edges(
        ee=ee - em * match_e,
        eq=eq - em * match_q,
        qq=qq - qm * match_q,
        e_shift=shift[0] - em * match_at,
        q_shift=shift[1] - qm * match_at,
        match_at=match_at,
        match_e=match_e,
        match_q=match_q,
    )
