"""The log as arrays: all that the ceiling may know, and when each piece of it became known."""

from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.ceiling.clock import Clock
from ml.ceiling.parameters import Parameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# What the simulator lets be watched, and so what scores are standardised over.
MOST_EPISODES = 8_191
COMPLETION_PARTS = 1_000


@dataclass(frozen=True)
class Log:
    """v views in r runs (a viewer watching a title, episode by episode) of u viewers and t titles.

    Views are ordered by viewer, run and episode; instants are seconds since 1970.

    Attributes:
        event_ids, runs, starts, ends, episode_seconds: (v,).
        next_ends: (v,) when the next episode was over; inf where the log has none.
        has_next: (v,) whether the title has another episode.
        offsets: (v,) logit of going on, less what engagement, quality and taste match add.
        completions: (v,) in thousandths.
        first_views, last_views: (r,) positions among the views.
        run_viewers, run_titles: (r,) positions among viewers and titles.
        user_ids, signups: (u,).
        hazard_ratios: (u,) of each viewer's acquisition channel.
        quality_means, quality_variances: (t,) what the score alone tells of a title's quality.
        has_tag: (t, k) by the tags in the order of `Parameters.tag_shares`.
    """

    event_ids: Integers
    runs: Integers
    starts: Floats
    ends: Floats
    next_ends: Floats
    episode_seconds: Floats
    has_next: NDArray[np.bool_]
    offsets: Floats
    completions: Integers
    first_views: Integers
    last_views: Integers
    run_viewers: Integers
    run_titles: Integers
    user_ids: Integers
    signups: Floats
    hazard_ratios: Floats
    quality_means: Floats
    quality_variances: Floats
    has_tag: NDArray[np.bool_]


VIEWS = """
select event_id, user_id, anime_id, episode_number, not is_last_episode as has_next, completion, episode_seconds,
    cast(epoch(started_at) as double) as started, cast(epoch(ended_at) as double) as ended
from marts.fct_episode_views
order by user_id, anime_id, episode_number
"""
VIEWERS = """
select user_id, acquisition_channel, cast(epoch(signed_up_at) as double) as signed_up from marts.dim_viewers
order by user_id
"""
TITLES = f"""
with watchable as (
    select avg(score) as score_mean, stddev_pop(score) as score_spread from marts.dim_anime
    where release_status is distinct from 'upcoming' and episodes_total between 1 and {MOST_EPISODES}
)
select anime_id, case when score is not null then
    coalesce((score - score_mean) / nullif(score_spread, 0), 0) end as score
from marts.dim_anime cross join watchable
order by anime_id
"""
TAGS = "select anime_id, tag from marts.bridge_anime_tags order by anime_id, tag"


def read_log(connection: duckdb.DuckDBPyConnection, parameters: Parameters, clock: Clock) -> Log | str:
    """Read the marts; where the log can't be the simulator's, the reason as a text."""
    views = _frame(connection, VIEWS)
    viewers = _frame(connection, VIEWERS)
    if views.is_empty():
        return "the viewing log has no views"
    codes = views.select(
        user=pl.col("user_id").replace_strict(
            viewers["user_id"], pl.arange(viewers.height, eager=True), default=None
        ),
        title=pl.col("anime_id").rank("dense").cast(pl.Int64) - 1,
    )
    users, titles = codes["user"].to_numpy(), codes["title"].to_numpy()
    episodes = views["episode_number"].to_numpy()
    is_first = np.ones(len(users), dtype=bool)
    is_first[1:] = (users[1:] != users[:-1]) | (titles[1:] != titles[:-1])
    first_views = np.flatnonzero(is_first)
    runs = np.cumsum(is_first) - 1
    if (episodes != np.arange(len(users)) - first_views[runs] + 1).any():
        return "the viewing log has episodes skipped or seen again, which the simulator's has not"
    unknown = set(viewers["acquisition_channel"]) - set(parameters.hazard_ratios)
    if unknown:
        return f"truth.effects has no leave_channel_{sorted(map(str, unknown))[0]}"
    starts, ends = views["started"].to_numpy(), views["ended"].to_numpy()
    completions = views["completion"].to_numpy()
    next_ends = np.full(len(users), np.inf)
    next_ends[:-1] = np.where(is_first[1:], np.inf, ends[1:])
    names = views["anime_id"].unique().sort()
    means, variances = _quality_priors(connection, names, parameters)
    return Log(
        event_ids=views["event_id"].to_numpy(),
        runs=runs,
        starts=starts,
        ends=ends,
        next_ends=next_ends,
        episode_seconds=views["episode_seconds"].to_numpy().astype(np.float64),
        has_next=views["has_next"].to_numpy(),
        offsets=_offsets(parameters, clock, episodes, starts, completions),
        completions=np.rint(completions * COMPLETION_PARTS).astype(np.int64),
        first_views=first_views,
        last_views=np.append(first_views[1:], len(users)) - 1,
        run_viewers=users[first_views],
        run_titles=titles[first_views],
        user_ids=viewers["user_id"].to_numpy(),
        signups=viewers["signed_up"].to_numpy(),
        hazard_ratios=viewers["acquisition_channel"].replace_strict(parameters.hazard_ratios).to_numpy(),
        quality_means=means,
        quality_variances=variances,
        has_tag=_has_tag(connection, names, list(parameters.tag_shares)),
    )


def _frame(connection: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return pl.DataFrame(connection.sql(query).to_arrow_table())


def _offsets(
    parameters: Parameters, clock: Clock, episodes: Integers, starts: Floats, completions: Floats
) -> Floats:
    size = parameters.size
    dips = np.append(parameters.dips, 0.0)[np.minimum(episodes - 1, len(parameters.dips))]
    return (
        size["continue_intercept"]
        + dips
        - size["continue_taste_match"] * size["match_mean"]
        + size["continue_completion"] * (completions - size["continue_completion_centre"])
        + size["continue_weekend"] * clock.is_weekend(starts)
    )


def _quality_priors(
    connection: duckdb.DuckDBPyConnection, names: pl.Series, parameters: Parameters
) -> tuple[Floats, Floats]:
    size = parameters.size
    scores = names.to_frame().join(_frame(connection, TITLES), on="anime_id", how="left", maintain_order="left")
    score = scores["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    visible = np.where(np.isnan(score), 0.0, np.sqrt(size["quality_visible"]) * np.nan_to_num(score))
    hidden = np.where(np.isnan(score), 1.0, 1 - size["quality_visible"])
    return (visible - size["quality_mean"]) / size["quality_spread"], hidden / size["quality_spread"] ** 2


def _has_tag(connection: duckdb.DuckDBPyConnection, names: pl.Series, tags: list[str]) -> NDArray[np.bool_]:
    pairs = _frame(connection, TAGS).join(names.to_frame().with_row_index("row"), on="anime_id")
    has_tag = np.zeros((len(names), len(tags)), dtype=bool)
    for number, tag in enumerate(tags):
        has_tag[pairs.filter(pl.col("tag") == tag)["row"].to_numpy(), number] = True
    return has_tag
