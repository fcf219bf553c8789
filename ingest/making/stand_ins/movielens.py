"""An invented MovieLens folder, for when no real one is given: small, seeded, always the same.

Users rate in bursts, as the real ones do: a long first visit, then, for some, return visits whose gaps grow.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import accumulate, product
from pathlib import Path
from random import Random

from ingest.making.stand_ins import SEED, words

USERS = 300
START = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
DAY = 86_400
GENRES = words(
    """
    Drama Comedy Thriller Action Romance Adventure Crime Sci-Fi Horror Fantasy Children Animation Mystery
    Documentary War Musical Western
    """
)
OPENINGS = words("Distant Broken Golden Last Midnight Paper Quiet Second Stolen Wild Frozen Electric")
SUBJECTS = words(
    "Harvest Station Letter Mirror Bridge Carnival Engine Garden Promise Rehearsal Shore Witness"
)
# As published: articles go to the end, original titles into brackets.
CLOSINGS = ("", ", The", " (La suite inventée)", ": Part II")
TAGS = (
    "twist ending",
    "slow",
    "visually rich",
    "based on a book",
    "funny",
    "great soundtrack",
    "quirky",
    "dark",
)
# Most like what they come to rate.
RATING_WEIGHTS = {0.5: 1, 1.0: 3, 1.5: 2, 2.0: 7, 2.5: 6, 3.0: 20, 3.5: 13, 4.0: 27, 4.5: 8, 5.0: 13}


def write_movielens_stand_in(folder: Path) -> Path:
    """Write the four files into a new folder below `folder`; return its path."""
    random = Random(SEED)
    target = folder / "stand-in-movielens"
    target.mkdir()
    movies = list(_movies(random))
    ratings = [row for user in range(1, USERS + 1) for row in _ratings(random, user, len(movies))]
    tagged = random.sample(ratings, len(ratings) // 30)
    tags = sorted((user, movie, random.choice(TAGS), at + 30) for user, movie, _, at in tagged)
    links = [
        (movie, f"{9_000_000 + movie:07d}", movie if random.random() < 0.99 else "") for movie, *_ in movies
    ]
    _write(target / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), sorted(ratings))
    _write(target / "movies.csv", ("movieId", "title", "genres"), movies)
    _write(target / "tags.csv", ("userId", "movieId", "tag", "timestamp"), tags)
    _write(target / "links.csv", ("movieId", "imdbId", "tmdbId"), links)
    return target


def _movies(random: Random) -> Iterator[tuple[int, str, str]]:
    names = [
        f"{opening} {subject}{closing}" for opening, subject, closing in product(OPENINGS, SUBJECTS, CLOSINGS)
    ]
    random.shuffle(names)
    weights = [1 / (rank + 2) for rank in range(len(GENRES))]
    for number, name in enumerate(names, start=1):
        year = 2022 - min(int(random.expovariate(1 / 18)), 90)
        genres = dict.fromkeys(random.choices(GENRES, weights, k=random.choice((1, 2, 2, 3, 4))))
        is_told = random.random() < 0.99
        title = f"{name} ({year})" if random.random() < 0.99 else name
        yield number, title, "|".join(sorted(genres)) if is_told else "(no genres listed)"


def _ratings(random: Random, user: int, movie_count: int) -> Iterator[tuple[int, int, float, int]]:
    """One user's ratings: a dozen seconds apart within a visit, each movie once."""
    popularity = list(accumulate((rank + 10) ** -0.8 for rank in range(movie_count)))
    generosity = random.gauss(0, 0.5)
    seen: set[int] = set()
    for begins_at, size in _visits(random):
        at = begins_at
        for movie in dict.fromkeys(random.choices(range(1, movie_count + 1), cum_weights=popularity, k=size)):
            if movie in seen:
                continue
            seen.add(movie)
            at += 1 + int(random.expovariate(1 / 12))
            [rating] = random.choices(list(RATING_WEIGHTS), list(RATING_WEIGHTS.values()))
            rating = min(max(round(2 * (rating + generosity)) / 2, 0.5), 5.0)
            if at < END:
                yield user, movie, rating, at


def _visits(random: Random) -> Iterator[tuple[int, int]]:
    """When each visit begins and how many movies it looks at: the first is the longest; half come back."""
    at = START + int(random.betavariate(1, 1.4) * (END - START - DAY))
    yield at, 20 + int(random.lognormvariate(2.9, 0.8))
    return_share = random.betavariate(1.2, 1.0)
    gap_days = random.lognormvariate(1.5, 0.8)
    while random.random() < return_share:
        at += int((0.3 + random.expovariate(1 / gap_days)) * DAY)
        gap_days *= 1.15
        yield at, 1 + int(random.lognormvariate(1.6, 0.9))


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
