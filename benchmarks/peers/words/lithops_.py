"""Lithops' map_reduce on this machine, over 16 MB of the files at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..common import arguments, write_counts
from ..lithops_session import executor


def count(obj: Any) -> Counter[str]:
    """The words of a piece of a file."""
    return Counter(obj.data_stream.read().decode("utf-8").split())


def merge(results: list[Counter[str]]) -> Counter[str]:
    """The counts of all pieces."""
    total: Counter[str] = Counter()
    for counts in results:
        total.update(counts)
    return total


if __name__ == "__main__":
    given = arguments()
    with executor(given.workers) as here:
        futures = here.map_reduce(count, given.files, merge, obj_chunk_size=16_000_000, obj_newline="\n")
        write_counts(given.output, here.get_result(futures).items())
