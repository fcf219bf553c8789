"""The kinds of published files that can be loaded. A new kind is a reader, a stand-in, and an entry here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.making.stand_ins.anime import write_anime_stand_in
from ingest.making.stand_ins.movielens import write_movielens_stand_in
from ingest.making.stand_ins.steam import write_steam_stand_in
from ingest.reading.anime import read_anime
from ingest.reading.delivery import Delivery
from ingest.reading.files import sha256_of
from ingest.reading.movielens import folder_sha256, read_movielens
from ingest.reading.steam import read_steam


@dataclass(frozen=True)
class Source:
    """One kind of file: how it is read, where its rows go, what stands in when none is given.

    A new file replaces the rows there are, or is appended to them; appended rows are deduplicated on
    `event_id`. `write_stand_in` writes a file of the same layout into a folder and returns its path; `sha256`
    tells one file from another.
    """

    name: str
    help: str
    read: Callable[[Path], Delivery]
    write_stand_in: Callable[[Path], Path]
    tables: tuple[str, ...]
    new_file: Literal["replaces", "appends"]
    licence: str
    sha256: Callable[[Path], str] = sha256_of


ANIME = Source(
    name="anime",
    help="an anime catalogue: a release file of the anime-offline-database",
    read=read_anime,
    write_stand_in=write_anime_stand_in,
    tables=("anime",),
    new_file="replaces",
    licence="not told by the file",
)

STEAM = Source(
    name="steam",
    help="Steam behaviour: steam-200k.csv",
    read=read_steam,
    write_stand_in=write_steam_stand_in,
    tables=("steam_behaviors",),
    new_file="appends",
    licence="public Kaggle set 'Steam Video Games' (tamber), see its page",
)

MOVIELENS = Source(
    name="movielens",
    help="MovieLens: the folder with ratings.csv, movies.csv, tags.csv and links.csv",
    read=read_movielens,
    write_stand_in=write_movielens_stand_in,
    tables=("movielens_ratings", "movielens_movies", "movielens_tags", "movielens_links"),
    new_file="replaces",
    licence="GroupLens, see README.txt",
    sha256=folder_sha256,
)

SOURCES = {source.name: source for source in (ANIME, STEAM, MOVIELENS)}
