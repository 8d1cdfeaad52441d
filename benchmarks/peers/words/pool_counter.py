"""What one writes by hand: a pool of processes, and a Counter for each file."""

from __future__ import annotations

import multiprocessing
from collections import Counter

from ..common import arguments, write_counts


def count(path: str) -> Counter[str]:
    """The words of a file."""
    counts: Counter[str] = Counter()
    with open(path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            counts.update(line.split())
    return counts


if __name__ == "__main__":
    given = arguments()
    total: Counter[str] = Counter()
    with multiprocessing.Pool(given.workers) as pool:
        for counts in pool.imap_unordered(count, given.files):
            total.update(counts)
    write_counts(given.output, total.items())
