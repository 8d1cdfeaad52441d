"""Ray's tasks: a Counter for each file, merged by hash."""
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import zlib
from collections import Counter
from typing import Any

import ray

from ..common import arguments, write_counts
from ..ray_session import start

if __name__ == "__main__":
    given = arguments()
    start(given.workers)

    @ray.remote(num_returns=given.workers)
    def count(path: str) -> list[dict[str, int]]:
        """The words of a file, for each process that merges."""
        with open(path, encoding="utf-8", newline="\n") as file:
            counts = Counter(file.read().split())
        shares: list[dict[str, int]] = [{} for _ in range(given.workers)]
        for word, times in counts.items():
            shares[zlib.crc32(word.encode()) % given.workers][word] = times
        return shares

    @ray.remote
    def merge(number: int, *shares: dict[str, int]) -> None:
        """The counts of all files."""
        total: Counter[str] = Counter()
        for counts in shares:
            total.update(counts)
        write_counts(given.output, total.items(), number)

    counted: list[Any] = [count.remote(path) for path in given.files]
    ray.get([merge.remote(number, *(one[number] for one in counted)) for number in range(given.workers)])
    ray.shutdown()
