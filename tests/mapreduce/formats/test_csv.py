"""CSV: every row once, and none torn."""

from __future__ import annotations

import csv
import io
import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ConfigError, CsvInput, InputError
from mapreduce.formats import Segment
from mapreduce.formats.lines import CHUNK
from tests.mapreduce.formats.reading import check_every_cut, contents, cut, every_cut, records, stored, whole

FIELDS = st.text(st.sampled_from('a,"; é\n\r'), max_size=5)


def text_of(rows: list[list[str]], end: str = "\r\n") -> bytes:
    """The rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return stream.getvalue().encode()


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2)), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_rows(rows: list[list[str]], end: str, final: bool) -> None:
    """Fields come back exactly, with the line ends, delimiters and quotes that they hold."""
    content = text_of(rows, end)
    if not final:
        content = content.removesuffix(end.encode())
    assert records(CsvInput(header=False), content) == rows


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1))
def test_header(rows: list[list[str]]) -> None:
    """The first row names the columns."""
    content = text_of([["one", "two\n2"], *rows])
    assert records(CsvInput(), content) == [{"one": one, "two\n2": two} for one, two in rows]


@given(contents([b"\n", b"a,b\n", b'"x,""y",\r\n', "é,日\n".encode(), b"longer than splits,1\n"], 6), st.booleans())
def test_every_cut(rows: bytes, header: bool) -> None:
    """Without line ends in fields a file can be cut anywhere; blank lines are no rows."""
    content = b"n,m\n" + rows if header else rows
    form = CsvInput(header=header, multiline=False)
    for data in (content, content.removesuffix(b"\n")):
        check_every_cut(form, data)
        assert records(form, data) == records(CsvInput(header=header), data)


def test_every_cut_of_the_header() -> None:
    """Only the first split skips the header, however small the splits are."""
    content = b"name,n\r\na,1\r\nb,2"
    store = stored(content)
    for segments in every_cut(content):
        found = [[row for part in CsvInput(multiline=False).read(s, store, "in") for row in part] for s in segments]
        assert [row for rows in found for row in rows] == [{"name": "a", "n": "1"}, {"name": "b", "n": "2"}]


def test_many_rows() -> None:
    """Rows in several lists, in their order, and fields longer than the csv module's own limit."""
    rows = [[str(number), "x" * (200_000 if number == 700 else 10)] for number in range(1500)]
    segment = whole(text_of(rows), "in.csv")
    parts = list(CsvInput(header=False).read(segment, stored(text_of(rows)), "in"))
    assert len(parts) > 2
    assert [row for part in parts for row in part] == rows


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize("content", [b"", b"a,b\n", b"a,b"])
def test_no_rows(content: bytes, multiline: bool) -> None:
    """An empty file, and one of a header alone, have no rows."""
    assert records(CsvInput(multiline=multiline), content) == []


def test_dialects() -> None:
    """Other delimiters and quotes."""
    content = b"a;b\n'x;''y';\"z\n"
    assert records(CsvInput(delimiter=";", quotechar="'"), content) == [{"a": "x;'y", "b": '"z'}]
    assert records(CsvInput(header=False, delimiter="\t"), b"a\tb,c\n") == [["a", "b,c"]]
    assert records(CsvInput(encoding="latin-1"), b"\xe9\n\xe8\n") == [{"é": "è"}]


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n1,2,3\n", r"line 3 is not CSV: it has 3 fields, the header 2: \['1', '2', '3'\]"),
        (b"a,b\n\n1\n", r"line 3 is not CSV: it has 1 fields, the header 2: \['1'\]"),
        (b'a,b\n1,"2"3\n', "line 2 is not CSV: ',' expected after '\"'"),
        (b"a,b\n1,2\rx\n", "line 2 is not CSV: new-line character seen in unquoted field"),
        (b'a,b\n1,2\n1,"2', "line 3 is not CSV: unexpected end of data"),
    ],
    ids=["long", "short", "quote", "carriage return", "end"],
)
def test_bad_rows(content: bytes, message: str, multiline: bool) -> None:
    """A row that is not as the header or as CSV has it is named by file and line."""
    with pytest.raises(InputError, match=f"^in.csv: {message}"):
        records(CsvInput(multiline=multiline), content, "in.csv")


def test_bad_rows_in_a_later_split() -> None:
    """Lines are counted from an offset that is told."""
    content = b"a,b\n" + b"1,2\n" * 10 + b"3\n"
    segment = Segment("in.csv", 20, len(content), len(content))
    with pytest.raises(InputError, match=r"^in.csv: line 7 \(counted from offset 20\) is not CSV: it has 1 fields"):
        list(CsvInput(multiline=False).read(segment, stored(content), "in"))


def test_line_ends_in_fields_of_files_that_have_none() -> None:
    """With multiline=False a field that holds a line end is an error in every cut, never a shorter field."""
    content = b'a,b\n1,2\n3,"4\n5"\n6,7\n'
    store = stored(content)
    for segments in every_cut(content):
        parts = itertools.chain.from_iterable(CsvInput(multiline=False).read(s, store, "in") for s in segments)
        with pytest.raises(InputError, match=r"line end; leave multiline=False out|unexpected end of data"):
            list(parts)
    assert records(CsvInput(), content)[1] == {"a": "3", "b": "4\n5"}


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize("bad", [0, 5, CHUNK - 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 2, 2 * CHUNK - 1, 3 * CHUNK])
@pytest.mark.parametrize(
    "filler", ["é日,\U0001f600" + "é日" * 99 + "\n", "1,2" + "3" * 501 + "\n"], ids=["multi-byte", "ascii"]
)
def test_undecodable(filler: str, bad: int, multiline: bool) -> None:
    """A byte that is no text is named by file and offset, also where characters straddle what is read at a time."""
    row = filler.encode()
    content = b"x" * (bad % len(row)) + row * (bad // len(row)) + b"\xff" + row * (CHUNK // len(row))
    with pytest.raises(InputError, match=rf"^in.csv: byte 0xff at offset {bad} is not utf-8"):
        records(CsvInput(header=False, multiline=multiline), content, "in.csv")
    replaced = records(CsvInput(header=False, errors="replace", multiline=multiline), content, "in.csv")
    assert sum(field.count("\ufffd") for row in replaced for field in row) == 1


def test_truncated_character() -> None:
    """A file that ends within a character says where that begins."""
    with pytest.raises(InputError, match=r"byte 0xe6 at offset 4 is not utf-8 .unexpected end"):
        records(CsvInput(header=False), "a,b\n日".encode()[:-1])


@pytest.mark.parametrize("name", ["delimiter", "quotechar"])
@pytest.mark.parametrize("character", ["", "ab", "\n", "\r"], ids=ascii)
def test_refused_settings(name: str, character: str) -> None:
    """Delimiter and quote are one character, and no line end."""
    with pytest.raises(ConfigError, match=f"CsvInput: {name} must be one character, not"):
        CsvInput(**{name: character})  # type: ignore[arg-type]


def test_settings() -> None:
    """Whether a file may be cut depends on what fields may hold."""
    assert not CsvInput().can_split("in.csv")
    assert CsvInput(multiline=False).can_split("in.csv")
    assert not CsvInput(multiline=False).can_split("in.csv.gz")
    assert CsvInput() == CsvInput(header=True)
    assert CsvInput() != CsvInput(multiline=False)
    assert hash(CsvInput()) == hash(CsvInput(delimiter=","))


def test_cut_files_need_no_reading_of_the_rest() -> None:
    """A split of a large file takes a few requests."""
    rows: list[Any] = [["a", "b"]] + [[str(random.Random(1).random()), "2"]] * 30_000
    content = text_of(rows, "\n")
    store = stored(content)
    segment = cut(content, 100_000, "in.csv")[2]
    assert [row for part in CsvInput(multiline=False).read(segment, store, "in") for row in part]
    assert store.requests.snapshot()["get"] <= 4


def test_header_with_a_byte_order_mark() -> None:
    """The mark that spreadsheets write before the first name is no part of it."""
    assert records(CsvInput(), b"\xef\xbb\xbfa,b\n1,2\n") == [{"a": "1", "b": "2"}]


def test_header_with_one_name_twice() -> None:
    """A column cannot be lost to another of its name."""
    with pytest.raises(InputError, match="names 'a' twice"):
        records(CsvInput(), b"a,b,a\n1,2,3\n")
