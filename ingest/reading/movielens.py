"""Reads a MovieLens folder as GroupLens publishes it: ratings, movies, tags and links."""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow

from common.errors import UserError, listed
from ingest.reading.csv_records import RAW_TEXT, ROW_NUMBER, open_csv
from ingest.reading.delivery import Delivery, Reject
from ingest.reading.files import sha256_of

# The year stands in brackets at the title's end; of a span of years (with whatever dash) the first counts.
TITLE = r"^(?<title>.*\S)\s*\((?<year>(?:18[7-9]|19\d|20\d)\d)(?:\p{Pd}(?:\d{4})?)?\)$"
NO_GENRES = "(no genres listed)"
RATINGS = (0.5, 5.0)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
CLOCK_ERROR = timedelta(days=1)
FAULT = "_fault"

# The column at fault, the reason, and what has to hold.
Check = tuple[str, str, pl.Expr]


@dataclass(frozen=True)
class _File:
    """One of the files: its columns, its table there, and the table's columns that no two rows share."""

    name: str
    columns: tuple[str, ...]
    checks: list[Check]
    values: dict[str, pl.Expr]
    key: tuple[str, ...]

    @property
    def table(self) -> str:
        return f"movielens_{self.name.removesuffix('.csv')}"


def read_movielens(folder: Path) -> Delivery:
    """Read `ratings.csv`, `movies.csv`, `tags.csv` and `links.csv`.

    A row equal to an earlier one is a duplicate; a different row with a key already in use is rejected, since
    one of the two would be lost.

    Raises:
        UserError: the folder or a file is missing, empty, damaged, not UTF-8, or has another header.
    """
    tables: dict[str, pyarrow.Table] = {}
    rejects: list[Reject] = []
    duplicates = 0
    for file in _files(datetime.now(UTC)):
        rows, unusable = _read(_path(folder, file.name), file)
        first, repeated, count = _first_of_each_key(rows, file)
        tables[file.table] = first.select(*file.values, ROW_NUMBER).to_arrow()
        rejects += [*unusable, *repeated]
        duplicates += count
    if not tables["movielens_ratings"].num_rows and not rejects:
        raise UserError(f"{folder / 'ratings.csv'} has no rows: name a MovieLens folder, as published")
    file_names = {file.table: file.name for file in _files(EARLIEST)}
    return Delivery(tables, rejects, duplicates, file_names=file_names)


def folder_sha256(folder: Path) -> str:
    """One hash over the contents of the four files.

    Raises:
        UserError: the folder or a file is missing, or can't be read.
    """
    digest = hashlib.sha256()
    for file in _files(EARLIEST):
        digest.update(f"{file.name} {sha256_of(_path(folder, file.name))}\n".encode())
    return digest.hexdigest()


def _path(folder: Path, name: str) -> Path:
    # Other than pathlib's, these take a name that no file can have for one that no file has.
    if not os.path.isdir(folder):  # noqa: PTH112
        fault = "is no folder" if os.path.exists(folder) else "no such folder"  # noqa: PTH110
        raise UserError(
            f"{folder}: {fault}: name the folder that holds ratings, movies, tags and links (.csv)"
        )
    path = folder / name
    if not os.path.exists(path):  # noqa: PTH110
        raise UserError(f"{folder} has no {name}: name a MovieLens folder, as published")
    return path


def _read(path: Path, file: _File) -> tuple[pl.DataFrame, list[Reject]]:
    """The rows that pass the checks, as the table's columns; the others as rejects."""
    csv_file = open_csv(path)
    if csv_file.columns != file.columns:
        raise UserError(
            f"{path}: its columns are {listed(csv_file.columns)}, and not {', '.join(file.columns)}: "
            "name a MovieLens folder, as published"
        )
    parts: list[pl.DataFrame] = []
    rejects: list[Reject] = []
    for block in csv_file.blocks():
        rejects += [_named(reject, path.name) for reject in block.rejects]
        rows = pl.from_arrow(block.rows).with_columns(_fault(file.checks))
        for number, fault, text in (
            rows.filter(pl.col(FAULT).is_not_null()).select(ROW_NUMBER, FAULT, RAW_TEXT).iter_rows()
        ):
            column, reason, _ = file.checks[fault]
            rejects.append(Reject(number, column, reason, text.rstrip("\r\n"), path.name))
        good = rows.filter(pl.col(FAULT).is_null())
        parts.append(good.select(ROW_NUMBER, RAW_TEXT, **file.values))
    return pl.concat(parts), sorted(rejects, key=lambda reject: reject.row_number)


def _fault(checks: list[Check]) -> pl.Expr:
    """The place in `checks` of the first that fails, or null."""
    return pl.coalesce(
        pl.when(~holds.fill_null(False)).then(pl.lit(place)) for place, (_, _, holds) in enumerate(checks)
    ).alias(FAULT)


def _first_of_each_key(rows: pl.DataFrame, file: _File) -> tuple[pl.DataFrame, list[Reject], int]:
    """The first row of each key; rows with its key and other values as rejects; how many are equal to it."""
    if not rows.select(file.key).is_duplicated().any():
        return rows, [], 0
    first = rows.unique(file.key, keep="first", maintain_order=True)
    later = rows.join(first, on=ROW_NUMBER, how="anti")
    pairs = later.join(first, on=file.key, suffix="_first", maintain_order="left")
    others = [name for name in file.values if name not in file.key]
    is_equal = pl.all_horizontal(
        pl.lit(True), *(pl.col(name).eq_missing(pl.col(f"{name}_first")) for name in others)
    )
    reason = f"another row has the same {', '.join(file.key)} already"
    different = pairs.filter(~is_equal).select(ROW_NUMBER, f"{ROW_NUMBER}_first", RAW_TEXT)
    rejects = [
        Reject(number, None, f"{reason} (row {number_first})", text.rstrip("\r\n"), file.name)
        for number, number_first, text in different.iter_rows()
    ]
    return first, rejects, len(pairs) - len(rejects)


def _named(reject: Reject, file_name: str) -> Reject:
    return Reject(reject.row_number, reject.column, reject.reason, reject.raw_text, file_name)


def _files(now: datetime) -> tuple[_File, ...]:
    user = _id_check("userId", "user")
    movie = _id_check("movieId", "movie")
    user_id, movie_id = _whole("userId"), _whole("movieId")
    times = _time_checks(now + CLOCK_ERROR)
    at = pl.from_epoch(_whole("timestamp"), time_unit="s").cast(pl.Datetime("us"))
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    in_range = ("rating", "the rating is not a number within 0.5 to 5", rating.is_between(*RATINGS))
    title = pl.col("title").str.strip_chars()
    parts = title.str.extract_groups(TITLE).struct
    genres = pl.col("genres").str.strip_chars().str.split("|")
    return (
        _File(
            "ratings.csv",
            ("userId", "movieId", "rating", "timestamp"),
            [user, movie, in_range, *times],
            {"user_id": user_id, "movie_id": movie_id, "rating": rating, "rated_at": at},
            ("user_id", "movie_id"),
        ),
        _File(
            "movies.csv",
            ("movieId", "title", "genres"),
            [movie, ("title", "the title is empty", title != "")],
            {
                "movie_id": movie_id,
                "title": pl.coalesce(parts.field("title"), title),
                "release_year": parts.field("year").cast(pl.Int16),
                "genres": genres.list.eval(pl.element().filter(~pl.element().is_in(["", NO_GENRES]))),
            },
            ("movie_id",),
        ),
        _File(
            "tags.csv",
            ("userId", "movieId", "tag", "timestamp"),
            [user, movie, ("tag", "the tag is empty", pl.col("tag").str.strip_chars() != ""), *times],
            {"user_id": user_id, "movie_id": movie_id, "tag": pl.col("tag"), "tagged_at": at},
            ("user_id", "movie_id", "tag", "tagged_at"),
        ),
        _File(
            "links.csv",
            ("movieId", "imdbId", "tmdbId"),
            [movie, _id_check("imdbId", "IMDb", least=0), _id_check("tmdbId", "TMDB", least=0)],
            {
                "movie_id": movie_id,
                "imdb_id": pl.when(pl.col("imdbId") != "").then(pl.col("imdbId")),
                "tmdb_id": _whole("tmdbId"),
            },
            ("movie_id",),
        ),
    )


def _whole(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64, strict=False)


def _id_check(column: str, what: str, *, least: int = 1) -> Check:
    holds = pl.col(column).str.contains(f"^[0-9]{{{least},18}}$")
    return column, f"the {what} id is not a whole number", holds


def _time_checks(latest: datetime) -> list[Check]:
    seconds = _whole("timestamp")
    is_number = pl.col("timestamp").str.contains("^[0-9]{1,18}$")
    return [
        ("timestamp", "the time is not in whole seconds since 1970", is_number),
        ("timestamp", f"the time is before {EARLIEST.year}", seconds >= int(EARLIEST.timestamp())),
        ("timestamp", "the time is in the future", seconds <= int(latest.timestamp())),
    ]
