"""Words counted by arrays: whole batches of text at a time, with no step in Python for each word.

A word of up to 16 bytes is one or two integers, so words are counted by sorting integers; longer ones, and
batches that hold characters of an unusual kind, are counted by Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mapreduce import BatchMapper, Block

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Different words held before the counts of several batches are brought together.
_HELD = 1 << 20
# Odd numbers, to mix the halves of a word.
_MIX, _OTHER = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F


class CountWords(BatchMapper[bytes]):
    """The words of text in UTF-8, as `str.split` finds them, counted for each task."""

    def setup(self) -> None:
        import numpy as np

        self._long: Counter[str] = Counter()
        self._short = Counts(1)
        self._middle = Counts(2)
        masks = [(1 << (8 * length)) - 1 for length in range(9)]
        self._masks = np.array(masks, np.uint64)

    def map_batch(self, batch: bytes) -> Iterator[Block]:
        import numpy as np

        text = np.frombuffer(batch + bytes(16), np.uint8)
        if _is_unusual(batch, text[: len(batch)]):
            self._long.update(batch.decode().split())
            return iter(())
        starts, lengths = _words(text[: len(batch)])
        # The eight bytes from each byte on, as an integer whose lowest byte is the first.
        eights = np.ndarray((len(batch) + 9,), "<u8", text.data, 0, (1,))
        few = np.flatnonzero(lengths <= 8)
        self._short.add(eights[starts[few]] & self._masks[lengths[few]])
        more = np.flatnonzero(lengths > 8)
        starts, lengths = starts[more], lengths[more]
        few = np.flatnonzero(lengths <= 16)
        firsts = starts[few]
        self._middle.add(eights[firsts], eights[firsts + 8] & self._masks[lengths[few] - 8])
        more = np.flatnonzero(lengths > 16)
        for start, length in zip(starts[more].tolist(), lengths[more].tolist(), strict=True):
            self._long[batch[start : start + length].decode()] += 1
        return iter(())

    def finish(self) -> Iterator[Block]:
        for counts in (self._short, self._middle):
            yield Block(*counts.words())
        yield Block(list(self._long), list(self._long.values()))


class Counts:
    """How often words of `width` integers were added."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._held: list[tuple[list[Any], Any]] = []
        self._size = 0

    def add(self, *parts: NDArray[np.uint64]) -> None:
        """Count words, given as their first, second ... eight bytes."""
        self._hold(_count(list(parts), None))
        if self._size > _HELD:
            self._gather()

    def words(self) -> tuple[list[str], list[int]]:
        """The different words, and the count of each."""
        import numpy as np

        self._gather()
        if not self._held:
            return [], []
        (parts, counts), *_ = self._held
        together = np.column_stack(parts).astype("<u8")
        # Items of this type come without the zero bytes at their end.
        found: list[bytes] = together.view(f"S{8 * self._width}").ravel().tolist()
        return b"\n".join(found).decode().split("\n") if found else [], counts.tolist()

    def _hold(self, counted: tuple[list[Any], Any]) -> None:
        self._held.append(counted)
        self._size += len(counted[1])

    def _gather(self) -> None:
        import numpy as np

        if len(self._held) > 1:
            held, self._held, self._size = self._held, [], 0
            parts = [np.concatenate([some[place] for some, _ in held]) for place in range(self._width)]
            self._hold(_count(parts, np.concatenate([counts for _, counts in held])))


def _count(parts: list[NDArray[np.uint64]], weights: NDArray[np.int64] | None) -> tuple[list[Any], NDArray[np.int64]]:
    """Each different row of `parts`, and the sum of its weights, or how often it occurs."""
    import numpy as np

    if len(parts) == 1 and weights is None:
        order: Any = slice(None)
        parts = [np.sort(parts[0])]
    elif len(parts) == 1:
        order = np.argsort(parts[0])
    else:
        order = np.argsort(parts[0] * np.uint64(_MIX) ^ parts[1] * np.uint64(_OTHER))
    parts = [part[order] for part in parts]
    changed = np.ones(len(parts[0]), bool)
    changed[1:] = False
    for part in parts:
        changed[1:] |= part[1:] != part[:-1]
    # Where mixed halves of different words are equal, a word may be found twice: with two counts, which add up.
    starts = np.flatnonzero(changed)
    if weights is None:
        counts = np.diff(starts, append=len(changed))
    else:
        counts = np.add.reduceat(weights[order], starts) if len(starts) else weights
    return [part[starts] for part in parts], counts


def _words(text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where words begin, and their lengths."""
    import numpy as np

    inside = np.zeros(len(text) + 2, bool)
    np.greater(text, ord(" "), out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return edges[0::2], edges[1::2] - edges[0::2]


def _is_unusual(batch: bytes, text: NDArray[np.uint8]) -> bool:
    """Whether there are control characters but the usual ones, or white space beyond ASCII."""
    import numpy as np

    control = np.count_nonzero(text < ord(" ")) - batch.count(b"\n")
    if control and control != sum(map(batch.count, (b"\t", b"\r", b"\v", b"\f"))):
        return True
    places = np.flatnonzero(text >= 0xC2)
    # The bytes of U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F and U+3000.
    first, second, third = (text[np.minimum(places + ahead, len(text) - 1)] for ahead in range(3))
    spaces = (
        ((first == 0xC2) & ((second == 0x85) | (second == 0xA0)))
        | ((first == 0xE1) & (second == 0x9A) & (third == 0x80))
        | ((first == 0xE2) & (second == 0x80) & ((third <= 0x8A) | np.isin(third, (0xA8, 0xA9, 0xAF))))
        | ((first == 0xE2) & (second == 0x81) & (third == 0x9F))
        | ((first == 0xE3) & (second == 0x80) & (third == 0x80))
    )
    return bool(spaces.any())
