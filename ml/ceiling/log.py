"""The log as arrays: all that the ceiling may know, and when each piece of it became known."""

from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.ceiling.clock import Clock
from ml.ceiling.parameters import NoCeilingError, Parameters

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
select event_id, user_id, anime_id, episode_number, not is_last_episode as has_next, completion,
    episode_seconds, cast(epoch(started_at) as double) as started, cast(epoch(ended_at) as double) as ended
from marts.fct_episode_views
order by user_id, anime_id, episode_number
"""
VIEWERS = """
select user_id, acquisition_channel, cast(epoch(signed_up_at) as double) as signed_up from marts.dim_viewers
order by user_id
"""
TITLES = f"""
select anime_id, score,
    release_status is distinct from 'upcoming' and episodes_total between 1 and {MOST_EPISODES}
        as is_watchable
from marts.dim_anime
order by anime_id
"""
TAGS = "select anime_id, tag from marts.bridge_anime_tags order by anime_id, tag"


def read_log(connection: duckdb.DuckDBPyConnection, parameters: Parameters, clock: Clock) -> Log:
    """Read the marts.

    Raises:
        NoCeilingError: the log is empty, or has what the simulator's never has.
    """
    views, viewers = _frame(connection, VIEWS), _frame(connection, VIEWERS)
    _check(views, viewers, parameters)
    users = viewers["user_id"].search_sorted(views["user_id"]).to_numpy().astype(np.int64)
    titles = views["anime_id"].rank("dense").to_numpy().astype(np.int64) - 1
    names = views["anime_id"].unique().sort()
    is_first = views["episode_number"].to_numpy() == 1
    first_views = np.flatnonzero(is_first)
    starts, ends, completions = (views[name].to_numpy() for name in ("started", "ended", "completion"))
    means, variances = _quality_priors(connection, names, parameters)
    return Log(
        event_ids=views["event_id"].to_numpy(),
        runs=np.cumsum(is_first) - 1,
        starts=starts,
        ends=ends,
        next_ends=np.append(np.where(is_first[1:], np.inf, ends[1:]), np.inf),
        episode_seconds=views["episode_seconds"].to_numpy().astype(np.float64),
        has_next=views["has_next"].to_numpy(),
        offsets=_offsets(parameters, clock, views["episode_number"].to_numpy(), starts, completions),
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


def _check(views: pl.DataFrame, viewers: pl.DataFrame, parameters: Parameters) -> None:
    strange = None
    if views.is_empty():
        strange = "no views"
    elif not viewers["acquisition_channel"].fill_null("").is_in(list(parameters.hazard_ratios)).all():
        strange = "channels that truth.effects has not"
    elif views.join(viewers, on="user_id", how="anti").height or views.null_count().sum_horizontal().sum():
        strange = "views without a viewer, or without a time or completion"
    else:
        run = pl.struct("user_id", "anime_id")
        numbers = pl.int_range(1, pl.len() + 1).over(run)
        if views.select((pl.col("episode_number") != numbers).any()).item():
            strange = "episodes skipped or seen again"
    if strange:
        raise NoCeilingError(f"the viewing log has {strange}: the simulator of truth.effects did not make it")


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
    titles = _frame(connection, TITLES)
    watchable = titles.filter(pl.col("is_watchable"))["score"].drop_nulls().to_numpy()
    scores = names.to_frame().join(titles, on="anime_id", how="left", maintain_order="left")["score"]
    is_scored = scores.is_not_null().to_numpy()
    mean, spread = (watchable.mean(), watchable.std()) if watchable.size else (0.0, 0.0)
    standard = (scores.fill_null(mean).to_numpy() - mean) / (spread if spread > 0 else 1.0)
    visible = np.sqrt(size["quality_visible"]) * standard
    hidden = np.where(is_scored, 1 - size["quality_visible"], 1.0)
    return (visible - size["quality_mean"]) / size["quality_spread"], hidden / size["quality_spread"] ** 2


def _has_tag(connection: duckdb.DuckDBPyConnection, names: pl.Series, tags: list[str]) -> NDArray[np.bool_]:
    pairs = _frame(connection, TAGS).join(names.to_frame().with_row_index("row"), on="anime_id")
    has_tag = np.zeros((len(names), len(tags)), dtype=bool)
    for number, tag in enumerate(tags):
        has_tag[pairs.filter(pl.col("tag") == tag)["row"].to_numpy(), number] = True
    return has_tag
