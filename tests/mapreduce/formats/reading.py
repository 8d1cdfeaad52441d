"""Helpers: contents as objects, and what a format reads of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from mapreduce import InputFormat
from mapreduce.formats import Segment
from mapreduce.objectstore import MemoryStore, ObjectStore

_numbers = itertools.count()


def stored(content: bytes) -> ObjectStore:
    """A store that holds `content` under the key "in"."""
    store = MemoryStore(f"formats-{os.getpid()}-{next(_numbers)}")
    store.put("in", content)
    return store


def whole(content: bytes, url: str) -> Segment:
    """All of `content`."""
    return Segment(url, 0, len(content), len(content))


def cut(content: bytes, size: int, url: str = "in.txt") -> list[Segment]:
    """The segments of `content` for splits of `size` bytes."""
    length = len(content)
    return [Segment(url, start, min(start + size, length), length) for start in range(0, length, size)]


def every_cut(content: bytes) -> Iterator[list[Segment]]:
    """The segments of `content` for each size of splits from 1 byte to more than it has."""
    for size in range(1, len(content) + 2):
        yield cut(content, size)


def records(form: InputFormat[Any], content: bytes, url: str = "in.txt") -> list[Any]:
    """All records that `form` reads of `content` as one segment."""
    return [record for part in form.read(whole(content, url), stored(content), "in") for record in part]


def check_every_cut(form: InputFormat[Any], content: bytes) -> None:
    """For each size of splits the segments' records are together those of the whole."""
    store = stored(content)
    expected = [record for part in form.read(whole(content, "in.txt"), store, "in") for record in part]
    for segments in every_cut(content):
        found = [record for segment in segments for part in form.read(segment, store, "in") for record in part]
        assert found == expected, segments[:1]


def contents(pieces: list[bytes], max_size: int = 12) -> st.SearchStrategy[bytes]:
    """Contents made of `pieces`, so that what is rare elsewhere is frequent here."""
    return st.lists(st.sampled_from(pieces), max_size=max_size).map(b"".join)


#: Line ends of all kinds, empty lines, characters of 1 to 4 bytes, and lines longer than several splits.
LINES = contents([b"\n", b"\n", b"\r\n", b"\r", b"a", "é".encode(), "日".encode(), "\U0001f600".encode(), b"long " * 4])
