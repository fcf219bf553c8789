"""What it tells of viewers when they began titles, that they stayed, and that they have been silent since.

Titles are begun in a Poisson process, viewers leave with a constant hazard; both rates follow engagement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.ceiling.clock import DAY, Clock
from ml.ceiling.known import Known
from ml.ceiling.log import Log
from ml.ceiling.parameters import Parameters

Floats = NDArray[np.float64]
# A silent viewer has left, in one of these spans of days since the last start, or is still there.
SPAN_DAYS = np.array([0.0, 0.05, 0.5, 1.5, 2.5, 4.0, 6.0, 9.0, 14.0, np.inf])


@dataclass(frozen=True)
class Lives:
    """u viewers at one instant; k spans of silence, the last of them not having left; e engagements.

    Attributes:
        instants: (u, k) until when the viewer could have been seen, if leaving in that span.
        until_last_start: (u, e) log-likelihood of all until the last start.
        spans: (u, k, e) log-likelihood of leaving in a span, and of beginning no title before.
    """

    instants: Floats
    until_last_start: Floats
    spans: Floats

    def weigh(self, unseen: Floats, viewer_weights: Floats) -> tuple[Floats, Floats]:
        """Log-likelihood of the whole life by engagement, and the posterior of the spans.

        Args:
            unseen: (u, k) log-probability that no view of before is followed by its next within a span.
            viewer_weights: (u, e) what is believed of engagement.

        Returns: (u, e) and (u, k).
        """
        logs = self.spans + unseen[:, :, None]
        highest = logs.max(axis=1, keepdims=True)
        weights = np.exp(logs - highest)
        total = weights.sum(axis=1)
        chances = np.einsum("uke,ue->uk", weights, viewer_weights / total)
        return self.until_last_start + np.log(total) + highest[:, 0], chances


def active_life(
    parameters: Parameters, ratios: Floats, later_titles: Floats, open_days: Floats, days_here: Floats
) -> Floats:
    """(n, e) log-likelihood of having begun so many titles after the first, and of not having left.

    Args:
        parameters: of the simulator.
        ratios: (n,) hazard ratios of the viewers' channels.
        later_titles: (n,) counts.
        open_days: (n,) days of operational time in which they could be begun.
        days_here: (n,) since the sign-up.
    """
    engagement, _ = parameters.engagement_prior()
    rates = parameters.start_rates(engagement)
    begun = np.outer(later_titles, np.log(rates)) - np.outer(open_days, rates)
    return begun - days_here[:, None] * parameters.hazards(engagement, ratios)


def lives_at(log: Log, parameters: Parameters, clock: Clock, repeats: Floats, known: Known) -> Lives:
    """The lives of all viewers as `known` shows them.

    Args:
        repeats: (r,) share of its viewer's choices that would be this run's title again, which isn't begun
            again and so not seen.
    """
    runs, count = known.runs, len(log.user_ids)
    viewers = log.run_viewers[runs]
    last = clock.operational_days(known.last_starts)
    first = clock.operational_days(np.minimum(known.first_starts, known.last_starts))
    begun = clock.operational_days(log.starts[log.first_views[runs]])
    lost = np.bincount(viewers, repeats[runs] * (last[viewers] - begun), count)
    until_last_start = active_life(
        parameters,
        log.hazard_ratios,
        later_titles=np.maximum(np.bincount(viewers, minlength=count) - 1, 0),
        open_days=last - first - lost,
        days_here=np.maximum(known.last_starts - log.signups, 0) / DAY,
    )
    silent = (known.now - known.last_starts)[:, None] / DAY
    edges = np.minimum(SPAN_DAYS, silent)
    middles = np.hstack([(edges[:, 1:] + edges[:, :-1]) / 2, silent])
    instants = known.last_starts[:, None] + middles * DAY
    new_share = 1 - np.bincount(viewers, repeats[runs], count)
    idle = (clock.operational_days(instants) - last[:, None]) * new_share[:, None]
    engagement, _ = parameters.engagement_prior()
    stayed = np.exp(-parameters.hazards(engagement, log.hazard_ratios)[:, None, :] * edges[:, :, None])
    chances = np.concatenate([-np.diff(stayed, axis=1), stayed[:, -1:]], axis=1)
    spans = np.log(np.maximum(chances, 1e-30)) - idle[:, :, None] * parameters.start_rates(engagement)
    return Lives(instants, until_last_start, spans)
