"""Word count over a shuffle store: the same text from a local folder, whatever the store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.compare.places import Place
from benchmarks.reference import difference
from benchmarks.wordcount import words
from driver import Driver


@dataclass(frozen=True, kw_only=True)
class Count:
    """What one word count took.

    Attributes:
        seconds: of the whole job, over warm workers.
        map_seconds: of its map round.
        reduce_seconds: of its reduce round.
        bytes_shuffled: through the store.
        difference: how the output differs from that of a plain Counter; "" if it does not.
    """

    seconds: float
    map_seconds: float
    reduce_seconds: float
    bytes_shuffled: int
    difference: str


class WordCount:
    """Counts the words of `files` through the store of a place, any number of times, with the same workers; a context.

    Args:
        place: the store.
        files: the text.
        expected: the lines of the right output, sorted.
        workers: how many processes there are; with one all runs in this process.
        maps: into how many splits, about, the text is cut.
        reduces: partitions.
    """

    def __init__(
        self, place: Place, files: Sequence[str], expected: Sequence[bytes], *, workers: int, maps: int, reduces: int
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="compare-words-")
        self._files = files
        self._expected = expected
        self._reduces = reduces
        self._driver = Driver(
            executor="inline" if workers == 1 else "local",
            workers=workers,
            split_size=max(1, -(-sum(map(os.path.getsize, files)) // maps)),
            storage=os.path.join(self._scratch.name, "storage"),
            **place.settings,
        )

    def run(self) -> Count:
        """Count once, and check the output.

        Raises:
            MapReduceError: the job failed.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch.name) as folder:
            output = os.path.join(folder, "counts")
            result = self._driver.run(words, self._files, output, self._reduces)
            metrics: dict[str, Any] = result.metrics
            return Count(
                seconds=metrics["seconds"],
                map_seconds=result.rounds[0].seconds,
                reduce_seconds=result.rounds[-1].seconds,
                bytes_shuffled=metrics["bytes_shuffled"],
                difference=difference(output, self._expected),
            )

    def close(self) -> None:
        """End the workers, and delete what is left."""
        self._driver.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        try:
            self.run()  # a job before, so that the workers are warm
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
