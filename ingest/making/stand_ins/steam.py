"""Invented purchases and plays in the layout of steam-200k.csv."""

import csv
from collections.abc import Iterator
from itertools import accumulate, product
from pathlib import Path
from random import Random

from ingest.making.stand_ins import SEED, words

STEAM_USERS = 3_000
GAME_OPENINGS = words(
    """
    Star Iron Shadow Turbo Pixel Mega Frost Dune Neon Rogue Castle Void Jungle Solar Bandit Hyper Mole
    Storm Rusty Quantum
    """
)
GAME_SUBJECTS = words(
    """
    Hauler Siege Gardens Protocol Tycoon Drift Legion Kitchen Odyssey Arena Miner Manager Outpost Racer
    Quest Tactics
    """
)
# Commas and quotes in titles are what a reader of this layout trips over.
GAME_CLOSINGS = ("", " II", ", or the Long Way Home", ' "Gold" Edition')
REPEATED_PLAYS = 12


def write_steam_stand_in(folder: Path) -> Path:
    """Write purchases and plays of invented players as CSV into `folder`; return its path."""
    path = folder / "stand-in-steam-200k.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(_steam_rows(Random(SEED)))
    return path


def _steam_rows(random: Random) -> Iterator[tuple[int, str, str, float, int]]:
    games = [
        f"{opening} {subject}{closing}"
        for opening, subject, closing in product(GAME_OPENINGS, GAME_SUBJECTS, GAME_CLOSINGS)
    ]
    random.shuffle(games)
    popularity = list(accumulate(1 / (rank + 8) for rank in range(len(games))))
    median_hours = {game: random.lognormvariate(0.7, 1.2) for game in games}
    repeats = set(random.sample(range(STEAM_USERS), REPEATED_PLAYS))
    for user in range(STEAM_USERS):
        user_id = 900_000_000 + user
        library = dict.fromkeys(random.choices(games, cum_weights=popularity, k=_library_size(random)))
        devotion = random.lognormvariate(0.0, 0.8)
        for place, game in enumerate(library):
            yield user_id, game, "purchase", 1.0, 0
            # The first game is the one they came for; of the others, half are never started.
            is_played = random.random() < (0.92 if place == 0 else 0.45)
            for _ in range(is_played + (place == 0 and user in repeats)):
                hours = devotion * median_hours[game] * random.lognormvariate(0.0, 1.3)
                yield user_id, game, "play", max(round(hours, 1), 0.1), 0


def _library_size(random: Random) -> int:
    """Most own a game or two, a few own hundreds."""
    return min(1 + int(random.paretovariate(0.9) * 1.1), 300)
