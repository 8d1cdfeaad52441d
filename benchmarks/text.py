"""Review-like text for benchmarks: generated once, kept, and the same bytes on every machine."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from benchmarks.kept import keep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: To be raised with every change of the text, so that nobody measures on an older one.
VERSION = 1

_LEAST_FILES = 8
_FILE_SIZE = 32_000_000
_LINES = 5_000  # at a time
_INLINE = 8_000_000  # a size from which processes pay


def review_text(size: int, folder: str | None = None) -> list[str]:
    """The files of a text of `size` bytes, generated if they are not there yet.

    Lines of 5 to 120 words, single spaces between, each ended by a newline; a word is what `str.split`
    and `bytes.split` agree on. Some lines' length short of `size`, as lines are whole.

    Args:
        size: bytes in all files.
        folder: where to keep the text; by default $BENCHMARK_DATA, else ~/.cache/mapreduce/bench.

    Raises:
        OSError: the files cannot be written.
    """
    return keep(f"text-v{VERSION}-{size}", lambda place: _generate(place, size), folder)


def _generate(folder: str, size: int) -> None:
    count = max(_LEAST_FILES, -(-size // _FILE_SIZE))
    sizes = [size * (number + 1) // count - size * number // count for number in range(count)]
    if size < _INLINE:
        _write_files(folder, dict(enumerate(sizes)))
        return
    # Not forked, and not in this process: what generation needs must not count as the driver's memory.
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in [
            pool.submit(_write_files, folder, dict(list(enumerate(sizes))[first::workers])) for first in range(workers)
        ]:
            done.result()


def _write_files(folder: str, sizes: dict[int, int]) -> None:
    """Write the files of these numbers, each of its size."""
    lines = _Lines()
    for number, size in sizes.items():
        with open(os.path.join(folder, f"reviews-{number:04d}.txt"), "wb") as file:
            lines.write(file, number, size)


class _Lines:
    """Draws lines of words, a whole array of them at a time."""

    def __init__(self) -> None:
        import numpy as np

        from benchmarks.vocabulary import vocabulary

        words, frequency = vocabulary()
        self._letters = np.frombuffer(b" ".join(words) + b" ", np.uint8)
        self._lengths = np.array([len(word) + 1 for word in words])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._urn = np.repeat(np.arange(len(words), dtype=np.int32), frequency)

    def write(self, file: BinaryIO, number: int, size: int) -> None:
        """Write whole lines of at most `size` bytes, but one line at least; `number` is the file's."""
        import numpy as np

        # Raw bits and integers alone: what NumPy makes of them in other ways may differ between its releases.
        random = np.random.PCG64(np.random.SeedSequence([VERSION, number]))
        written = 0
        while written < size:
            lines, ends = self._draw(random)
            whole = max(int(np.searchsorted(ends, size - written, side="right")), 0 if written else 1)
            if whole == 0:
                return
            file.write(lines[: ends[whole - 1]].data)
            written += int(ends[whole - 1])
            if whole < len(ends):
                return

    def _draw(self, random: np.random.PCG64) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Many lines, and where each ends."""
        import numpy as np

        low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
        raw = random.random_raw(_LINES)
        # The product of two uniform numbers: many short reviews, few long ones.
        counts = 5 + ((((raw & low) * (raw >> shift)) >> shift) * np.uint64(116) >> shift).astype(np.int64)
        last = np.cumsum(counts) - 1
        drawn = random.random_raw(int(last[-1]) + 1) >> shift
        words = self._urn[(drawn * np.uint64(len(self._urn))) >> shift]
        lengths = self._lengths[words]
        ends = np.cumsum(lengths)
        where = np.repeat(self._starts[words] - (ends - lengths), lengths)
        where += np.arange(len(where))
        lines = self._letters[where]
        lines[ends[last] - 1] = ord("\n")
        return lines, ends[last]
