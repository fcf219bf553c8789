"""What the log shows at an instant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.ceiling.clock import DAY, MOST_GAP_DAYS
from ml.ceiling.log import Log

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """The n views that were over before an instant.

    Attributes:
        now: the instant.
        views: (n,) positions in the log.
        runs: (m,) runs they are of.
        continued: (n,) whether the next view was over, too.
        recent: (s,) positions among the n of those that may go on yet, or would have gone on unseen because
            their viewer has left. All others that did not continue have said no.
        first_starts, last_starts: (u,) of each viewer's views; inf and the sign-up where there is none.
    """

    now: float
    views: Integers
    runs: Integers
    continued: NDArray[np.bool_]
    recent: Integers
    first_starts: Floats
    last_starts: Floats


def known_at(log: Log, now: float) -> Known:
    """What was known at `now`, an instant in seconds since 1970."""
    views = np.flatnonzero(log.ends < now)
    viewers = log.run_viewers[log.runs[views]]
    first_starts, last_starts = np.full(len(log.user_ids), np.inf), np.minimum(log.signups, now)
    np.minimum.at(first_starts, viewers, log.starts[views])
    np.maximum.at(last_starts, viewers, log.starts[views])
    continued = log.next_ends[views] < now
    # A viewer who was there two weeks later did not go on.
    in_time = log.starts[views] > last_starts[viewers] - MOST_GAP_DAYS * DAY
    return Known(
        now=now,
        views=views,
        runs=np.flatnonzero(log.ends[log.first_views] < now),
        continued=continued,
        recent=np.flatnonzero(log.has_next[views] & ~continued & in_time),
        first_starts=first_starts,
        last_starts=last_starts,
    )
