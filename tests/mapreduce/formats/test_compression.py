"""Compressed input is read whole, or is an error: never less than was compressed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import CsvInput, InputError, JsonLinesInput, TextInput
from mapreduce.formats import Segment
from mapreduce.formats.base import open_segment
from mapreduce.formats.compression import decompressed, is_compressed
from tests.mapreduce.formats.reading import LINES, records, stored, whole

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
SUFFIXES = pytest.mark.parametrize("suffix", COMPRESS)
SOME = b"".join(b"line %d of some\n" % number for number in range(100))


def read(data: bytes, suffix: str, size: int = -1) -> bytes:
    """The decompressed bytes, read `size` at a time."""
    with decompressed(io.BytesIO(data), f"some/in{suffix}") as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@SUFFIXES
@given(parts=st.lists(st.binary() | st.just(SOME), min_size=1, max_size=4), size=st.sampled_from([-1, 1, 100, 1 << 17]))
def test_members(suffix: str, parts: list[bytes], size: int) -> None:
    """All members of a file are read, as the tools that write in parallel make them."""
    data = b"".join(map(COMPRESS[suffix], parts))
    assert read(data, suffix, size) == b"".join(parts)


@SUFFIXES
@pytest.mark.parametrize("data", [bytes(2_000_000), os.urandom(300_000), SOME * 500], ids=["zeros", "noise", "text"])
def test_large(suffix: str, data: bytes) -> None:
    """Data that shrinks much, little, or grows."""
    assert read(COMPRESS[suffix](data) * 2, suffix, 1 << 16) == data * 2


@SUFFIXES
@pytest.mark.parametrize("end", [b"", b"\0" * 4, b"\0" * 200_000])
def test_padding(suffix: str, end: bytes) -> None:
    """Zeros between members and behind the last are padding, as tapes and xz have it."""
    member = COMPRESS[suffix](SOME)
    assert read(member + end + member + end, suffix) == SOME * 2


@SUFFIXES
def test_every_truncation(suffix: str) -> None:
    """A file that was cut anywhere, at its very start too, is truncated."""
    data = COMPRESS[suffix](SOME)
    for size in range(len(data)):
        with pytest.raises(InputError, match=f"^some/in{suffix} is truncated: "):
            read(data[:size], suffix)


@SUFFIXES
def test_every_truncation_of_a_later_member(suffix: str) -> None:
    """A file that was cut within its second member is truncated."""
    first, second = COMPRESS[suffix](b"first"), COMPRESS[suffix](SOME)
    for size in range(1, len(second)):
        with pytest.raises(InputError, match=f"^some/in{suffix} is truncated: "):
            read(first + second[:size], suffix)


@SUFFIXES
@pytest.mark.parametrize("members", [1, 2])
def test_every_flip(suffix: str, members: int) -> None:
    """Data that was changed anywhere is an error, or decompresses to what it was."""
    data = bytearray(COMPRESS[suffix](SOME) * members)
    found = 0
    for position in range(len(data)):
        data[position] ^= 0x55
        try:
            result = read(bytes(data), suffix)
        except InputError as error:
            result = str(error).encode()
            found += 1
        assert result == SOME * members or result.startswith(f"some/in{suffix} ".encode())
        data[position] ^= 0x55
    assert found > 0.9 * len(data)


@SUFFIXES
@pytest.mark.parametrize("garbage", [b"garbage", b"<html>", b"\1", bytes(3) + b"x"], ids=ascii)
def test_garbage(suffix: str, garbage: bytes) -> None:
    """What is no compressed data is an error, at the start and behind a member."""
    for data in (garbage * 10, COMPRESS[suffix](SOME) + garbage * 10):
        with pytest.raises(InputError, match=f"^some/in{suffix} (cannot be decompressed|is truncated): "):
            read(data, suffix)


@SUFFIXES
def test_other_compression(suffix: str) -> None:
    """The suffix tells what a file is, and a wrong one is told."""
    other = ".bz2" if suffix == ".gz" else ".gz"
    with pytest.raises(InputError, match=f"^some/in{suffix} cannot be decompressed: "):
        read(COMPRESS[other](SOME), suffix)


def test_frames_without_data() -> None:
    """Zstandard's skippable frames, as seekable files have them, are skipped."""
    skippable = (0x184D2A5E).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
    member = COMPRESS[".zst"](SOME)
    assert read(skippable + member + skippable + member + skippable, ".zst") == SOME * 2


@SUFFIXES
def test_bounded_memory(suffix: str) -> None:
    """Data that shrank to nearly nothing is not decompressed all at once."""
    size = 1 << {".gz": 24, ".bz2": 24, ".xz": 24, ".zst": 29}[suffix]  # in proportion to their windows
    data = COMPRESS[suffix](bytes(size))
    tracemalloc.start()
    try:
        with decompressed(io.BytesIO(data), f"in{suffix}") as stream:
            for _ in range(3):
                assert stream.read(1 << 17) == bytes(1 << 17)
        assert tracemalloc.get_traced_memory()[1] < size / 3
    finally:
        tracemalloc.stop()


@SUFFIXES
@given(content=LINES)
def test_lines(suffix: str, content: bytes) -> None:
    """A compressed file has the records of the plain one."""
    for form in (TextInput(), CsvInput(header=False, delimiter=";", multiline=False)):
        plain = content.replace(b"\r", b"")
        assert records(form, COMPRESS[suffix](plain), f"in{suffix}") == records(form, plain)


@SUFFIXES
def test_errors_of_formats_name_the_file_and_the_plain_offset(suffix: str) -> None:
    """Offsets are those in the decompressed data."""
    data = SOME * 50
    for form, bad in ((TextInput(), b"\xff"), (CsvInput(header=False), b"\xff"), (JsonLinesInput(), b"{")):
        start = data if bad == b"\xff" else b"[1, 2]\n" * 20_000
        with pytest.raises(InputError, match=f"^some/in{suffix}: .* offset {len(start)} "):
            records(form, COMPRESS[suffix](start + bad), f"some/in{suffix}")


@SUFFIXES
def test_truncation_reaches_every_format(suffix: str) -> None:
    """No format takes a truncated file for a short one."""
    data = COMPRESS[suffix](b"1\n" * 1000)[:-3]
    for form in (TextInput(), JsonLinesInput(), CsvInput(), CsvInput(multiline=False)):
        with pytest.raises(InputError, match=f"some/in{suffix} is truncated"):
            records(form, data, f"some/in{suffix}")


@pytest.mark.parametrize(
    ("name", "compressed"),
    [
        *(("a.gz", True), ("a.TXT.GZ", True), ("a.tar.bz2", True), ("a.xz", True), ("a.zst", True)),
        *(("a.txt", False), ("gz", False), ("a.gz/b", False), ("a.gzip", False), ("", False), ("a.", False)),
    ],
)
def test_suffixes(name: str, compressed: bool) -> None:
    """The last suffix tells, in upper case too."""
    assert is_compressed(name) == compressed


def test_plain_names_are_not_decompressed() -> None:
    """Asking for it is a mistake of the caller's."""
    with pytest.raises(ValueError, match=r"in\.txt has no suffix of a known compression"):
        decompressed(io.BytesIO(), "in.txt")


def test_open_segment() -> None:
    """Formats that read whole files get the plain bytes, of an object that has not changed."""
    data = gzip.compress(SOME)
    with open_segment(whole(data, "in.GZ"), stored(data), "in") as stream:
        assert stream.read() == SOME
    with open_segment(whole(data, "in.txt"), stored(data), "in") as stream:
        assert stream.read() == data
    with pytest.raises(InputError, match=f"in.gz has {len(data)} bytes, but had 5 when"):
        open_segment(Segment("in.gz", 0, 5, 5), stored(data), "in")


def test_closing_closes_the_source() -> None:
    """The compressed stream is closed with the plain one."""
    source = io.BytesIO(gzip.compress(SOME))
    decompressed(source, "in.gz").close()
    assert source.closed
