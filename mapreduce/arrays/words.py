"""Words counted by arrays: text in, each different word and how often it occurs out.

There is no step in Python for each word. A word of up to 16 bytes is one or two integers, so words are
counted by sorting integers; longer ones, and pieces of text that hold control characters of an unusual
kind, are counted by Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mapreduce.arrays.hashing import checksums_of_texts

# Bytes of text that are looked at together: they, and what is made of them, stay in the CPU's cache.
_PIECE = 1 << 18
#: Bytes of text to add at a time, at best: with the rest of a line before, about a piece.
TEXT = _PIECE - (_PIECE >> 3)
# Words gathered before they are sorted and counted: of one integer, and of two.
_SHORT, _MIDDLE = 1 << 20, 1 << 18
# Different words held before the counts of several sorts are brought together; more where these are many.
_HELD = 1 << 20
# Odd numbers, to mix the halves of a word.
_MIX, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
# Control characters that are white space, as a line end is, or part of one.
_USUAL = (b"\t", b"\r", b"\v", b"\f")
# White space of other kinds. In UTF-8 none of these can be a part of other characters.
_SPACES = "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_Integers = NDArray[np.uint64]
_Counts = NDArray[np.int64]


class Counted(NamedTuple):
    """Words and their counts; a word may be there twice, with two counts that add up.

    Attributes:
        rows: a word's bytes in UTF-8 and zero bytes behind them, shape (words, 8 or 16), uint8.
        counts: how often each occurs, int64.
    """

    rows: NDArray[np.uint8]
    counts: _Counts

    def partitions(self, partitions: int) -> NDArray[np.uint32]:
        """The partition that `HashPartitioner` gives each word, as a str."""
        count, width = self.rows.shape
        lengths = width - np.argmax(self.rows[:, ::-1] != 0, axis=1)
        starts = np.arange(count, dtype=np.int64) * width
        return checksums_of_texts(self.rows.reshape(-1), starts, lengths, b"s") % np.uint32(partitions)

    def take(self, places: Any) -> tuple[list[str], list[int]]:
        """The words at some places, as str, and their counts."""
        rows = np.ascontiguousarray(self.rows[places])
        # Items of this type come without the zero bytes at their end.
        found: list[bytes] = rows.view(f"S{rows.shape[1]}").ravel().tolist()
        return b"\n".join(found).decode().split("\n") if found else [], self.counts[places].tolist()


class WordCounts:
    """How often each word occurs in the text that was added; a word is what `str.split` gives.

    Attributes:
        others: the counts of words that are longer than 16 bytes, or were counted by Python.
    """

    def __init__(self) -> None:
        self.others: Counter[str] = Counter()
        self._short = _Sorted(_SHORT, 1)
        self._middle = _Sorted(_MIDDLE, 2)
        self._text = np.zeros(_PIECE + 16, np.uint8)
        # The eight bytes from each byte on, as an integer whose lowest byte is the first.
        self._eights = np.ndarray((_PIECE + 9,), "<u8", self._text.data, 0, (1,))
        self._inside = np.zeros(_PIECE + 2, np.bool_)
        self._edges = np.zeros(_PIECE + 1, np.bool_)
        self._masks = np.array([(1 << (8 * length)) - 1 for length in range(9)], np.uint64)

    def add(self, text: bytes) -> int:
        """Count the words of lines in UTF-8; returns the number of line ends.

        Raises:
            UnicodeDecodeError: the text is something else; some of its words may have been counted.
        """
        lines = start = 0
        while start < len(text):
            end = start + _PIECE
            if end < len(text):  # behind white space, where no word is cut
                end = max(text.rfind(b"\n", start, end), text.rfind(b" ", start, end)) + 1 or len(text)
            lines += self._add(text[start:end])
            start = end
        return lines

    def take(self) -> Iterator[Counted]:
        """The counts of all words that are not among `others`; they are forgotten here."""
        yield self._short.take()
        yield self._middle.take()

    def _add(self, piece: bytes) -> int:
        size = len(piece)
        if size > _PIECE:  # nothing but one word
            return self._add_by_python(piece)
        text = self._text[:size]
        text[:] = np.frombuffer(piece, np.uint8)
        self._text[size : size + 16] = 0
        lines = int(np.count_nonzero(text == ord("\n")))
        controls = int(np.count_nonzero(text < ord(" "))) - lines
        if (controls and controls != sum(map(piece.count, _USUAL))) or not (piece.isascii() or _is_usual(text)):
            plain = _plain(piece)
            return self._add_by_python(piece) if plain == piece else self._add(plain)
        starts, lengths = self._words(text)
        first = self._eights[starts]
        first &= self._masks.take(lengths, mode="clip")
        short = lengths <= 8
        self._short.add(np.compress(short, first))
        longer = np.flatnonzero(~short)
        starts, lengths, first = starts[longer], lengths[longer], first[longer]
        if len(longer) and lengths.max() > 16:
            middle = lengths <= 16
            for start, length in zip(starts[~middle].tolist(), lengths[~middle].tolist(), strict=True):
                self.others[piece[start : start + length].decode()] += 1
            starts, lengths, first = starts[middle], lengths[middle], first[middle]
        self._middle.add(first, self._eights[starts + 8] & self._masks[lengths - 8])
        return lines

    def _words(self, text: NDArray[np.uint8]) -> tuple[_Counts, _Counts]:
        """Where words begin, and their lengths."""
        size = len(text)
        inside, edges = self._inside[: size + 2], self._edges[: size + 1]
        np.greater(text, ord(" "), out=inside[1:-1])
        inside[-1] = False
        found = np.flatnonzero(np.not_equal(inside[1:], inside[:-1], out=edges))
        starts = found[0::2]
        return starts, found[1::2] - starts

    def _add_by_python(self, piece: bytes) -> int:
        self.others.update(piece.decode().split())
        return piece.count(b"\n")


class _Sorted:
    """How often words of `width` integers were added: gathered, and sorted to be counted."""

    def __init__(self, room: int, width: int) -> None:
        self._gathered = np.empty((width, room), np.uint64)
        self._used = 0
        self._held: list[tuple[list[_Integers], _Counts]] = []
        self._size = 0
        self._most = _HELD

    def add(self, *parts: _Integers) -> None:
        """Take in words, given as their first eight bytes, and their second eight."""
        end = self._used + len(parts[0])
        if end > self._gathered.shape[1]:
            self._count()
            end = len(parts[0])
        for row, part in zip(self._gathered, parts, strict=True):
            row[self._used : end] = part
        self._used = end

    def take(self) -> Counted:
        """All words, and the count of each; they are forgotten."""
        self._count()
        self._unite()
        (parts, counts), *_ = self._held
        self._held, self._size, self._most = [], 0, _HELD
        rows = np.column_stack(parts).astype("<u8", copy=False)
        return Counted(rows.view(np.uint8).reshape(len(counts), 8 * len(parts)), counts)

    def _count(self) -> None:
        """Count the words gathered."""
        self._held.append(_count([row[: self._used] for row in self._gathered], None))
        self._used = 0
        self._size += len(self._held[-1][1])
        if self._size > self._most:
            self._unite()
            self._most = 2 * self._size + _HELD

    def _unite(self) -> None:
        """Bring the counts of several sorts together."""
        if len(self._held) > 1:
            parts = [np.concatenate([some[place] for some, _ in self._held]) for place in range(len(self._gathered))]
            self._held = [_count(parts, np.concatenate([counts for _, counts in self._held]))]
            self._size = len(self._held[0][1])


def _count(parts: list[_Integers], weights: _Counts | None) -> tuple[list[_Integers], _Counts]:
    """Each different column of `parts`, and the sum of its weights, or how often it occurs; `parts` may be sorted."""
    order: Any = slice(None)
    if len(parts) == 1 and weights is None:
        parts[0].sort()
    else:
        order = _order(parts)
    parts = [part[order] for part in parts]
    changed = np.ones(len(parts[0]), np.bool_)
    changed[1:] = False
    for part in parts:
        changed[1:] |= part[1:] != part[:-1]
    starts = np.flatnonzero(changed)
    if weights is None:
        counts = np.diff(starts, append=len(changed))
    else:
        counts = np.add.reduceat(weights[order], starts) if len(starts) else weights
    return [part[starts] for part in parts], counts


def _order(parts: list[_Integers]) -> _Counts:
    """An order of columns in which equal ones are neighbours, but for a few that others came between."""
    # A hash and the place below it, sorted as one integer: several times as fast as an indirect sort.
    count = len(parts[0])
    places = np.uint64((1 << count.bit_length()) - 1)
    mixed = parts[0] * _MIX
    for part in parts[1:]:
        mixed ^= part * _OTHER
    mixed &= ~places
    mixed |= np.arange(count, dtype=np.uint64)
    mixed.sort()
    mixed &= places
    return mixed.view(np.int64)


def _plain(piece: bytes) -> bytes:
    """`piece` with plain spaces for white space of unusual kinds."""
    for space in _SPACES:
        piece = piece.replace(space.encode(), b" ")
    return piece


def _is_usual(text: NDArray[np.uint8]) -> bool:
    """Whether what is not ASCII holds no white space.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    # Bytes above ASCII make characters among themselves alone, so their runs are enough: with a letter behind each.
    places = np.flatnonzero(text >= 0x80)
    ends = np.flatnonzero(np.diff(places, append=-1) != 1) + 1
    runs = np.insert(text[places], ends, ord("x")).tobytes().decode()
    return runs.split(None, 1) == [runs]
