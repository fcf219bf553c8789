"""The reader of a MovieLens folder: the four files, what can't be loaded, and the stand-in's layout."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from ingest_samples import manifest, query

from common.errors import UserError
from ingest.making.stand_ins.movielens import write_movielens_stand_in
from ingest.reading.delivery import Delivery
from ingest.reading.movielens import folder_sha256, read_movielens

FILES = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,10,0.5,964982703\n",
    "movies.csv": 'movieId,title,genres\n10,"Paper Bridge, The (1995)",Comedy|Drama\n',
    "tags.csv": "userId,movieId,tag,timestamp\n1,10,twist ending,1139045764\n",
    "links.csv": "movieId,imdbId,tmdbId\n10,0114709,862\n",
}
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A MovieLens folder, with other contents for some of its files; None leaves a file out."""

    def write(**changes: str | None) -> Path:
        for name, content in FILES.items():
            text = changes.get(name.removesuffix(".csv"), content)
            if text is not None:
                (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return tmp_path

    return write


def rows(delivery: Delivery, table: str) -> list[dict]:
    return delivery.tables[f"movielens_{table}"].to_pylist()


def reasons(delivery: Delivery) -> list[tuple]:
    return [
        (reject.file_name, reject.row_number, reject.column, reject.reason) for reject in delivery.rejects
    ]


def test_the_published_folder_is_read_whole(shared_data):
    delivery = read_movielens(shared_data / "ml-latest-small")
    counts = {name.removeprefix("movielens_"): table.num_rows for name, table in delivery.tables.items()}
    assert counts == {"ratings": 100_836, "movies": 9_742, "tags": 3_683, "links": 9_742}
    assert (delivery.rejects, delivery.rows_duplicate) == ([], 0)
    assert pl.from_arrow(delivery.tables["movielens_ratings"])["user_id"].n_unique() == 610
    movies = pl.from_arrow(delivery.tables["movielens_movies"])
    # As grep counts them, header aside: titles without a year, and lines without genres.
    without = movies.filter(pl.col("release_year").is_null())
    assert len(without) == 12 and not movies["title"].str.contains(r"\(\d{4}\)$").any()
    assert movies.filter(pl.col("genres").list.len() == 0).height == 34


TITLES = {
    "Toy Bridge (1995)": ("Toy Bridge", 1995),
    "Ring, The (Anneau, L') (2001)": ("Ring, The (Anneau, L')", 2001),
    "Long Show, The (2006\N{EN DASH}2007)": ("Long Show, The", 2006),
    "Running Show (2016-)": ("Running Show", 2016),
    "2001: A Bridge (1968) ": ("2001: A Bridge", 1968),
    "Bridge 1999": ("Bridge 1999", None),
    "(1999)": ("(1999)", None),
    "Ninth (3000)": ("Ninth (3000)", None),
}


@pytest.mark.parametrize(("published", "wanted"), TITLES.items())
def test_the_year_is_taken_out_of_the_title(published, wanted, folder):
    path = folder(movies=f'movieId,title,genres\n10,"{published}",(no genres listed)\n')
    [movie] = rows(read_movielens(path), "movies")
    assert (movie["title"], movie["release_year"]) == wanted
    assert movie["genres"] == []


def test_genres_are_split_and_ids_kept_as_published(folder):
    delivery = read_movielens(folder())
    assert rows(delivery, "movies")[0]["genres"] == ["Comedy", "Drama"]
    assert rows(delivery, "links")[0] | {"_row_number": 0} == {
        "movie_id": 10,
        "imdb_id": "0114709",
        "tmdb_id": 862,
        "_row_number": 0,
    }


BAD_ROWS = {
    "0,10,4.0,964982703x": ("timestamp", "the time is not in whole seconds since 1970"),
    "x,10,4.0,964982703": ("userId", "the user id is not a whole number"),
    "1,,4.0,964982703": ("movieId", "the movie id is not a whole number"),
    "1,10,5.5,964982703": ("rating", "the rating is not a number within 0.5 to 5"),
    "1,10,good,964982703": ("rating", "the rating is not a number within 0.5 to 5"),
    "1,10,4.0,5": ("timestamp", "the time is before 1990"),
    "1,10,4.0,99999999999": ("timestamp", "the time is in the future"),
    "1,10,4.0": (None, "too few columns: the header names 4 (found 3)"),
}


@pytest.mark.parametrize(("line", "wanted"), BAD_ROWS.items())
def test_a_row_that_cannot_be_loaded_is_kept_with_its_reason(line, wanted, folder):
    delivery = read_movielens(folder(ratings=f"{FILES['ratings.csv']}{line}\n"))
    assert reasons(delivery) == [("ratings.csv", 4, *wanted)]
    assert delivery.rejects[0].raw_text == line
    assert (delivery.rows_read, len(rows(delivery, "ratings"))) == (6, 2)


def test_a_row_again_is_a_duplicate_and_a_second_opinion_a_reject(folder):
    again = FILES["ratings.csv"] + "1,10,4.0,964982703\n1,10,3.0,964982704\n"
    delivery = read_movielens(folder(ratings=again))
    assert delivery.rows_duplicate == 1
    assert reasons(delivery) == [
        ("ratings.csv", 5, None, "another row has the same user_id, movie_id already (row 2)")
    ]


def test_a_folder_that_is_none_is_one_line(folder, tmp_path):
    with pytest.raises(UserError, match=r"has no tags\.csv: name a MovieLens folder, as published"):
        read_movielens(folder(tags=None))
    with pytest.raises(UserError, match="no such folder"):
        read_movielens(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is no folder"):
        read_movielens(tmp_path / "links.csv")
    with pytest.raises(UserError, match="its columns are a, b, and not userId, movieId, rating, timestamp"):
        read_movielens(folder(ratings="a,b\n1,2\n", tags=FILES["tags.csv"]))


def test_the_hash_is_of_all_four_files(folder):
    before = folder_sha256(folder())
    assert folder_sha256(folder()) == before
    assert folder_sha256(folder(tags=FILES["tags.csv"] + "2,10,slow,1139045764\n")) != before


def test_the_stand_in_goes_through_the_same_reader(tmp_path):
    delivery = read_movielens(write_movielens_stand_in(tmp_path))
    assert (delivery.rejects, delivery.rows_duplicate) == ([], 0)
    movies = {row["movie_id"] for row in rows(delivery, "movies")}
    assert {row["movie_id"] for row in rows(delivery, "ratings")} <= movies
    assert {row["movie_id"] for row in rows(delivery, "links")} == movies


def test_a_folder_takes_the_place_of_the_one_before(ingest, folder):
    ingest("movielens", folder())
    ingest("movielens", folder(ratings="userId,movieId,rating,timestamp\n7,10,4.0,964982703\n"))
    assert [row[2:] for row in manifest("movielens")] == [(5, 5, 0, 0, False), (4, 4, 0, 0, True)]
    assert query("select user_id, _source_file from raw.movielens_ratings") == [(7, "ratings.csv")]
