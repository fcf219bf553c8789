"""The invented files: always the same, read by the very same readers, and shaped like the real ones."""

from collections import Counter
from statistics import mean, median, stdev

import pytest

from ingest.making.stand_ins.anime import write_anime_stand_in
from ingest.making.stand_ins.steam import write_steam_stand_in
from ingest.reading.anime import read_anime
from ingest.reading.steam import read_steam
from ingest.sources import SOURCES


@pytest.fixture(scope="module")
def anime(tmp_path_factory):
    delivery = read_anime(write_anime_stand_in(tmp_path_factory.mktemp("anime")))
    assert (delivery.rows_read, delivery.rejects, delivery.rows_duplicate) == (2_000, [], 0)
    return delivery.tables["anime"].to_pylist()


@pytest.fixture(scope="module")
def steam(tmp_path_factory):
    delivery = read_steam(write_steam_stand_in(tmp_path_factory.mktemp("steam")))
    assert delivery.rejects == []
    return delivery.tables["steam_behaviors"].to_pylist()


def contents(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [(file.name, file.read_bytes()) for file in files]


@pytest.mark.parametrize("name", SOURCES)
def test_a_stand_in_is_the_same_each_time(name, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (SOURCES[name].write_stand_in(folder) for folder in folders)
    assert contents(first) == contents(second)
    assert first.name.startswith("stand-in")


def test_the_catalogue_is_shaped_like_the_real_one(anime):
    assert len({row["title"] for row in anime}) == len({row["anime_id"] for row in anime}) == 2_000
    assert all(row["anime_id"].startswith("stand-in.example:anime/") for row in anime)
    series = [row for row in anime if row["type"] == "TV"]
    assert 0.30 < len(series) / 2_000 < 0.38
    assert {row["type"] for row in anime} == {"TV", "MOVIE", "OVA", "ONA", "SPECIAL", "UNKNOWN"}
    usual = Counter(row["episodes"] for row in series)
    assert sum(usual[count] for count in (12, 13, 24, 26)) > len(series) / 2
    scores = [row["score_arithmetic_mean"] for row in anime if row["score_arithmetic_mean"] is not None]
    assert 1_500 < len(scores) < 1_900
    assert 6.0 < mean(scores) < 6.8 and 0.8 < stdev(scores) < 1.2
    assert len({tag for row in anime for tag in row["tags"]}) >= 30
    assert {"comedy", "action", "romance"} <= {tag for row in anime for tag in row["tags"]}
    assert any(not row["tags"] for row in anime)


def test_what_is_upcoming_has_no_score_and_no_episodes(anime):
    upcoming = [row for row in anime if row["status"] == "UPCOMING"]
    assert upcoming
    assert {(row["score_arithmetic_mean"], row["episodes"]) for row in upcoming} == {(None, 0)}


def test_the_players_are_shaped_like_the_real_ones(steam):
    purchases = Counter((row["user_id"], row["game_title"]) for row in steam if row["behavior"] == "purchase")
    plays = Counter((row["user_id"], row["game_title"]) for row in steam if row["behavior"] == "play")
    assert len({user for user, _ in purchases}) == 3_000
    assert 35_000 < len(steam) < 45_000
    assert set(purchases.values()) == {1}
    assert plays.keys() < purchases.keys()
    assert 0.4 < len(plays) / len(purchases) < 0.7
    assert 5 <= sum(count == 2 for count in plays.values()) <= 12
    assert len({user for user, _ in purchases} - {user for user, _ in plays}) > 30


def test_hours_have_a_heavy_tail_and_no_play_is_without_hours(steam):
    hours = [row["value"] for row in steam if row["behavior"] == "play"]
    assert min(hours) == 0.1
    assert mean(hours) > 3 * median(hours)
    assert {row["value"] for row in steam if row["behavior"] == "purchase"} == {1.0}


def test_games_have_titles_that_a_careless_reader_breaks(steam):
    titles = {row["game_title"] for row in steam}
    assert any("," in title for title in titles) and any('"' in title for title in titles)
