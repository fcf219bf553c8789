"""Small files in the published layouts, and short ways to look into the warehouse."""

import json

from common.warehouse import open_warehouse

METADATA = {
    "license": {"name": "A licence", "url": "https://licence.example"},
    "repository": "https://github.com/manami-project/anime-offline-database",
    "scoreRange": {"minInclusive": 1.0, "maxInclusive": 10.0},
    "lastUpdate": "2025-12-13",
}


def anime_entry(number: int = 1, **changes: object) -> dict:
    """An entry as published, with `changes` to its fields; None leaves a field out."""
    entry = {
        "sources": [f"https://myanimelist.net/anime/{number}"],
        "title": f"Title {number}",
        "type": "TV",
        "episodes": 12,
        "status": "FINISHED",
        "animeSeason": {"season": "SPRING", "year": 2020},
        "picture": "https://picture.example/1.png",
        "thumbnail": "https://picture.example/1_small.png",
        "duration": {"value": 1440, "unit": "SECONDS"},
        "score": {"arithmeticGeometricMean": 7.1, "arithmeticMean": 7.2, "median": 7.0},
        "synonyms": ["Another title"],
        "studios": ["a studio"],
        "producers": ["a producer"],
        "relatedAnime": ["https://myanimelist.net/anime/99"],
        "tags": ["comedy", "drama"],
    }
    return {key: value for key, value in (entry | changes).items() if value is not None}


def json_lines(*entries: object, metadata: dict | None = METADATA) -> str:
    """The `.jsonl` layout: metadata, then an entry a line. A text goes in as it is."""
    records = ([metadata] if metadata else []) + list(entries)
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)


def query(sql: str) -> list[tuple]:
    """All rows that a query finds in the warehouse."""
    with open_warehouse(read_only=True) as connection:
        return connection.execute(sql).fetchall()


def manifest(source: str) -> list[tuple]:
    """Origin, file, the four counts and whether it is current, of each load of a source in turn."""
    return query(
        f"""
        select origin, file_name, rows_read, rows_loaded, rows_rejected, rows_duplicate, is_current
        from raw.load_manifest where source = '{source}' order by loaded_at
        """
    )
