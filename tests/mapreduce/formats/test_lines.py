"""Records are whole: for every size of splits the segments' lines are exactly the object's."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import ConfigError, InputError
from mapreduce.formats import Segment
from mapreduce.formats.lines import CHUNK, check_encoding, decode_lines, line_chunks
from tests.mapreduce.formats.reading import LINES, cut, every_cut, stored, whole


def begins(content: bytes) -> list[tuple[int, bytes]]:
    """Each line of `content` with its line end, and the offset of its first byte."""
    lines, offset = [], 0
    for line in content.split(b"\n"):
        lines.append((offset, line + b"\n"))
        offset += len(line) + 1
    last, line = lines.pop()
    return [*lines, (last, line[:-1])] if line != b"\n" else lines


@given(LINES, st.sampled_from([1, 2, 3, 7, CHUNK]))
@example(b"", 1)
@example(b"\n", 1)
@example(b"a", 1)
@example(b"no end", 2)
@example(b"one\r\ntwo\r\n", 3)
@example(b"lone\rCR\n", 2)
@example(b"\n\n\n", 1)
def test_every_line_once(content: bytes, chunk: int) -> None:
    """For each size of splits: a segment gives the lines that begin in it, and all segments give all bytes."""
    store = stored(content)
    for segments in every_cut(content):
        everything = b""
        for segment in segments:
            runs = list(line_chunks(segment, store, "in", chunk))
            data = b"".join(run for _, run in runs)
            lines = [line for offset, line in begins(content) if segment.start <= offset < segment.end]
            assert data == b"".join(lines), segment
            everything += data
        assert everything == content


@given(LINES, st.sampled_from([1, 2, 5, CHUNK]), st.integers(1, 9))
def test_runs(content: bytes, chunk: int, size: int) -> None:
    """A run says where it lies, is not empty, and only the object's last line may lack a line end."""
    store = stored(content)
    for segment in cut(content, size):
        for offset, run in line_chunks(segment, store, "in", chunk):
            assert run
            assert content[offset : offset + len(run)] == run
            assert offset == 0 or content[offset - 1 : offset] == b"\n"
            assert run.endswith(b"\n") or offset + len(run) == len(content)


@given(LINES, st.integers(0, 60), st.integers(0, 60))
def test_any_two_segments_meet(content: bytes, start: int, end: int) -> None:
    """Segments of uneven sizes take no line twice either."""
    start, end = sorted((min(start, len(content)), min(end, len(content))))
    store, size = stored(content), len(content)
    pieces = [Segment("in", *ends, size) for ends in ((0, start), (start, end), (end, size))]
    assert b"".join(run for piece in pieces for _, run in line_chunks(piece, store, "in", 4)) == content


def test_long_lines_are_read_in_bounded_pieces() -> None:
    """A segment within a long line reads on to the line's end only where the line is its own."""
    content = b"x" * (3 * CHUNK) + b"\n" + b"y\n"
    store = stored(content)
    first, second, third, *_ = cut(content, CHUNK)
    assert [run for _, run in line_chunks(first, store, "in")] == [content[:-2]]
    assert list(line_chunks(second, store, "in")) == []
    assert list(line_chunks(third, store, "in")) == []


def test_chunks_bound_the_runs() -> None:
    """Many short lines come in runs of about the size asked for."""
    content = b"0123456789\n" * 10_000
    runs = [run for _, run in line_chunks(whole(content, "in"), stored(content), "in", 1000)]
    assert b"".join(runs) == content
    assert max(map(len, runs)) <= 1000 + 11


def test_requests_do_not_grow_with_lines() -> None:
    """A segment takes a request for itself, and one more for the end of its last line."""
    content = b"0123456789\n" * 50_000
    store = stored(content)
    segment = Segment("in", 100_000, 300_000, len(content))
    assert sum(len(run) for _, run in line_chunks(segment, store, "in")) > 0
    assert store.requests.snapshot()["get"] == 2


@pytest.mark.parametrize("size", [0, 5, 7, 100])
def test_changed_objects(size: int) -> None:
    """An object that is not of the planned size is refused by name."""
    segment = Segment("some/in.txt", 0, 3, size)
    with pytest.raises(InputError, match=f"some/in.txt has 6 bytes, but had {size} when the job was planned"):
        list(line_chunks(segment, stored(b"ab\ncd\n"), "in"))


@given(LINES)
def test_decode_lines(content: bytes) -> None:
    """LF and CR LF end lines; a CR elsewhere, at the end of the object too, is part of its line."""
    expected = [(line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line) for _, line in begins(content)]
    assert decode_lines(0, content, "utf-8", "strict", "in") == [line.decode() for line in expected]


def test_only_line_feeds_end_lines() -> None:
    """What str.splitlines would split is kept together."""
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\rg\n"
    assert decode_lines(0, text.encode(), "utf-8", "strict", "in") == [text[:-1]]


def test_undecodable() -> None:
    """A byte that is no text is named with the file and the offset, and the remedy."""
    with pytest.raises(InputError, match=r"^in: byte 0xff at offset 104 is not utf-8 .*errors='replace'"):
        decode_lines(100, b"ok\na\xffb\n", "utf-8", "strict", "in")
    assert decode_lines(100, b"a\xffb\n", "utf-8", "replace", "in") == ["a\ufffdb"]
    assert decode_lines(100, b"a\xffb\n", "latin-1", "strict", "in") == ["aÿb"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252", "shift_jis", "gb18030", "euc-jp"])
def test_usable_encodings(encoding: str) -> None:
    """Encodings in which a line feed is the byte 0x0A, and nothing else is."""
    check_encoding(encoding, "strict")
    for code in range(0x3000):
        assert code == 10 or b"\n" not in chr(code).encode(encoding, "ignore")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig", "cp037"])
def test_unusable_encodings(encoding: str) -> None:
    """Encodings whose line ends cannot be found in the bytes are refused."""
    with pytest.raises(ConfigError, match=f"encoding '{encoding}' cannot be split at line ends"):
        check_encoding(encoding, "strict")


@pytest.mark.parametrize(("encoding", "errors"), [("utf8000", "strict"), ("rot13", "strict"), ("utf-8", "relaxed")])
def test_unknown_encodings(encoding: str, errors: str) -> None:
    """Unknown encodings and error handlers are refused by name."""
    with pytest.raises(ConfigError, match=f"encoding='{encoding}', errors='{errors}'"):
        check_encoding(encoding, errors)
