"""JSON lines: a document a line in, a pair a line out."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import InputError, JsonLinesInput, JsonLinesOutput, OutputError
from mapreduce.formats.lines import CHUNK
from tests.mapreduce.formats.reading import check_every_cut, contents, cut, records, stored

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=5,
)


@given(
    contents([b"\n", b"\r\n", b" \t\n", b"1\n", b'{"a": [1, 2]}\r\n', '"é日"\n'.encode(), b'"\\ud800"\n', b"null\n"])
)
def test_every_cut(content: bytes) -> None:
    """The records are the documents, for every size of splits; blank lines are none."""
    check_every_cut(JsonLinesInput(), content)
    check_every_cut(JsonLinesInput(), content.removesuffix(b"\n"))
    assert records(JsonLinesInput(), content) == [json.loads(line) for line in content.split(b"\n") if line.strip()]


@pytest.mark.parametrize("size", [3, 1000, 10 * CHUNK])
@pytest.mark.parametrize("bad", [b"{a}", b'"\xff"', b'{"a": 1', b"1 2", b"[" * 100_000], ids=ascii)
def test_bad_documents(bad: bytes, size: int) -> None:
    """A line that is no document is named by file and offset, from whatever split."""
    before = b'{"a": 1}\n\n' * (CHUNK // 8)
    content = before + bad + b"\n" + b"2\n"
    (segment,) = [piece for piece in cut(content, size, "some/in.jsonl") if piece.start <= len(before) < piece.end]
    with pytest.raises(InputError, match=f"^some/in.jsonl: the line at offset {len(before)} is not JSON: ") as caught:
        list(JsonLinesInput().read(segment, stored(content), "in"))
    assert repr(bad[:60]) in str(caught.value)


def test_settings() -> None:
    """One JSON is like the other."""
    assert JsonLinesInput() == JsonLinesInput()
    assert JsonLinesOutput() == JsonLinesOutput()
    assert repr(JsonLinesInput()) == "JsonLinesInput()"
    assert JsonLinesInput().can_split("in.jsonl")
    assert JsonLinesOutput().detail() is None


def read_back(data: bytes) -> list[tuple[Any, Any]]:
    """The pairs of a part."""
    return list(JsonLinesOutput().decode(io.BytesIO(data), None, "part-00000"))


@given(st.lists(st.tuples(DOCUMENTS, DOCUMENTS)))
def test_read_back(pairs: list[tuple[Any, Any]]) -> None:
    """Whatever JSON has comes back exactly, and each pair is one line of ASCII."""
    data = JsonLinesOutput().encode([key for key, _ in pairs], [value for _, value in pairs])
    assert data.isascii()
    assert data.count(b"\n") == len(pairs)
    assert repr(read_back(data)) == repr(pairs)
    assert records(JsonLinesInput(), data) == [[key, value] for key, value in pairs]


def test_what_json_has_not() -> None:
    """Tuples come back as lists, and keys of dicts as str."""
    data = JsonLinesOutput().encode([("a", 1)], [{1: (True, None)}])
    assert data == b'[["a",1],{"1":[true,null]}]\n'
    assert read_back(data) == [(["a", 1], {"1": [True, None]})]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"a", {1, 2}, 1j, object, {(1, 2): 3}, [[{None: {1}}]]], ids=repr
)
@pytest.mark.parametrize("swap", [False, True], ids=["value", "key"])
def test_refusals(value: Any, swap: bool) -> None:
    """A pair that is no JSON is refused, with the pair and what to do."""
    keys, values = ["fine", "key"], [1, value]
    if swap:
        keys, values = values, keys
    with pytest.raises(OutputError, match=r'the pair .* is not JSON .*: use output_format="pickle"') as caught:
        JsonLinesOutput().encode(keys, values)
    assert repr((keys[1], values[1])) in str(caught.value)
