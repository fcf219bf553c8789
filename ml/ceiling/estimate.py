"""From the warehouse to the ceiling's probabilities."""

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ml.ceiling.clock import DAY, Clock
from ml.ceiling.log import Log, read_log
from ml.ceiling.parameters import Parameters, read_parameters
from ml.ceiling.tastes import draw_tastes
from ml.ceiling.titles import Beliefs
from ml.ceiling.viewers import Qualities, ViewerPosterior

TITLE_TASTE_BITS, VIEWER_TASTE_BITS = 8, 10
BLOCK_VIEWERS = 100
ROWS = """
select event_id, user_id from marts.feat_next_episode where split = 'test' and label is not null order by event_id
"""


def ceiling_probabilities(
    connection: duckdb.DuckDBPyConnection, sample_viewers: int, seed: int
) -> pl.DataFrame | str:
    parameters = read_parameters(connection)
    if isinstance(parameters, str):
        return parameters
    clock = Clock(parameters)
    log = read_log(connection, parameters, clock)
    if isinstance(log, str):
        return log
    labelled = pl.DataFrame(connection.sql(ROWS).to_arrow_table())
    rows = _sampled_rows(log, labelled, sample_viewers, seed)
    with threadpool_limits(1):
        return _estimate(log, parameters, clock, rows, seed)


def _sampled_rows(log, labelled, sample_viewers, seed):
    users = labelled["user_id"].unique().sort().to_numpy()
    chosen = np.sort(np.random.default_rng(seed).permutation(users)[:sample_viewers])
    events = labelled.filter(pl.col("user_id").is_in(chosen))["event_id"].to_numpy()
    order = np.argsort(log.event_ids)
    rows = order[np.searchsorted(log.event_ids, events, sorter=order)]
    return rows[np.lexsort((log.ends[rows], log.run_viewers[log.runs[rows]]))]


def _estimate(log: Log, parameters: Parameters, clock: Clock, rows: NDArray[np.int64], seed: int) -> pl.DataFrame:
    midnights = log.ends[rows] // DAY * DAY
    days = ((midnights - midnights.min()) / DAY).astype(np.int64)
    beliefs = Beliefs(log, parameters, clock, draw_tastes(parameters, log.has_tag, TITLE_TASTE_BITS, seed))
    means, variances = [], []
    for midnight in tqdm(
        np.arange(midnights.min(), midnights.max() + 1, DAY), desc="ceiling: titles", unit="day", disable=None, leave=False
    ):
        beliefs.advance(midnight)
        titles = beliefs.titles_without_own()
        means.append(titles.mean)
        variances.append(1 / titles.precision)
    qualities = Qualities(np.array(means), np.array(variances))
    tastes = draw_tastes(parameters, log.has_tag, VIEWER_TASTE_BITS, seed + 1)
    posterior = ViewerPosterior(log, parameters, clock, tastes)
    viewers = log.run_viewers[log.runs[rows]]
    cuts = np.flatnonzero(np.diff(viewers)) + 1
    cuts = cuts[BLOCK_VIEWERS - 1 :: BLOCK_VIEWERS]
    blocks = np.split(np.arange(len(rows)), cuts)
    probabilities = np.concatenate(
        [
            posterior.probabilities(rows[block], days[block], qualities)
            for block in tqdm(blocks, desc="ceiling: viewers", unit="block", disable=None, leave=False)
        ]
    )
    return pl.DataFrame({"event_id": log.event_ids[rows], "probability": probabilities}).sort("event_id")
