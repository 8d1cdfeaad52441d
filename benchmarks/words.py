"""Word count as a batch mapper: batches of text in, blocks of words and counts out."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce import BatchMapper, Block


class CountWords(BatchMapper[bytes]):
    """The words of text in UTF-8, as `str.split` finds them, counted for each task."""

    def setup(self) -> None:
        from mapreduce.arrays.words import WordCounts

        self._counts = WordCounts()

    def map_batch(self, batch: bytes) -> Iterator[Block]:
        self._counts.add(batch)
        return iter(())

    def finish(self) -> Iterator[Block]:
        for counted in self._counts.take():
            yield Block(*counted.take(slice(None)))
        yield Block(list(self._counts.others), list(self._counts.others.values()))
