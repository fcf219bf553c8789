"""The catalogue as the simulator sees it: which titles can be chosen, how popular and how good each is."""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.errors import UserError
from ingest.making.viewing.config import Config, TitleConfig
from ingest.making.viewing.randomness import bits, draw
from ingest.making.viewing.tables import DAY, FINE_BITS, normal_quantiles, steps

EPISODE_BITS = 13  # of an event id; a title with more episodes is never chosen
_LOW_HALF = np.uint64((1 << 32) - 1)
COLUMNS = ("anime_id", "type", "episodes", "status", "duration_seconds", "score_arithmetic_mean", "tags")


@dataclass(frozen=True)
class Titles:
    """The titles that can be chosen, sorted by anime_id; n titles, k tags."""

    anime_ids: pl.Series
    episodes: NDArray[np.int32]
    episode_seconds: NDArray[np.int32]
    quality: NDArray[np.float64]
    quality_mean: float  # of the choices of titles with more than one episode, before it was standardised
    quality_spread: float
    popularity: NDArray[np.float64]  # share of choices over all viewers, sums to 1
    tags: list[str]  # in the order of a viewer's taste
    tag_masks: NDArray[np.uint8]  # n x k: all bits where the title has the tag
    tag_shares: NDArray[np.float64]  # of the weight of all titles, that of those with each tag
    mean_match: float  # taste match expected of a choice
    logit_steps: NDArray[np.int32]  # of quality
    completion_steps: NDArray[np.int32]
    choices: "AliasTables"


@dataclass(frozen=True)
class AliasTables:
    """Weighted choice from one of several lists in constant time (Walker 1977, built as by Vose 1991).

    A list of n titles has n cells of equal chance; a cell holds a title and, above its threshold, another.
    """

    sizes: NDArray[np.uint64]  # by list
    offsets: NDArray[np.uint64]  # by list: its first cell
    thresholds: NDArray[np.uint64]  # by cell, of 2 ** 32
    titles: NDArray[np.int32]  # by cell: the other title and the cell's own, in turn

    def choose(self, lists: NDArray[np.integer], words: NDArray[np.uint64]) -> NDArray[np.int32]:
        """A title from each given list (tag number, or k for all titles), by the low 32 bits of each word."""
        scaled = (words & _LOW_HALF) * self.sizes[lists]
        cells = (self.offsets[lists] + (scaled >> np.uint64(32))).view(np.int64)
        own = (scaled & _LOW_HALF) < self.thresholds[cells]
        return self.titles[2 * cells + own]


def make_titles(catalogue: pl.DataFrame, config: Config) -> Titles:
    """The watchable part of a catalogue.

    Raises:
        UserError: a column is missing, an anime_id occurs twice, or nothing can be watched.
    """
    watchable = _watchable(catalogue)
    keys = np.array([_key(anime_id) for anime_id in watchable["anime_id"]], dtype=np.uint64)
    scores = _standard_scores(watchable)
    weights = _popularity_weights(watchable, scores, keys, config.titles)
    tags, has_tag = _commonest_tags(watchable, config.viewers.taste_tags)
    lists = _choice_lists(weights, has_tag)
    popularity = _shares_of_choices(lists, config.titles.taste_share)
    episodes = watchable["episodes"].to_numpy().astype(np.int32)
    quality = _quality(scores, keys, config.titles.visible_share)
    quality_mean, quality_spread = _moments(quality, popularity * (episodes > 1))
    quality = np.round((quality - quality_mean) / quality_spread, 6)
    return Titles(
        anime_ids=watchable["anime_id"],
        episodes=episodes,
        episode_seconds=_episode_seconds(watchable, config.titles),
        quality=quality,
        quality_mean=quality_mean,
        quality_spread=quality_spread,
        popularity=popularity,
        tags=tags,
        tag_masks=np.where(has_tag, 0xFF, 0).astype(np.uint8),
        tag_shares=np.round(lists[-1] @ has_tag, 9),
        mean_match=_mean_match(lists, has_tag, config),
        logit_steps=steps(config.continuation.per_sd_quality * quality).astype(np.int32),
        completion_steps=steps(config.completion.per_sd_quality * quality).astype(np.int32),
        choices=_alias_tables(lists),
    )


def _watchable(catalogue: pl.DataFrame) -> pl.DataFrame:
    missing = [column for column in COLUMNS if column not in catalogue.columns]
    if missing:
        raise UserError(f"the catalogue has no column {', '.join(missing)}: load it again with this version")
    watchable = catalogue.filter(
        (pl.col("status") != "UPCOMING") & pl.col("episodes").is_between(1, (1 << EPISODE_BITS) - 1)
    ).sort("anime_id")
    if watchable.is_empty():
        raise UserError(
            f"the catalogue has no title that can be watched ({catalogue.height} entries, none of them out "
            "and with a known number of episodes): load another with `python -m ingest anime PATH`"
        )
    repeated = watchable.filter(pl.col("anime_id").is_duplicated())
    if not repeated.is_empty():
        raise UserError(f"the catalogue has {repeated['anime_id'][0]} more than once: load it again")
    return watchable


def _key(anime_id: str) -> int:
    """A title's random key: of its id alone, so that the same titles are good and popular with every seed."""
    return int.from_bytes(hashlib.blake2b(anime_id.encode(), digest_size=8).digest(), "little")


def _normals(keys: NDArray[np.uint64], index: int) -> NDArray[np.float64]:
    return normal_quantiles()[bits(draw(keys, index), 0, FINE_BITS)]


def _standard_scores(watchable: pl.DataFrame) -> NDArray[np.float64]:
    """Published scores in standard deviations over the scored titles; nan where there is none."""
    scores = watchable["score_arithmetic_mean"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    scored = scores[~np.isnan(scores)]
    spread = scored.std() if scored.size else 0.0
    return (scores - scored.mean()) / spread if spread > 0 else np.where(np.isnan(scores), np.nan, 0.0)


def _popularity_weights(
    watchable: pl.DataFrame, scores: NDArray[np.float64], keys: NDArray[np.uint64], config: TitleConfig
) -> NDArray[np.float64]:
    """Zipf-Mandelbrot weights by rank of attraction, as whole multiples of 1e-12."""
    type_effect = watchable["type"].replace_strict(
        config.type_effects, default=config.type_effects["UNKNOWN"]
    )
    status_effect = watchable["status"].replace_strict(
        config.status_effects, default=config.status_effects["UNKNOWN"]
    )
    attraction = (
        config.score_weight * np.nan_to_num(scores, nan=-1.0)
        + type_effect.to_numpy()
        + status_effect.to_numpy()
        + config.noise_weight * _normals(keys, 1)
    )
    order = np.argsort(-np.round(attraction, 6), kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    return np.rint((ranks + config.rank_offset) ** -config.rank_exponent * 1e12)


def _commonest_tags(watchable: pl.DataFrame, count: int) -> tuple[list[str], NDArray[np.int32]]:
    by_title = (
        watchable.select(pl.col("tags").list.unique()).with_row_index("row").explode("tags").drop_nulls()
    )
    tags = (
        by_title.group_by("tags")
        .len()
        .sort(["len", "tags"], descending=[True, False])["tags"]
        .head(count)
        .to_list()
    )
    has_tag = np.zeros((watchable.height, count), dtype=np.int32)
    for number, tag in enumerate(tags):
        has_tag[by_title.filter(pl.col("tags") == tag)["row"].to_numpy(), number] = 1
    return tags, has_tag


def _choice_lists(weights: NDArray[np.float64], has_tag: NDArray[np.int32]) -> NDArray[np.float64]:
    """Titles' shares in each list, (k + 1) x n: the titles with each tag, and last all titles.

    A tag that no title has (a catalogue with few tags) stands for all titles.
    """
    lists = np.vstack([has_tag.T * weights, weights])
    lists[lists.sum(axis=1) == 0] = weights
    return lists / lists.sum(axis=1, keepdims=True)


def _shares_of_choices(lists: NDArray[np.float64], taste_share: float) -> NDArray[np.float64]:
    """Tastes are symmetric, so over all viewers each tag leads equally often."""
    return np.round((1 - taste_share) * lists[-1] + taste_share * lists[:-1].mean(axis=0), 15)


def _quality(
    scores: NDArray[np.float64], keys: NDArray[np.uint64], visible_share: float
) -> NDArray[np.float64]:
    """Quality, not standardised yet: a part that the score shows and a part that it doesn't."""
    visible = np.where(np.isnan(scores), _normals(keys, 2), scores)
    return np.sqrt(visible_share) * visible + np.sqrt(1 - visible_share) * _normals(keys, 3)


def _moments(quality: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and spread of quality over the choices of titles with more than one episode (`weights`), so that
    one unit of what is standardised by them is one standard deviation of what viewers meet."""
    if weights.sum() == 0:
        return 0.0, 1.0
    mean = np.average(quality, weights=weights)
    spread = np.sqrt(np.average((quality - mean) ** 2, weights=weights))
    return float(mean), float(spread) if spread > 0 else 1.0


def _mean_match(lists: NDArray[np.float64], has_tag: NDArray[np.int32], config: Config) -> float:
    """E[share of a viewer's taste that the chosen title's tags cover], over tastes and choices.

    With taste ~ symmetric Dirichlet(a) over k tags, E[taste_g] = 1 / k and E[taste_g taste_h] =
    (a + [g = h]) / (k (k a + 1)).
    """
    count, concentration = has_tag.shape[1], config.viewers.taste_concentration
    covers = lists @ has_tag  # (k + 1) x k: chance that a title of list g has tag h
    together = (concentration + np.eye(count)) / (count * (count * concentration + 1))
    led = float((together * covers[:-1]).sum())
    free = float(covers[-1].sum()) / count
    return round((1 - config.titles.taste_share) * free + config.titles.taste_share * led, 6)


def _alias_tables(lists: NDArray[np.float64]) -> AliasTables:
    sizes, thresholds, titles = [], [], []
    for shares in lists:
        members = np.flatnonzero(shares)
        own, other = _alias_cells(shares[members])
        sizes.append(len(members))
        thresholds.append(own)
        titles.append(np.column_stack([members[other], members]))
    return AliasTables(
        sizes=np.array(sizes, dtype=np.uint64),
        offsets=(np.cumsum(sizes) - sizes).astype(np.uint64),
        thresholds=np.concatenate(thresholds),
        titles=np.concatenate(titles).astype(np.int32).ravel(),
    )


def _alias_cells(shares: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Each cell's threshold (of 2 ** 32) and other title, in whole numbers, so that no error adds up."""
    left = np.rint(shares * len(shares) * 2.0**32).astype(np.int64).tolist()
    thresholds, others = [1 << 32] * len(left), list(range(len(left)))
    poor = [cell for cell, weight in enumerate(left) if weight < 1 << 32]
    rich = [cell for cell, weight in enumerate(left) if weight >= 1 << 32]
    while poor and rich:
        cell, giver = poor.pop(), rich[-1]
        thresholds[cell], others[cell] = left[cell], giver
        left[giver] -= (1 << 32) - left[cell]
        if left[giver] < 1 << 32:
            poor.append(rich.pop())
    return np.array(thresholds, dtype=np.uint64), np.array(others)


def _episode_seconds(watchable: pl.DataFrame, config: TitleConfig) -> NDArray[np.int32]:
    """Length of an episode: the catalogue's if possible (a second to a day), or else the type's usual."""
    usual = watchable["type"].replace_strict(
        config.default_seconds, default=config.default_seconds["UNKNOWN"]
    )
    given = watchable["duration_seconds"]
    return (
        given.zip_with(given.is_between(1, DAY).fill_null(False), usual.cast(given.dtype))
        .to_numpy()
        .astype(np.int32)
    )
