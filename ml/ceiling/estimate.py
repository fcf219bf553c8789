"""From the warehouse to the ceiling's probabilities."""

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ml.ceiling.clock import DAY, Clock
from ml.ceiling.log import Log, read_log
from ml.ceiling.parameters import NoCeilingError, Parameters, read_parameters
from ml.ceiling.tastes import Tastes, draw_tastes
from ml.ceiling.titles import Beliefs
from ml.ceiling.viewers import Qualities, ViewerPosterior

# Tastes drawn, as powers of two: to learn of titles, and of the sampled viewers.
TITLE_TASTE_BITS, VIEWER_TASTE_BITS = 8, 10
BLOCK_VIEWERS = 100
ROWS = """
select event_id, user_id
from marts.feat_next_episode
where split = 'test' and label is not null
order by event_id
"""


def ceiling_probabilities(
    connection: duckdb.DuckDBPyConnection, sample_viewers: int, seed: int
) -> pl.DataFrame:
    """The best probabilities of label 1 that anyone can give who sees the log only.

    Args:
        connection: to a warehouse with the marts and `truth.effects` of one simulated viewing log.
        sample_viewers: how many of the viewers with labelled test rows; all if there are fewer.
        seed: of the sample and of the draws; the same seed gives the same digits.

    Returns:
        `event_id`, `probability`: all labelled test rows of the sampled viewers, by event_id.

    Raises:
        NoCeilingError: the log is not simulated, `truth.effects` lacks a parameter, or there is no such row:
            the message says which.
    """
    parameters = read_parameters(connection)
    clock = Clock(parameters)
    log = read_log(connection, parameters, clock)
    rows = _sampled_rows(log, pl.DataFrame(connection.sql(ROWS).to_arrow_table()), sample_viewers, seed)
    # Sums in the order of one thread: the same digits on any number of processors.
    with threadpool_limits(1):
        probabilities = _estimate(log, parameters, clock, rows, seed)
    return pl.DataFrame({"event_id": log.event_ids[rows], "probability": probabilities}).sort("event_id")


def _sampled_rows(log: Log, labelled: pl.DataFrame, sample_viewers: int, seed: int) -> NDArray[np.int64]:
    """Views, ordered by viewer and end."""
    if labelled.is_empty():
        raise NoCeilingError("marts.feat_next_episode has no test row with a known label: load more days")
    users = labelled["user_id"].unique().sort().to_numpy()
    chosen = np.random.default_rng(seed).permutation(users)[:sample_viewers]
    events = labelled.filter(pl.col("user_id").is_in(chosen))["event_id"].to_numpy()
    rows = np.flatnonzero(np.isin(log.event_ids, events))
    if len(rows) < len(events):
        raise NoCeilingError(
            "marts.feat_next_episode has views that fct_episode_views has not: run `dbt build`"
        )
    return rows[np.lexsort((log.ends[rows], log.run_viewers[log.runs[rows]]))]


def _estimate(
    log: Log, parameters: Parameters, clock: Clock, rows: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    midnights = log.ends[rows] // DAY * DAY
    tastes = draw_tastes(parameters, log.has_tag, TITLE_TASTE_BITS, seed)
    repeats = repeat_shares(log, tastes, midnights.min())
    beliefs = Beliefs(log, parameters, clock, tastes, repeats)
    days = np.arange(midnights.min(), midnights.max() + 1, DAY)
    means, variances = np.empty((2, len(days), len(repeats)))
    for day, midnight in enumerate(tqdm(days, desc="ceiling: titles", unit="day", disable=None, leave=False)):
        beliefs.advance(midnight)
        titles = beliefs.titles_without_own()
        means[day], variances[day] = titles.mean, 1 / titles.precision
    tastes = draw_tastes(parameters, log.has_tag, VIEWER_TASTE_BITS, seed + 1)
    posterior = ViewerPosterior(log, parameters, clock, tastes, repeats)
    of_day = np.searchsorted(days, midnights)
    firsts = np.flatnonzero(np.diff(log.run_viewers[log.runs[rows]])) + 1
    blocks = np.split(np.arange(len(rows)), firsts[BLOCK_VIEWERS - 1 :: BLOCK_VIEWERS])
    progress = tqdm(blocks, desc="ceiling: viewers", unit="block", disable=None, leave=False)
    qualities = Qualities(means, variances)
    return np.concatenate(
        [posterior.probabilities(rows[block], of_day[block], qualities) for block in progress]
    )


def repeat_shares(log: Log, tastes: Tastes, now: float) -> NDArray[np.float64]:
    """(r,) share of its viewer's choices that would be the run's title again, by all begun before `now`."""
    known = log.ends[log.first_views] < now
    counts = np.bincount(log.run_titles[known], minlength=len(log.quality_means))
    return (counts / max(known.sum(), 1) * tastes.again())[log.run_titles]
