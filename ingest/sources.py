"""The kinds of files that can be loaded. A new kind is one module with its `Source`, and a line here."""

from ingest.anime import ANIME
from ingest.movielens import MOVIELENS
from ingest.steam import STEAM

SOURCES = {source.name: source for source in (ANIME, STEAM, MOVIELENS)}
