"""An invented anime catalogue."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random

from ingest.making.stand_ins import LICENCE, SEED, words

ANIME_COUNT = 2_000
LAST_YEAR = 2024
# Type: share of titles, then episode counts and seconds an episode, each with weights.
ANIME_TYPES = {
    "TV": (
        0.34,
        {12: 34, 13: 16, 24: 10, 26: 16, 25: 5, 10: 4, 11: 4, 50: 4, 52: 6, 100: 1},
        {1440: 7, 1380: 3},
    ),
    "SPECIAL": (0.20, {1: 80, 2: 10, 3: 5, 6: 5}, {300: 4, 1440: 3, 180: 3}),
    "MOVIE": (0.17, {1: 100}, {5400: 4, 6000: 3, 4500: 2, 7200: 1}),
    "ONA": (0.15, {1: 30, 12: 40, 10: 12, 24: 10, 6: 8}, {1440: 5, 720: 3, 300: 2}),
    "OVA": (0.13, {1: 45, 2: 25, 4: 15, 6: 15}, {1800: 5, 1500: 3, 2700: 2}),
    "UNKNOWN": (0.01, {1: 100}, {1440: 1}),
}
TAGS = words(
    """
    comedy action fantasy drama adventure sci-fi romance school shounen supernatural magic mecha mystery
    historical kids sports seinen shoujo music horror military parody demons space psychological family
    thriller friendship police detective cooking travel vampire samurai robots dragons racing survival
    workplace josei
    """
)
TITLE_OPENINGS = words(
    """
    Lantern Paper Copper Winter Velvet Hollow Silent Crimson Marble Drifting Seventh Borrowed Amber
    Clockwork Salt Wandering Glass Forgotten Little Thunder
    """
)
TITLE_SUBJECTS = words(
    """
    Harbour Orchard Lighthouse Courier Cartographer Teahouse Observatory Apprentice Ferry Greenhouse
    Archive Parade Beekeeper Signal Atelier Bakery Compass Railway Menagerie Tide
    """
)
TITLE_CLOSINGS = ("", ": Second Wind", " Chronicle", " no Uta", " Days", " & the Ninth Moon")


def write_anime_stand_in(folder: Path) -> Path:
    """Write a catalogue of invented titles as JSON Lines into `folder`; return its path."""
    path = folder / "stand-in-anime.jsonl"
    metadata = {
        "license": {"name": LICENCE, "url": "https://stand-in.example/licence"},
        "repository": "https://stand-in.example",
        "scoreRange": {"minInclusive": 1.0, "maxInclusive": 10.0},
        "lastUpdate": f"{LAST_YEAR}-12-31",
    }
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in (metadata, *_anime_entries(Random(SEED))):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path


def _anime_entries(random: Random) -> Iterator[dict]:
    names = [
        f"{opening} {subject}{closing}"
        for opening, subject, closing in product(TITLE_OPENINGS, TITLE_SUBJECTS, TITLE_CLOSINGS)
    ]
    for number, title in enumerate(random.sample(names, ANIME_COUNT)):
        yield _anime_entry(random, number, title)


def _anime_entry(random: Random, number: int, title: str) -> dict:
    type_ = _draw(random, {name: share for name, (share, _, _) in ANIME_TYPES.items()})
    _, episode_weights, second_weights = ANIME_TYPES[type_]
    status = _draw(random, {"FINISHED": 95, "UPCOMING": 3, "ONGOING": 1.5, "UNKNOWN": 0.5})
    # Most of what there is was made lately: the age in years is exponential.
    year = LAST_YEAR if status == "ONGOING" else LAST_YEAR - min(int(random.expovariate(1 / 14)), 60)
    entry = {
        "sources": [f"https://stand-in.example/anime/{number}"],
        "title": title,
        "type": type_,
        "episodes": 0 if status == "UPCOMING" else _draw(random, episode_weights),
        "status": status,
        "animeSeason": {
            "season": random.choice(("SPRING", "SUMMER", "FALL", "WINTER")),
            "year": LAST_YEAR + 1 if status == "UPCOMING" else year,
        },
        "picture": "https://stand-in.example/no_pic.png",
        "thumbnail": "https://stand-in.example/no_pic_thumbnail.png",
        "duration": {"value": _draw(random, second_weights), "unit": "SECONDS"},
    }
    if status != "UPCOMING" and random.random() < 0.85:
        entry["score"] = _score(random)
    tag_weights = {tag: 1 / (rank + 3) for rank, tag in enumerate(TAGS)}
    tags = {_draw(random, tag_weights) for _ in range(random.choice((0, 2, 3, 4, 4, 5, 6, 8)))}
    return entry | {
        "synonyms": [f"{title} (invented)"] if random.random() < 0.3 else [],
        "studios": [f"stand-in studio {random.randint(1, 40)}"],
        "producers": [],
        "relatedAnime": [],
        "tags": sorted(tags),
    }


def _score(random: Random) -> dict[str, float]:
    mean = round(min(max(random.gauss(6.4, 1.0), 1.5), 9.5), 3)
    median = round(mean + random.uniform(-0.2, 0.2), 3)
    return {
        "arithmeticGeometricMean": round((mean + median) / 2, 4),
        "arithmeticMean": mean,
        "median": median,
    }


def _draw(random: Random, weights: dict):
    return random.choices(list(weights), weights=list(weights.values()))[0]
