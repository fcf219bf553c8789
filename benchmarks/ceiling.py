"""How good the observable ceiling is, how sure, and what it takes: `python -m benchmarks.ceiling`.

On the warehouse that WAREHOUSE_PATH names, with a simulated viewing log and its marts (`--viewers N` for a
sample of those with test rows); intervals by resampling viewers. `KL` is the mean of KL(true probability ||
estimate), free of the noise of labels.
"""

import argparse
import resource
import time
from collections.abc import Callable

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import log_loss, roc_auc_score

from common.warehouse import open_warehouse
from ml.ceiling import ceiling_probabilities
from ml.ceiling.clock import DAY, Clock
from ml.ceiling.estimate import TITLE_TASTE_BITS, repeat_shares
from ml.ceiling.log import read_log
from ml.ceiling.parameters import read_parameters
from ml.ceiling.tastes import draw_tastes
from ml.ceiling.titles import Beliefs

RESAMPLES = 300
TRUTH = """
select event_id, user_id, as_of, cast(label as double) as label, cast(p_continue as double) as truth
from marts.feat_next_episode inner join truth.episode_choices using (event_id)
where split = 'test' and label is not null
"""
Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with open_warehouse(read_only=True) as connection:
        started, processor_started = time.perf_counter(), time.process_time()
        found = ceiling_probabilities(connection, arguments.viewers, seed=1)
        seconds, processor = time.perf_counter() - started, time.process_time() - processor_started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{seconds:.1f} s ({processor:.1f} by processor time), peak memory {peak:,.0f} MB")
        rows = found.join(pl.DataFrame(connection.sql(TRUTH).to_arrow_table()), on="event_id")
        print_scores(rows)
        other = ceiling_probabilities(connection, arguments.viewers, seed=2)
        both = rows.join(other, on="event_id", suffix="_other")
        losses = [log_loss(both["label"], both[name]) for name in ("probability", "probability_other")]
        print(f"another seed: log loss {losses[1] - losses[0]:+.5f} on {both.height:,} rows of both samples")
        print_certainty(connection, np.datetime64(rows["as_of"].max(), "s").astype(float) // DAY * DAY)


def print_scores(rows: pl.DataFrame) -> None:
    label, truth, found = (rows[name].to_numpy() for name in ("label", "truth", "probability"))
    distances = special.rel_entr(truth, found) + special.rel_entr(1 - truth, 1 - found)
    scores: dict[str, Callable[[Floats], float]] = {
        "ceiling ROC AUC": lambda w: roc_auc_score(label, found, sample_weight=w),
        "oracle ROC AUC": lambda w: roc_auc_score(label, truth, sample_weight=w),
        "ceiling log loss": lambda w: log_loss(label, found, sample_weight=w),
        "oracle log loss": lambda w: log_loss(label, truth, sample_weight=w),
        "ceiling KL": lambda w: np.average(distances, weights=w),
        "mean truth less mean ceiling": lambda w: np.average(truth - found, weights=w),
    }
    users, codes = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
    even = np.full(len(users), 1 / len(users))
    weights = np.random.default_rng(0).multinomial(len(users), even, RESAMPLES).astype(float)
    print(f"{rows.height:,} test rows of {len(users):,} viewers")
    for name, score in scores.items():
        low, high = np.percentile([score(weight[codes]) for weight in weights], [2.5, 97.5])
        print(f"  {name:<30}{score(np.ones(len(label))):.4f} [{low:.4f}, {high:.4f}]")


def print_certainty(connection: duckdb.DuckDBPyConnection, midnight: float) -> None:
    """Squared z of what is believed at a midnight, against the truth: 1 where it is neither too sure nor too
    unsure."""
    parameters = read_parameters(connection)
    clock = Clock(parameters)
    log = read_log(connection, parameters, clock)
    tastes = draw_tastes(parameters, log.has_tag, TITLE_TASTE_BITS, seed=1)
    beliefs = Beliefs(log, parameters, clock, tastes, repeat_shares(log, tastes, midnight))
    beliefs.advance(midnight)
    quality = connection.sql(
        "select quality from truth.titles where anime_id in (select anime_id from marts.fct_episode_views) "
        "order by anime_id"
    ).fetchnumpy()["quality"]
    engagement = connection.sql("select engagement from truth.viewers order by user_id").fetchnumpy()
    alpha, beta = parameters.size["engagement_alpha"], parameters.size["engagement_beta"]
    spread = np.sqrt(alpha * beta / (alpha + beta + 1)) / (alpha + beta)
    standard = (engagement["engagement"] - alpha / (alpha + beta)) / spread
    known = log.ends[log.first_views] < midnight
    print("squared z at the last midnight")
    for name, belief, truth, begun in (
        ("viewers", beliefs.viewers, standard, np.bincount(log.run_viewers[known], minlength=len(standard))),
        ("titles", beliefs.titles, quality, np.bincount(log.run_titles[known], minlength=len(quality))),
    ):
        squares = (belief.mean - truth) ** 2 * belief.precision
        for low, high in ((1, 3), (3, 10), (10, 100), (100, np.inf)):
            chosen = (begun >= low) & (begun < high)
            if chosen.any():
                runs = f"{low} or more" if np.isinf(high) else f"{low} to {high - 1}"
                print(f"  {name:<8} of {runs:<12} runs: {squares[chosen].mean():.2f} ({chosen.sum():,})")


if __name__ == "__main__":
    main()
