"""Text: every line in, every pair out and back."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ConfigError, InputError, OutputError, PairsInput, TextInput, TextOutput
from mapreduce.formats.lines import CHUNK
from tests.mapreduce.formats.reading import LINES, check_every_cut, cut, records, stored

#: Text that TextOutput can hold in a key.
FIELD = st.text(st.characters(exclude_characters="\t\n\r", codec="utf-8"))


@given(LINES)
def test_every_cut(content: bytes) -> None:
    """The records are the lines, for every size of splits."""
    check_every_cut(TextInput(), content)
    ended, _, last = content.rpartition(b"\n")
    lines = [line.removesuffix(b"\r") for line in ended.split(b"\n")] if b"\n" in content else []
    assert records(TextInput(), content) == [line.decode() for line in lines + [last] * bool(last)]


@given(st.lists(st.sampled_from([b"\xff", b"\xc3\xa9", b"a", b"\n"])).map(b"".join))
def test_every_cut_of_damaged_text(content: bytes) -> None:
    """Bytes that are no text are replaced alike in every split, where that is asked for."""
    check_every_cut(TextInput(errors="replace"), content)
    assert "".join(records(TextInput(errors="replace"), content)).count("\ufffd") == content.count(b"\xff")


@given(LINES)
def test_every_cut_of_pairs(content: bytes) -> None:
    """As for lines."""
    check_every_cut(PairsInput(), content.replace(b"a", b"\t"))


def test_pairs() -> None:
    """A line is cut at its first tab; without one it is a key."""
    assert records(PairsInput(), b"a\tb\tc\nkey\n\n\tv\r\n") == [("a", "b\tc"), ("key", ""), ("", ""), ("", "v")]


@pytest.mark.parametrize("form", [TextInput, PairsInput])
@pytest.mark.parametrize("bad", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("size", [1000, 10 * CHUNK])
def test_undecodable(form: type[TextInput | PairsInput], bad: int, size: int) -> None:
    """The one byte that is no text is named by file and offset, from whatever split."""
    content = b"0123456789abcde\n" * (CHUNK // 4)
    content = content[:bad] + b"\xe9" + content[bad + 1 :]
    store = stored(content)
    (segment,) = [
        segment for segment in cut(content, size, "some/in.txt") if segment.start <= bad - bad % 16 < segment.end
    ]
    with pytest.raises(InputError, match=rf"^some/in.txt: byte 0xe9 at offset {bad} is not utf-8 "):
        list(form().read(segment, store, "in"))
    lines = [line for part in form("latin-1").read(segment, store, "in") for line in part]
    assert sum(str(line).count("é") for line in lines) == 1


@pytest.mark.parametrize("form", [TextInput, PairsInput])
def test_settings(form: Any) -> None:
    """Formats are equal by their settings, show them, and refuse unusable ones."""
    assert form() == form("utf-8", "strict")
    assert form() != form(errors="replace")
    assert hash(form()) == hash(form("utf-8"))
    assert TextInput() != PairsInput()
    assert repr(form(errors="replace")) == f"{form.__name__}(encoding='utf-8', errors='replace')"
    with pytest.raises(ConfigError):
        form(encoding="utf-16")


def test_what_can_be_cut() -> None:
    """Text is cut where it is not compressed."""
    assert TextInput().can_split("in.txt")
    assert not TextInput().can_split("in.txt.gz")
    assert not TextInput().can_split("IN.ZST")


def written(pairs: list[tuple[Any, Any]], calls: int = 1) -> tuple[bytes, Any]:
    """The bytes and the detail of a part of `pairs`."""
    form = TextOutput()
    size = -(-len(pairs) // calls) or 1
    data = b"".join(
        form.encode([key for key, _ in pairs[at : at + size]], [value for _, value in pairs[at : at + size]])
        for at in range(0, len(pairs), size)
    )
    return data, form.detail()


def read_back(data: bytes, detail: Any) -> list[tuple[Any, Any]]:
    """The pairs of a part."""
    return list(TextOutput().decode(io.BytesIO(data), detail, "part-00000"))


def test_lines() -> None:
    """A pair is a line."""
    assert written([("a", 1), ("é", None), (2.5, "x\ty")])[0] == "a\t1\né\tNone\n2.5\tx\ty\n".encode()
    assert written([])[0] == b""


KINDS = [FIELD, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()]


@given(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)).flatmap(lambda kinds: st.lists(st.tuples(*kinds))),
    st.integers(1, 3),
)
def test_read_back(pairs: list[tuple[Any, Any]], calls: int) -> None:
    """Keys and values of one plain type each come back exactly, as that type."""
    data, detail = written(pairs, calls)
    assert repr(read_back(data, detail)) == repr(pairs)


@given(st.lists(st.tuples(FIELD, FIELD)))
def test_output_is_input(pairs: list[tuple[str, str]]) -> None:
    """What was written as text can be the input of a job, for every size of splits."""
    data, _ = written(pairs)
    assert records(PairsInput(), data) == pairs
    store = stored(data)
    for size in (1, 2, 3, 5, 8):
        parts = [part for segment in cut(data, size) for part in PairsInput().read(segment, store, "in")]
        assert [pair for part in parts for pair in part] == pairs


@pytest.mark.parametrize("key", ["a\tb", "a\nb", "a\rb", ("\t",)], ids=ascii)
def test_keys_that_text_cannot_hold(key: Any) -> None:
    """A tab or a line end in a key is refused, with the key and what to do."""
    if isinstance(key, tuple):
        assert written([(key, 1)])[0] == b"('\\t',)\t1\n"  # its repr holds none
        return
    with pytest.raises(OutputError, match=r"the key .* holds a tab or a line end.*output_format=\"jsonl\"") as caught:
        written([("fine", 1), (key, 1)])
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\n"], ids=ascii)
def test_values_that_text_cannot_hold(value: str) -> None:
    """A line end in a value is refused; a tab is not."""
    with pytest.raises(OutputError, match=r"the value .* of 'key' holds a line end") as caught:
        written([("fine", "a\tb"), ("key", value)])
    assert repr(value) in str(caught.value)


def test_text_that_is_not_unicode() -> None:
    """A lone surrogate is refused, with the text around it."""
    with pytest.raises(OutputError, match=r"not Unicode: .*where \\ud800 it is"):
        written([("where \ud800 it is", 1), ("long " * 50, 2)])
    with pytest.raises(OutputError, match=r"not Unicode: .*where \\ud800 it is"):
        written([("long " * 50, 2), ("where \ud800 it is", 1)])


class Celsius(float):
    """A float that is shown otherwise."""

    def __str__(self) -> str:
        return f"{float(self)} °C"


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([("a", 1), ("b", 1.0)], "values of part-00000 were written as text from float, int"),
        ([(("a",), 1)], "keys of part-00000 were written as text from tuple"),
        ([("a", Celsius(1))], "values of part-00000 were written as text from Celsius"),
        ([(None, 1), ("a", 1)], "keys of part-00000 were written as text from NoneType, str"),
        ([("a", [1])], "values of part-00000 were written as text from list"),
    ],
    ids=["mixed", "tuple", "subclass", "none", "list"],
)
def test_no_guessing(pairs: list[tuple[Any, Any]], names: str) -> None:
    """What cannot be told from its text is not read back as something else."""
    data, detail = written(pairs)
    with pytest.raises(OutputError, match=names):
        read_back(data, detail)
