"""mrjob's local runner, which starts this script again for each of its tasks."""
# mypy: disable-error-code="import-not-found, import-untyped, misc"

from __future__ import annotations

import sys
from collections.abc import Iterator

from mrjob.job import MRJob
from mrjob.protocol import TextProtocol


class WordCount(MRJob):
    """Words and their counts."""

    OUTPUT_PROTOCOL = TextProtocol

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        """The words of a line."""
        for word in line.split():
            yield word, 1

    def combiner(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        """A word's count in one task."""
        yield word, sum(counts)

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, str]]:
        """A word's count."""
        yield word, str(sum(counts))


def main() -> None:
    """Run the whole job."""
    from ..common import arguments

    given = arguments()
    options = ["-r", "local", "--no-conf", "--no-cat-output", "--output-dir", given.output]
    options += ["--num-cores", str(given.workers)]
    for kind in ("maps", "reduces"):
        options += ["-D", f"mapreduce.job.{kind}={given.workers}"]
    with WordCount([*options, *given.files]).make_runner() as runner:
        runner.run()


if __name__ == "__main__":
    if "--input" in sys.argv:
        main()
    else:
        WordCount.run()
