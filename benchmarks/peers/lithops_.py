"""Lithops' map_reduce on this machine, over 16 MB of the files at a time."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections import Counter
from typing import Any

import lithops

from .common import arguments, write_counts


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
    here = {"backend": "localhost", "storage": "localhost", "monitoring": "storage", "telemetry": False}
    config = {"lithops": here, "localhost": {"worker_processes": given.workers}}
    with lithops.FunctionExecutor(config=config, log_level="WARNING") as executor:
        futures = executor.map_reduce(count, given.files, merge, obj_chunk_size=16_000_000, obj_newline="\n")
        write_counts(given.output, executor.get_result(futures).items())
