"""The reader of steam-200k.csv: quoting, every kind of bad line, and ids that stay the same."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_anime import ODD_TITLES

from common.errors import UserError
from ingest.reading.delivery import Delivery
from ingest.reading.steam import read_steam

GOOD = "5250,Dota 2,play,0.2,0\n"


def rows_of(delivery: Delivery) -> list[dict]:
    return delivery.tables["steam_behaviors"].to_pylist()


def ids_of(path: Path) -> list[str]:
    return [row["event_id"] for row in rows_of(read_steam(path))]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_rows_are_read_as_published(line_end, mark, write):
    lines = [
        '151603712,"Papers, Please",purchase,1.0,0',
        '7,"The ""Iron"" Orchard",play,273.0,0',
        "7,Dota 2,play,0,0",
    ]
    delivery = read_steam(write("s.csv", mark + line_end.join(lines) + line_end))
    assert delivery.rejects == []
    assert [tuple(row.values())[1:] for row in rows_of(delivery)] == [
        ("151603712", "Papers, Please", "purchase", 1.0, 1),
        ("7", 'The "Iron" Orchard', "play", 273.0, 2),
        ("7", "Dota 2", "play", 0.0, 3),
    ]


BAD_LINES = {
    "5250,Dota 2,play,0.2": (None, "too few columns: 5 are needed (found 4)"),
    "5250,Papers, Please,play,0.2,0": (None, "too many columns: 5 are needed (found 6)"),
    "anyone,Dota 2,play,0.2,0": ("user_id", "the user id is not a whole number"),
    ",Dota 2,play,0.2,0": ("user_id", "the user id is not a whole number"),
    "-5,Dota 2,play,0.2,0": ("user_id", "the user id is not a whole number"),
    "٣,Dota 2,play,0.2,0": ("user_id", "the user id is not a whole number"),
    "5250,,play,0.2,0": ("game_title", "the title is empty"),
    "5250, ,play,0.2,0": ("game_title", "the title is empty"),
    "5250,Dota 2,refund,0.2,0": ("behavior", "the behaviour is neither purchase nor play"),
    "5250,Dota 2,play,two,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,nan,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,inf,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,1_0,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,٣,0": ("value", "the value is not a number"),
    "5250,Dota 2,play,1e999,0": ("value", "the value is too large"),
    "5250,Dota 2,play,-0.2,0": ("value", "the value is negative"),
    "5250,Dota 2,play,0.2,7": ("0", "the last column is not 0, as it is on every published row"),
    '5250,"Dota 2,play,0.2,0': (None, "a quote is never closed"),
    '5250,"Dota" 2,play,0.2,0': (None, "not readable as CSV (',' expected after '\"')"),
    "user-id,game-title,behavior,value,0": ("user_id", "the user id is not a whole number"),
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_rejected_and_spoils_no_other(line, write):
    delivery = read_steam(write("s.csv", GOOD + line + "\n" + GOOD))
    [reject] = delivery.rejects
    assert (reject.row_number, reject.column, reject.reason) == (2, *BAD_LINES[line])
    assert reject.raw_text == line
    assert [row["_row_number"] for row in rows_of(delivery)] == [1, 3]


@pytest.mark.parametrize("kind", [kind for kind in ODD_TITLES if kind != "control characters"])
def test_odd_titles_are_read_unchanged(kind, write):
    title = ODD_TITLES[kind]
    quoted = '"' + title.replace('"', '""') + '"'
    assert [row["game_title"] for row in rows_of(read_steam(write("s.csv", f"1,{quoted},play,1,0\n")))] == [
        title
    ]


def test_a_separator_of_lines_that_only_unicode_knows_is_part_of_a_title(write):
    title = "before\u2028after\x0b\x1c\x85end"
    assert [row["game_title"] for row in rows_of(read_steam(write("s.csv", f"1,{title},play,1,0\n")))] == [
        title
    ]


def test_ids_are_of_content_and_of_which_among_equals(write):
    first, second, third = ids_of(write("s.csv", GOOD * 2 + GOOD.replace("0.2", "0.3")))
    assert len({first, second, third}) == 3
    # Another way to write the same row, in a longer file, in another order.
    longer = write("l.csv", '9,New,play,1.0,0\n5250,"Dota 2",play,0.20,0\r\n' + GOOD * 2)
    assert ids_of(longer)[1:3] == [first, second]
    assert len(set(ids_of(longer))) == 4


def test_no_two_different_rows_share_an_id(write):
    lines = ["1,a,play,1,0", "1,a,play,11,0", "11,a,play,1,0", "1,0|a,play,1,0", "1,a,purchase,1,0"]
    assert len(set(ids_of(write("s.csv", "\n".join(lines))))) == len(lines)


def test_lines_without_text_are_no_rows(write):
    assert read_steam(write("s.csv", f"\n{GOOD}\r\n\n{GOOD}")).rows_read == 2


BAD_FILES = {
    "empty.csv": (b"", "is empty: get the file again"),
    "not-utf8.csv": (
        GOOD.encode() + b"1,Caf\xe9,play,1,0\n",
        "line 2, byte 6: not UTF-8: save the file as UTF-8",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_place_and_remedy(name, write):
    content, expected = BAD_FILES[name]
    with pytest.raises(UserError) as failure:
        read_steam(write(name, content))
    assert expected in str(failure.value)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), max_size=8)
)
def test_whatever_the_lines_hold_each_is_loaded_or_rejected(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes((GOOD + "\n".join(lines)).encode())
    delivery = read_steam(path)
    assert delivery.rows_read == len(lines) + 1
    assert [reject.raw_text for reject in delivery.rejects] == lines
