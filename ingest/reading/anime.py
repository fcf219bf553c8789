"""Reads the anime-offline-database, in each layout it is published in, into rows for `raw.anime`."""

import hashlib
import json
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow

from common.errors import UserError
from ingest.reading.anime_layouts import Entry, read_entries
from ingest.reading.delivery import Delivery, Reject, RowBuffer, UnusableRowError

TYPES = frozenset({"TV", "MOVIE", "OVA", "ONA", "SPECIAL", "UNKNOWN"})
STATUSES = frozenset({"FINISHED", "ONGOING", "UPCOMING", "UNKNOWN"})
SEASONS = frozenset({"SPRING", "SUMMER", "FALL", "WINTER", "UNDEFINED"})
# The longest series has about 8,000 episodes; the first anime is of 1907, and the publisher scores 1 to 10.
EPISODES = (0, 20_000)
YEARS = (1907, 2100)
DURATION_SECONDS = (1, 7 * 24 * 3600)
SCORES = (1.0, 10.0)

# Where an anime's id comes from, the first that knows it: host, name in the id, what precedes the id in
# the address. The order is fixed, and so is the choice among several addresses of one provider (the
# shortest, so the lowest number): ids stay the same when a later release knows more addresses.
PROVIDERS = (
    ("myanimelist.net", "myanimelist", "anime/"),
    ("anidb.net", "anidb", "anime/"),
    ("anilist.co", "anilist", "anime/"),
    ("kitsu.app", "kitsu", "anime/"),
    ("kitsu.io", "kitsu", "anime/"),
    ("anime-planet.com", "anime-planet", "anime/"),
    ("animenewsnetwork.com", "animenewsnetwork", "encyclopedia/anime.php?id="),
    ("anisearch.com", "anisearch", "anime/"),
    ("livechart.me", "livechart", "anime/"),
    ("notify.moe", "notify.moe", "anime/"),
    ("simkl.com", "simkl", "anime/"),
    ("animecountdown.com", "animecountdown", ""),
)
RANK_BY_NAME = {name: rank for rank, (_, name, _) in enumerate(PROVIDERS)}
PROVIDER_BY_HOST = {host: (name, prefix) for host, name, prefix in PROVIDERS}

TEXTS = pyarrow.list_(pyarrow.string())
SCHEMA = {
    "anime_id": pyarrow.string(),
    "title": pyarrow.string(),
    "type": pyarrow.string(),
    "episodes": pyarrow.int32(),
    "status": pyarrow.string(),
    "season": pyarrow.string(),
    "year": pyarrow.int16(),
    "duration_seconds": pyarrow.int32(),
    "score_arithmetic_geometric_mean": pyarrow.float64(),
    "score_arithmetic_mean": pyarrow.float64(),
    "score_median": pyarrow.float64(),
    "picture": pyarrow.string(),
    "thumbnail": pyarrow.string(),
    "sources": TEXTS,
    "synonyms": TEXTS,
    "studios": TEXTS,
    "producers": TEXTS,
    "related_anime": TEXTS,
    "tags": TEXTS,
    "_row_number": pyarrow.int64(),
}


def read_anime(path: Path) -> Delivery:
    """Read a catalogue: `.json`, minified `.json` or `.jsonl`, each also packed with zstd or gzip.

    An entry equal to an earlier one is a duplicate; a different entry with an id already in use is
    rejected, since one of the two would be lost.

    Raises:
        UserError: the file is missing, empty, damaged, cut off, not UTF-8, or no catalogue.
    """
    rows = RowBuffer(SCHEMA)
    rejects: list[Reject] = []
    duplicates = 0
    seen: dict[str, tuple[int, bytes]] = {}
    metadata: dict = {}
    for entry in read_entries(path, metadata):
        try:
            row = _parse(entry)
            digest = hashlib.blake2b(entry.raw_text.encode(), digest_size=16).digest()
            first_number, first_digest = seen.setdefault(row[0], (entry.number, digest))
            if first_number == entry.number:
                rows.append((*row, entry.number))
            elif first_digest == digest:
                duplicates += 1
            else:
                reason = f"another entry has this anime_id already (row {first_number}, {row[0]})"
                raise UnusableRowError("sources", reason)
        except UnusableRowError as fault:
            rejects.append(Reject(entry.number, fault.column, fault.reason, entry.raw_text))
    table = rows.to_table()
    if not table.num_rows and not rejects:
        raise UserError(f"{path} holds no anime: give it a release file of the anime-offline-database")
    return Delivery({"anime": table}, rejects, duplicates, _licence(metadata), _published_on(metadata))


def anime_id(sources: list[str], otherwise: Callable[[], str]) -> str:
    """The id `provider:id` of the first provider present; `otherwise()` when no address holds an id.

    An unknown host gives `host:path`.
    """
    candidates = [found for source in sources if (found := _provider_id(source))]
    if not candidates:
        return otherwise()
    name, number = min(
        candidates,
        key=lambda found: (RANK_BY_NAME.get(found[0], len(PROVIDERS)), found[0], len(found[1]), found[1]),
    )
    return f"{name}:{number}"


def _provider_id(source: str) -> tuple[str, str] | None:
    host, _, path = source.partition("://")[2].partition("/")
    host = host.lower().removeprefix("www.")
    name, prefix = PROVIDER_BY_HOST.get(host, (host, ""))
    number = path.removeprefix(prefix).strip("/")
    return (name, number) if name and number else None


def _parse(entry: Entry) -> tuple:
    """The row's values in the order of the schema, without the row number."""
    if entry.fault is not None:
        raise UnusableRowError(None, entry.fault)
    value = entry.value
    if not isinstance(value, dict):
        raise UnusableRowError(None, "the entry is not an object")
    # The file is UTF-8, so only an escape can bring in half of a surrogate pair, which is no text.
    if "\\u" in entry.raw_text and _holds_lone_surrogate(value):
        raise UnusableRowError(None, "a text holds half of a surrogate pair")
    title = value.get("title")
    if not isinstance(title, str) or not title.strip():
        raise UnusableRowError("title", "the title is missing, empty or not a text")
    type_ = _one_of(value, "type", TYPES)
    status = _one_of(value, "status", STATUSES)
    season, year = _season(value)
    sources = _texts(value, "sources")
    score = _object(value, "score")
    return (
        anime_id(sources, lambda: _content_id(title, type_, season, year)),
        title,
        type_,
        _whole_number(value.get("episodes"), "episodes", EPISODES),
        status,
        season,
        year,
        _duration_seconds(value),
        _score(score.get("arithmeticGeometricMean")),
        _score(score.get("arithmeticMean")),
        _score(score.get("median")),
        _text(value, "picture"),
        _text(value, "thumbnail"),
        sources,
        _texts(value, "synonyms"),
        _texts(value, "studios"),
        _texts(value, "producers"),
        _texts(value, "relatedAnime"),
        _texts(value, "tags"),
    )


def _one_of(entry: dict, key: str, allowed: frozenset[str]) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise UnusableRowError(key, f"{key} is none of {', '.join(sorted(allowed))}")
    return value


def _season(entry: dict) -> tuple[str | None, int | None]:
    season = _object(entry, "animeSeason")
    name = _one_of(season, "season", SEASONS) if season.get("season") is not None else None
    year = season.get("year")
    return name, None if year is None else _whole_number(year, "year", YEARS)


def _duration_seconds(entry: dict) -> int | None:
    duration = _object(entry, "duration")
    if not duration:
        return None
    if duration.get("unit") != "SECONDS":
        raise UnusableRowError("duration", "the duration's unit is not SECONDS")
    return _whole_number(duration.get("value"), "duration", DURATION_SECONDS)


def _whole_number(value: object, column: str, limits: tuple[int, int]) -> int:
    if not _is_number(value) or (isinstance(value, float) and not value.is_integer()):
        raise UnusableRowError(column, f"{column} is not a whole number")
    lowest, highest = limits
    if not lowest <= value <= highest:
        raise UnusableRowError(column, f"{column} is not within {lowest:,} to {highest:,}")
    return int(value)


def _score(value: object) -> float | None:
    if value is None:
        return None
    lowest, highest = SCORES
    if not _is_number(value) or not lowest <= value <= highest:
        raise UnusableRowError("score", f"the score is not a number within {lowest:g} to {highest:g}")
    return float(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _object(entry: dict, key: str) -> dict:
    value = entry.get(key)
    if value is not None and not isinstance(value, dict):
        raise UnusableRowError(key, f"{key} is not an object")
    return value or {}


def _text(entry: dict, key: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise UnusableRowError(key, f"{key} is not a text")
    return value


def _texts(entry: dict, key: str) -> list[str]:
    value = entry.get(key)
    if value is None or value == []:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnusableRowError(key, f"{key} is not a list of texts")
    return value


def _holds_lone_surrogate(value: dict) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    except RecursionError as error:
        raise UnusableRowError(None, "the entry is nested too deeply") from error
    return False


def _content_id(title: str, type_: str, season: str | None, year: int | None) -> str:
    content = json.dumps([title, type_, season, year])
    return "no-source:" + hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def _licence(metadata: dict) -> str | None:
    licence = metadata.get("license")
    name = licence.get("name") if isinstance(licence, dict) else None
    return name.encode("utf-8", "replace").decode() if isinstance(name, str) else None


def _published_on(metadata: dict) -> date | None:
    try:
        return date.fromisoformat(metadata.get("lastUpdate", ""))
    except (TypeError, ValueError):
        return None
