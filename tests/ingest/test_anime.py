"""The reader of the anime catalogue: layouts, ids, and every way in which an entry or a file can be bad."""

import gzip
import json
from pathlib import Path

import jsonschema
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_samples import METADATA, anime_entry, json_lines

from common.errors import UserError
from ingest.making.stand_ins.anime import write_anime_stand_in
from ingest.reading.anime import anime_id, read_anime
from ingest.reading.delivery import Delivery

ODD_TITLES = {
    "markup": "<script>alert('1')</script> & <b>bold</b>",
    "quotes": """ "double", 'single', `back` and \\ """,
    "emoji": "🎌👩‍👩‍👧 Family",
    "right to left": "\u202eكتب שלום\u202c",
    "control characters": "bell \a, escape \x1b[31m, tab \t, zero \x00, line\nbreak, \u2028 separator",
    "10,000 characters": "長" * 10_000,
}


def rows_of(delivery: Delivery) -> list[dict]:
    return delivery.tables["anime"].to_pylist()


def only_reject(path: Path) -> tuple[int, str | None, str]:
    """Row, column and reason of the one reject beside the one good row."""
    delivery = read_anime(path)
    assert delivery.tables["anime"].num_rows == 1
    [reject] = delivery.rejects
    return reject.row_number, reject.column, reject.reason


def test_all_fields_of_an_entry_are_read(write):
    [row] = rows_of(read_anime(write("a.jsonl", json_lines(anime_entry()))))
    assert row == {
        "anime_id": "myanimelist:1",
        "title": "Title 1",
        "type": "TV",
        "episodes": 12,
        "status": "FINISHED",
        "season": "SPRING",
        "year": 2020,
        "duration_seconds": 1440,
        "score_arithmetic_geometric_mean": 7.1,
        "score_arithmetic_mean": 7.2,
        "score_median": 7.0,
        "picture": "https://picture.example/1.png",
        "thumbnail": "https://picture.example/1_small.png",
        "sources": ["https://myanimelist.net/anime/1"],
        "synonyms": ["Another title"],
        "studios": ["a studio"],
        "producers": ["a producer"],
        "related_anime": ["https://myanimelist.net/anime/99"],
        "tags": ["comedy", "drama"],
        "_row_number": 2,
    }


def test_what_is_optional_may_be_missing(write):
    entry = {"title": "Bare", "type": "OVA", "episodes": 1.0, "status": "UNKNOWN"}
    [row] = rows_of(read_anime(write("a.jsonl", json_lines(entry))))
    assert row["episodes"] == 1
    assert [row[key] for key in ("season", "year", "duration_seconds", "score_median", "picture")] == [
        None
    ] * 5
    assert [row[key] for key in ("sources", "synonyms", "studios", "producers", "tags")] == [[]] * 5


LINES = json_lines(anime_entry(1), anime_entry(2))
WHOLE = METADATA | {"data": [anime_entry(1), anime_entry(2)]}
LAYOUTS = {
    "release.jsonl": LINES.encode(),
    "release.jsonl.zst": zstandard.compress(LINES.encode()),
    "release.json": json.dumps(WHOLE, indent=2).encode(),
    "release-minified.json": json.dumps(WHOLE, separators=(",", ":")).encode(),
    "release-minified.json.zst": zstandard.compress(json.dumps(WHOLE).encode()),
    "release.json.gz": gzip.compress(json.dumps(WHOLE).encode()),
    "two-frames.jsonl.zst": zstandard.compress(LINES[:100].encode())
    + zstandard.compress(LINES[100:].encode()),
    "zstd-without-saying-so.json": zstandard.compress(json.dumps(WHOLE).encode()),
    "lines-named.json": LINES.encode(),
    "object-named.jsonl": json.dumps(WHOLE).encode(),
    "byte-order-mark.jsonl": b"\xef\xbb\xbf" + LINES.encode(),
    "byte-order-mark.json": b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(),
    "utf-16.json": json.dumps(WHOLE).encode("utf-16"),
    "utf-16.jsonl": LINES.encode("utf-16"),
    "windows-lines.jsonl": LINES.replace("\n", "\r\n").encode(),
    "blank-lines.jsonl": LINES.replace("\n", "\n\n").encode(),
    "no-last-line-end.jsonl": LINES.removesuffix("\n").encode(),
    "data-first.json": json.dumps({"data": WHOLE["data"]} | METADATA).encode(),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_rows_and_metadata(name, write):
    delivery = read_anime(write(name, LAYOUTS[name]))
    assert [row["title"] for row in rows_of(delivery)] == ["Title 1", "Title 2"]
    assert (delivery.rows_read, delivery.rejects, delivery.licence) == (2, [], "A licence")
    assert str(delivery.published_on) == "2025-12-13"


def test_lines_without_metadata_are_read_from_the_first(write):
    delivery = read_anime(write("a.jsonl", json_lines(anime_entry(), metadata=None)))
    assert [row["_row_number"] for row in rows_of(delivery)] == [1]
    assert (delivery.licence, delivery.published_on) == (None, None)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            ["https://kitsu.app/anime/7", "https://anidb.net/anime/5", "https://myanimelist.net/anime/9"],
            "myanimelist:9",
        ),
        (["https://anilist.co/anime/3", "https://anidb.net/anime/5"], "anidb:5"),
        (["https://livechart.me/anime/3", "https://anilist.co/anime/8"], "anilist:8"),
        (["https://kitsu.io/anime/7"], "kitsu:7"),
        (["https://kitsu.app/anime/7"], "kitsu:7"),
        (["https://www.anime-planet.com/anime/death-note"], "anime-planet:death-note"),
        (["https://animenewsnetwork.com/encyclopedia/anime.php?id=6592"], "animenewsnetwork:6592"),
        (["https://notify.moe/anime/0-A-5Fimg"], "notify.moe:0-A-5Fimg"),
        (["https://animecountdown.com/38222"], "animecountdown:38222"),
        # A later release knows one more address of the same provider, or a provider nobody ranks.
        (["https://myanimelist.net/anime/10", "https://myanimelist.net/anime/9"], "myanimelist:9"),
        (["https://aaa.example/1", "https://simkl.com/anime/4"], "simkl:4"),
        (["https://unresolved.example/anime/0"], "unresolved.example:anime/0"),
        (["https://myanimelist.net/", "not an address", "https://simkl.com/anime/4"], "simkl:4"),
        (["not an address", ""], "otherwise"),
        ([], "otherwise"),
    ],
)
def test_the_id_is_of_the_first_provider_present(sources, expected):
    assert anime_id(sources, lambda: "otherwise") == expected
    assert anime_id(sources[::-1], lambda: "otherwise") == expected


def test_an_entry_without_any_source_has_an_id_of_its_content(write):
    entries = [anime_entry(sources=[], title=title) for title in ("One", "Two")]
    first = [row["anime_id"] for row in rows_of(read_anime(write("a.jsonl", json_lines(*entries))))]
    again = [row["anime_id"] for row in rows_of(read_anime(write("b.jsonl", json_lines(*entries[::-1]))))]
    assert first == again[::-1]
    assert len(set(first)) == 2
    assert all(id_.startswith("no-source:") for id_ in first)


BAD_ENTRIES = {
    "no title": ({"title": None}, "title", "the title is missing, empty or not a text"),
    "blank title": ({"title": " \n"}, "title", "the title is missing, empty or not a text"),
    "title no text": ({"title": 12}, "title", "the title is missing, empty or not a text"),
    "episodes as text": ({"episodes": "12"}, "episodes", "episodes is not a whole number"),
    "episodes true": ({"episodes": True}, "episodes", "episodes is not a whole number"),
    "episodes missing": ({"episodes": None}, "episodes", "episodes is not a whole number"),
    "half an episode": ({"episodes": 1.5}, "episodes", "episodes is not a whole number"),
    "episodes not a number": ({"episodes": float("nan")}, "episodes", "episodes is not a whole number"),
    "negative episodes": ({"episodes": -1}, "episodes", "episodes is not within 0 to 20,000"),
    "10^9 episodes": ({"episodes": 10**9}, "episodes", "episodes is not within 0 to 20,000"),
    "10^30 episodes": ({"episodes": 10**30}, "episodes", "episodes is not within 0 to 20,000"),
    "unknown type": (
        {"type": "PODCAST"},
        "type",
        "type is none of MOVIE, ONA, OVA, SPECIAL, TV, UNKNOWN",
    ),
    "type no text": ({"type": ["TV"]}, "type", "type is none of MOVIE, ONA, OVA, SPECIAL, TV, UNKNOWN"),
    "unknown status": (
        {"status": "LOST"},
        "status",
        "status is none of FINISHED, ONGOING, UNKNOWN, UPCOMING",
    ),
    "unknown season": (
        {"animeSeason": {"season": "MONSOON"}},
        "season",
        "season is none of FALL, SPRING, SUMMER, UNDEFINED, WINTER",
    ),
    "season no object": ({"animeSeason": "SPRING"}, "animeSeason", "animeSeason is not an object"),
    "year as text": (
        {"animeSeason": {"season": "FALL", "year": "2020"}},
        "year",
        "year is not a whole number",
    ),
    "year too early": (
        {"animeSeason": {"season": "FALL", "year": 1600}},
        "year",
        "year is not within 1,907 to 2,100",
    ),
    "duration zero": (
        {"duration": {"value": 0, "unit": "SECONDS"}},
        "duration",
        "duration is not within 1 to 604,800",
    ),
    "duration in minutes": (
        {"duration": {"value": 24, "unit": "MINUTES"}},
        "duration",
        "the duration's unit is not SECONDS",
    ),
    "score above the scale": (
        {"score": {"arithmeticMean": 72}},
        "score",
        "the score is not a number within 1 to 10",
    ),
    "score infinite": (
        {"score": {"median": float("inf")}},
        "score",
        "the score is not a number within 1 to 10",
    ),
    "sources no list": ({"sources": "https://a.example/1"}, "sources", "sources is not a list of texts"),
    "a tag no text": ({"tags": ["comedy", 3]}, "tags", "tags is not a list of texts"),
    "picture no text": ({"picture": 5}, "picture", "picture is not a text"),
    "lone surrogate": ({"title": "half \ud83d"}, None, "a text holds half of a surrogate pair"),
    "lone surrogate in a tag": ({"tags": ["\udc00"]}, None, "a text holds half of a surrogate pair"),
}


@pytest.mark.parametrize("fault", BAD_ENTRIES)
def test_a_bad_entry_is_rejected_with_its_reason(fault, write):
    changes, column, reason = BAD_ENTRIES[fault]
    bad = anime_entry(2, **changes)
    assert only_reject(write("a.jsonl", json_lines(anime_entry(1), bad))) == (3, column, reason)
    path = write("a.json", json.dumps({"data": [bad, anime_entry(1)]}))
    assert only_reject(path) == (1, column, reason)


@pytest.mark.parametrize("bad", ["null", "[1, 2]", '"text"', "17", "[]"])
def test_an_entry_that_is_no_object_is_rejected(bad, write):
    path = write("a.jsonl", json_lines(anime_entry(1), bad))
    assert only_reject(path) == (3, None, "the entry is not an object")


@pytest.mark.parametrize(
    "bad", ["{", "not JSON", '{"title": "cut', "[" * 100_000, '{"episodes": ' + "9" * 5_000 + "}"]
)
def test_a_line_in_the_middle_that_is_no_json_is_rejected(bad, write):
    path = write("a.jsonl", json_lines(bad, anime_entry(1)))
    assert only_reject(path) == (2, None, "the line is not readable as JSON")


def test_a_reject_keeps_the_text_as_delivered(write):
    bad = '{"title" :  "Odd spacing",\t"type": "TV"}'
    [from_lines] = read_anime(write("a.jsonl", json_lines(anime_entry(), bad))).rejects
    [from_object] = read_anime(
        write("a.json", f'{{"data": [ {bad} , {json.dumps(anime_entry())} ] }}')
    ).rejects
    assert from_lines.raw_text == from_object.raw_text == bad


def test_an_equal_entry_is_a_duplicate_and_a_different_one_with_its_id_a_reject(write):
    entries = (anime_entry(1), anime_entry(2), anime_entry(1), anime_entry(1, title="Other"))
    delivery = read_anime(write("a.jsonl", json_lines(*entries)))
    assert (delivery.rows_read, delivery.tables["anime"].num_rows, delivery.rows_duplicate) == (4, 2, 1)
    [reject] = delivery.rejects
    assert (reject.row_number, reject.column) == (5, "sources")
    assert reject.reason == "another entry has this anime_id already (row 2, myanimelist:1)"


@pytest.mark.parametrize("kind", ODD_TITLES)
@pytest.mark.parametrize("escaped", [True, False])
def test_odd_titles_are_read_unchanged(kind, escaped, write):
    entry = json.dumps(anime_entry(title=ODD_TITLES[kind]), ensure_ascii=escaped)
    for path in (write("a.jsonl", json_lines(entry)), write("a.json", f'{{"data": [{entry}]}}')):
        assert [row["title"] for row in rows_of(read_anime(path))] == [ODD_TITLES[kind]]


BAD_FILES = {
    "empty.jsonl": (b"", "is empty: get the file again"),
    "last-line-cut.jsonl": (LINES.encode()[:-20], "line 3 ends early: get the file again"),
    "ends-early.json": (json.dumps(WHOLE).encode()[:-200], "the JSON ends early, at line 1, column"),
    "ends-early-between.json": (b'{"data": [', "the JSON ends early, at line 1, column 11 (in entry 1)"),
    "broken.json": (b'{"data": [\n{"title": }]}', "not readable as JSON at line 2, column 11 (in entry 1)"),
    "goes-on.json": (json.dumps(WHOLE).encode() + b"{}", "not readable as JSON at line 1"),
    "deep.json": (b'{"data": ' + b"[" * 100_000, "not readable as JSON at line 1"),
    "not-utf8.jsonl": (
        LINES.encode() + b'{"title": "caf\xe9"}\n',
        "line 4, byte 15: not UTF-8: save the file as",
    ),
    "not-utf8.json": (json.dumps(WHOLE).encode()[:-1] + b"\xff", "not UTF-8: save the file as UTF-8"),
    "cut.jsonl.zst": (zstandard.compress(LINES.encode())[:-30], "the zstd data ends early, at byte"),
    "cut-at-frame-start.jsonl.zst": (
        zstandard.compress(LINES.encode())[:5],
        "the zstd data ends early, at byte 5",
    ),
    "damaged.jsonl.zst": (zstandard.compress(LINES.encode())[:5] + b"\xff" * 50, "damaged zstd data"),
    "trailing.jsonl.zst": (zstandard.compress(LINES.encode()) + b"trailing bytes", "damaged zstd data"),
    "cut.json.gz": (gzip.compress(json.dumps(WHOLE).encode())[:-30], "the gzip data ends early, at byte"),
    "no-anime.jsonl": (json_lines().encode(), "holds no anime"),
    "no-anime.json": (b'{"data": []}', "holds no anime"),
    "blank.jsonl": (b"\n\n", "holds no anime"),
    "other-object.json": (b'{\n"rows": []\n}', "has no `data` list"),
    "a-list.json": (b"[1]", "not readable as JSON at line 1, column 1"),
    "table.csv": (b"1,Game,play,2.0,0\n", "not readable as JSON at line 1, column 1"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_place_and_remedy(name, write):
    content, expected = BAD_FILES[name]
    path = write(name, content)
    with pytest.raises(UserError) as failure:
        read_anime(path)
    assert str(failure.value).startswith(str(path))
    assert expected in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "expected"), [("missing.jsonl", "no such file: check the path"), ("", "is a directory")]
)
def test_no_file_at_all_is_refused(name, expected, tmp_path):
    with pytest.raises(UserError, match=expected):
        read_anime(tmp_path / name)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=4,
)


@settings(max_examples=30, deadline=None)
@given(changes=st.lists(st.dictionaries(st.sampled_from(sorted(anime_entry())), JSON_VALUES), max_size=5))
def test_whatever_the_fields_hold_each_row_is_loaded_rejected_or_a_duplicate(changes, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "any.jsonl"
    entries = [anime_entry() | change for change in changes]
    path.write_text(json_lines(anime_entry(0), *entries), encoding="utf-8")
    delivery = read_anime(path)
    assert delivery.rows_read == len(entries) + 1


def test_the_stand_in_is_a_catalogue_by_the_publishers_own_schema(shared_data, tmp_path):
    schema = json.loads((shared_data / "schemas" / "anime-offline-database.jsonl.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    lines = write_anime_stand_in(tmp_path).read_text(encoding="utf-8").splitlines()[1:]
    assert [error.message for line in lines for error in validator.iter_errors(json.loads(line))] == []


def test_the_real_minified_file_is_read_whole(shared_data):
    delivery = read_anime(shared_data / "anime-offline-database-minified.json.zst")
    assert (delivery.rows_read, delivery.rows_duplicate, delivery.rejects) == (39_277, 0, [])
    assert len(delivery.tables["anime"].column("anime_id").unique()) == 39_277
    assert str(delivery.published_on) == "2025-12-13"
