"""A JSON list is parted as a JSON parser parts it, however it falls into blocks."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from ingest.reading import blocks, json_records

TEXTS = st.text('a"\\[]{},é漢\n', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=6,
)


def entries(path: Path, block_bytes: int) -> list[tuple[int, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block_bytes)
        return [
            (place, text)
            for records in json_records.json_records(path, is_list=True)
            for place, text in zip(records.line_numbers.tolist(), records.texts.to_pylist(), strict=True)
        ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(VALUES, max_size=8),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
    block_bytes=st.sampled_from([1, 2, 7, 64, 1 << 20]),
)
def test_entries_are_those_of_the_list(values, indent, ascii_only, block_bytes, tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii_only) + "\n", encoding="utf-8")
    found = entries(path, block_bytes)
    assert [json.loads(text) for _, text in found] == values
    assert [place for place, _ in found] == list(range(1, len(values) + 1))


def test_backslashes_before_a_quote_are_counted(write):
    texts = ["\\" * count + '",[' for count in range(9)]
    path = write("list.json", json.dumps(texts))
    for block_bytes in (1, 5, 1 << 20):
        assert [json.loads(text) for _, text in entries(path, block_bytes)] == texts


@pytest.mark.parametrize("text", ["[", "[1,", '["a', "[[1]", '[{"a": "]"}'])
def test_a_list_without_an_end_is_one_line(text, write):
    with pytest.raises(UserError, match=r"the JSON list ends early, in entry \d: get the file again"):
        entries(write("list.json", text), 2)


def test_an_entry_longer_than_any_is_one_line(write, monkeypatch):
    monkeypatch.setattr(json_records, "MOST_LINE_BYTES", 1_000)
    path = write("list.json", json.dumps(["short", "x" * 2_000]))
    with pytest.raises(UserError, match="entry 2 is longer than 0 MB: check that it is the file you mean"):
        entries(path, 100)
