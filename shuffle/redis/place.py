"""Where the bytes of a piece lie: in chunks, each under a key of its own, or in the spare store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shuffle.base import AttemptId, Piece

#: Bytes of one value, at most: a power of two itself would make allocators waste a quarter.
CHUNK = (2 << 20) - 64


class Place(NamedTuple):
    """Where a piece lies, as its receipt has it.

    Attributes:
        attempt: which wrote it.
        first: number of its first chunk among all that the attempt wrote.
        chunks: how many it has; all but the last are of `CHUNK` bytes.
        spilled: which of them, from 0, lie in the spare store, back to back.
        start: offset of the first of these.
    """

    attempt: str
    first: int
    chunks: int
    spilled: Sequence[int] = ()
    start: int = 0


class Chunk(NamedTuple):
    """A chunk of a piece, of `size` bytes: the value of `key`, or the spare object `key` from `start`."""

    piece: Piece
    size: int
    key: str
    start: int | None = None


def chunks_of(piece: Piece) -> Iterator[Chunk]:
    """The chunks of a piece, in order."""
    place = Place(*piece.place)
    spilled, start = frozenset(place.spilled), place.start
    for number in range(place.chunks):
        size = min(CHUNK, piece.size - number * CHUNK)
        if number in spilled:
            yield Chunk(piece, size, spare_key(place.attempt), start)
            start += size
        else:
            yield Chunk(piece, size, chunk_key(place.attempt, place.first + number))


def chunk_key(attempt: str | AttemptId, number: int) -> str:
    """The key of a chunk, of all that an attempt wrote."""
    return f"mapreduce:{attempt}/{number}"


def count_key(attempt: str | AttemptId) -> str:
    """The key that tells how many chunks an attempt has written, or was about to."""
    return f"mapreduce:{attempt}"


def spare_key(attempt: str | AttemptId) -> str:
    """The spare object of an attempt, which holds the chunks that did not fit."""
    job, number, task = str(attempt).rsplit("/", 2)
    return f"jobs/{job}/shuffle/{number}/{task}"
