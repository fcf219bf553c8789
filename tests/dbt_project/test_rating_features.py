"""Features of ratings know strictly earlier seconds only: recomputed one by one, and from logs cut short."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, pstdev

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.compiled_models import CompiledModels, read_frame

FEATURES = "feat_rating_engagement"
GENRES = {1: ["Comedy", "Drama"], 2: ["Drama"], 3: ["Film-Noir"], 4: [], 5: ["Comedy", "Sci-Fi", "War"]}
SPLITS = ["split_last_rating", "split_last_fifth", "split_global_time"]
ENGAGED = 4.0


@pytest.fixture(scope="module")
def models(built_warehouse: Path) -> CompiledModels:
    return CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")


def ratings_log(seed: int, *, users: int = 12, movies: int = 25) -> pl.DataFrame:
    """Sittings of users of every kind, in which several movies are rated in one second, by others too."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(1, users + 1):
        at = datetime(2019, 12, 30) + timedelta(days=int(random.integers(0, 5)))
        for movie in random.permutation(movies)[: int(random.choice([1, 2, 10, movies]))]:
            at += timedelta(seconds=int(random.choice([0, 0, 1, 60, 1800, 1801, 86_400])))
            rows.append((user, int(movie) + 1, float(random.integers(1, 11)) / 2, at))
    return with_ids(rows)


def with_ids(rows: list[tuple[int, int, float, datetime]]) -> pl.DataFrame:
    """Rows of user, movie, stars and time as `fct_ratings` has them."""
    frame = pl.DataFrame(rows, schema=["user_id", "movie_id", "rating", "rated_at"], orient="row")
    return frame.with_columns(
        rating_id=pl.format("rating-{}-{}-{}", "user_id", "movie_id", pl.col("rated_at").dt.epoch("s")),
        is_engaged=pl.col("rating") >= ENGAGED,
        rated_at=pl.col("rated_at").cast(pl.Datetime("us")),
    )


def release_year(movie: int) -> int | None:
    return 1930 + movie % 90 if movie % 6 else None


def features(models: CompiledModels, ratings: pl.DataFrame) -> dict[str, dict]:
    """The features of a log of ratings, by the ratings' keys."""
    movies = [(movie, release_year(movie)) for movie in range(1, 501)]
    genres = [(movie, genre) for movie, _ in movies for genre in GENRES.get((movie - 1) % 5 + 1, [])]
    movies_frame = pl.DataFrame(movies, schema={"movie_id": pl.Int64, "release_year": pl.Int16}, orient="row")
    with duckdb.connect() as connection:
        models.provide(connection, "fct_ratings", ratings)
        models.provide(connection, "dim_movies", movies_frame)
        models.provide(
            connection,
            "bridge_movie_genres",
            pl.DataFrame(genres, schema=["movie_id", "genre"], orient="row"),
        )
        models.build(connection, FEATURES)
        rows = read_frame(connection, f"from {models.relation(FEATURES)}").to_dicts()
    return {row["rating_id"]: row for row in rows}


def shrunken(values: list[float], prior: float, weight: float) -> float:
    return (sum(values) + weight * prior) / (len(values) + weight)


def by_hand(ratings: pl.DataFrame) -> Iterator[tuple[str, dict]]:
    """Each rating's features, looked up one by one in the ratings of strictly earlier seconds."""
    done: list[dict] = []
    for row in ratings.sort("rated_at").to_dicts():
        at = row["rated_at"]
        earlier_days = [other for other in done if other["rated_at"].date() < at.date()]
        prior = fmean(other["rating"] for other in earlier_days) if earlier_days else 2.75
        prior_rate = fmean(other["is_engaged"] for other in earlier_days) if earlier_days else 0.5
        before = [other for other in done if other["rated_at"] < at]
        mine = [other for other in before if other["user_id"] == row["user_id"]]
        of_movie = [other for other in before if other["movie_id"] == row["movie_id"]]
        movie_mean = shrunken([o["rating"] for o in of_movie], prior, 5)
        row["over_movie"], row["over_prior"] = row["rating"] - movie_mean, movie_mean - prior
        row["over_user"] = row["rating"] - shrunken([o["rating"] for o in mine], prior, 5)
        user_bias = shrunken([o["over_movie"] for o in mine], 0, 3)
        movie_bias = shrunken([o["over_user"] for o in of_movie], 0, 5)
        row["residual"] = row["rating"] - (prior + user_bias + movie_bias)
        row["genres"] = set(GENRES[(row["movie_id"] - 1) % 5 + 1])
        in_genre = {genre: [o for o in mine if genre in o["genres"]] for genre in row["genres"]}
        in_genres = [other["residual"] for others in in_genre.values() for other in others]
        row["decade"] = release_year(row["movie_id"]) // 10 if release_year(row["movie_id"]) else None
        row["popularity"] = sum(len(of_movie) >= count for count in (3, 15, 63, 255))
        of_decade = [o for o in mine if row["decade"] and o["decade"] == row["decade"]]
        slope = sum(o["residual"] * o["over_prior"] for o in mine) / (
            sum(o["over_prior"] ** 2 for o in mine) + 5
        )
        row["sitting"] = sitting_start(mine, at)
        sitting = [o for o in mine if o["rated_at"] >= row["sitting"]]
        yield (
            row["rating_id"],
            {
                "label": row["is_engaged"],
                "user_ratings_count": len(mine),
                "user_mean_rating": shrunken([o["rating"] for o in mine], prior, 5),
                "user_engaged_rate": shrunken([o["is_engaged"] for o in mine], prior_rate, 5),
                "user_rating_spread": pstdev([o["rating"] for o in mine]) if mine else None,
                "user_bias": user_bias,
                "user_residual": shrunken([o["residual"] for o in mine], 0, 5),
                "user_recent_bias": recent_bias(mine),
                "sitting_ratings_count": len(sitting),
                "sitting_bias": shrunken([o["over_movie"] for o in sitting], 0, 3),
                "movie_ratings_count": len(of_movie),
                "movie_mean_rating": movie_mean,
                "movie_residual_variance": shrunken([o["residual"] ** 2 for o in of_movie], 0, 5),
                "movie_engaged_rate": shrunken([o["is_engaged"] for o in of_movie], prior_rate, 5),
                "movie_bias": movie_bias,
                "movie_residual": shrunken([o["residual"] for o in of_movie], 0, 5),
                "genre_bias": fmean(
                    shrunken([o["over_movie"] for o in others], 0, 5) for others in in_genre.values()
                )
                if in_genre
                else 0,
                "genre_affinity": sum(in_genres) / (len(in_genres) + 10),
                "decade_affinity": shrunken([o["residual"] for o in of_decade], 0, 5),
                "popularity_affinity": shrunken(
                    [o["residual"] for o in mine if o["popularity"] == row["popularity"]], 0, 5
                ),
                "quality_affinity": slope * row["over_prior"],
                "has_genre_film_noir": "Film-Noir" in row["genres"],
                "has_genre_none": not row["genres"],
                "weekday_number": at.isoweekday(),
                "hour_of_day": at.hour,
            },
        )
        row["position"] = len(mine)
        done.append(row)


def sitting_start(mine: list[dict], at: datetime) -> datetime:
    """When the sitting of a rating began: half an hour of pause, and a second, ends one."""
    latest = max(mine, key=lambda other: other["rated_at"], default=None)
    if latest is None or at - latest["rated_at"] > timedelta(minutes=30):
        return at
    return latest["sitting"]


def recent_bias(mine: list[dict]) -> float:
    """Weights that halve with every ten ratings since, of the last 99."""
    alpha = 1 - 0.5**0.1
    return alpha * sum(
        o["over_movie"] * 0.5 ** ((len(mine) - o["position"]) / 10)
        for o in mine
        if len(mine) - o["position"] < 100
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_features_equal_those_looked_up_rating_by_rating(models: CompiledModels, seed: int) -> None:
    ratings = ratings_log(seed)
    found = features(models, ratings)
    expected = dict(by_hand(ratings))
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert {name: found[key][name] for name in values} == pytest.approx(values, abs=1e-7), key


def test_a_recent_rating_counts_more_however_many_there_are(models: CompiledModels) -> None:
    """Beyond two blocks of weights, and with ratings of one second on both sides of their borders."""
    random = np.random.default_rng(4)
    at = datetime(2020, 1, 1)
    rows = []
    for movie in range(1, 501):
        at += timedelta(seconds=int(random.choice([0, 5])))
        rows.append((1, movie, float(random.integers(1, 11)) / 2, at))
    found = features(models, with_ids(rows))
    # Every movie is rated once, on the first day: each rating is above its movie by what it is above 2.75.
    seen: list[dict] = []
    for _, movie, rating, at in rows:
        mine = [other for other in seen if other["at"] < at]
        row = found[f"rating-1-{movie}-{int((at - datetime(1970, 1, 1)).total_seconds())}"]
        assert row["user_recent_bias"] == pytest.approx(recent_bias(mine), abs=1e-7)
        seen.append({"at": at, "over_movie": rating - 2.75, "position": len(mine)})


def test_the_log_cut_at_any_second_gives_the_same_features(models: CompiledModels) -> None:
    ratings = ratings_log(3, users=40)
    whole = features(models, ratings)
    times = ratings["rated_at"].sort()
    for place in (60, 180, 300):
        moment = times[place]
        found = features(models, ratings.filter(pl.col("rated_at") <= moment))
        expected = {key: row for key, row in whole.items() if row["as_of"] <= moment}
        assert len(expected) > 50
        hidden = dict.fromkeys(SPLITS)
        assert {key: row | hidden for key, row in found.items()} == {
            key: row | hidden for key, row in expected.items()
        }


def test_what_is_rated_in_the_same_second_or_later_changes_nothing(models: CompiledModels) -> None:
    ratings = ratings_log(3, users=40)
    moment = ratings["rated_at"].sort()[180]
    is_late = pl.col("rated_at") >= moment
    other = ratings.with_columns(rating=pl.when(is_late).then(5.5 - pl.col("rating")).otherwise("rating"))
    other = other.with_columns(is_engaged=pl.col("rating") >= ENGAGED)
    whole, changed = features(models, ratings), features(models, other)
    labels = {"label": None}
    rows = [key for key, row in whole.items() if row["as_of"] <= moment]
    assert any(whole[key]["as_of"] == moment for key in rows)
    assert any(whole[key]["label"] != changed[key]["label"] for key in whole)
    for key in rows:
        assert whole[key] | labels == changed[key] | labels


def test_no_order_of_the_file_matters(models: CompiledModels) -> None:
    ratings = ratings_log(5, users=40)
    assert features(models, ratings) == features(models, ratings.sample(fraction=1, shuffle=True, seed=1))


def test_the_three_splits_of_a_log(models: CompiledModels) -> None:
    """User 1 rates a movie a day for ten days, user 2 five in one second of the last of them, user 3 one."""
    start = datetime(2020, 1, 1)
    rows = [(1, movie, 4.0, start + timedelta(days=movie)) for movie in range(1, 11)]
    rows += [(2, movie, 4.0, start + timedelta(days=10)) for movie in range(1, 6)]
    rows += [(3, 1, 4.0, start)]
    found = features(models, with_ids(rows))

    def parts(user: int, split: str) -> list[str]:
        of_user = [row for row in found.values() if row["user_id"] == user]
        return [row[split] for row in sorted(of_user, key=lambda row: (row["as_of"], row["movie_id"]))]

    assert parts(1, "split_last_rating") == ["train"] * 8 + ["validation", "test"]
    assert parts(1, "split_last_fifth") == ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    # One each, of equals: which, tells a hash of the key.
    assert sorted(parts(2, "split_last_rating")) == ["test", "train", "train", "train", "validation"]
    assert sorted(parts(2, "split_last_fifth")) == ["test", "train", "train", "train", "validation"]
    assert parts(3, "split_last_rating") == parts(3, "split_last_fifth") == ["test"]
    # Of 16 ratings the first 60 % end within day 9, the first 80 % on day 10, when six are rated at once.
    assert parts(1, "split_global_time") == ["train"] * 8 + ["validation", "test"]
    assert set(parts(2, "split_global_time")) == {"test"}
