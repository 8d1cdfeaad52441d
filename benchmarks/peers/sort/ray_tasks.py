"""Ray's tasks, which sort with NumPy, and exchange arrays through its object store."""
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
import ray

from ..common import arguments, part
from ..ray_session import start
from ..records import load, ordered, scatter, splitters

if __name__ == "__main__":
    given = arguments()
    start(given.workers)
    between = splitters(given.files, given.parts)

    @ray.remote(num_returns=given.parts)
    def exchange(path: str) -> list[Any]:
        """The records of a file, for each part."""
        return scatter(load([path]), between)

    @ray.remote
    def sort(number: int, *pieces: Any) -> None:
        """Write a part."""
        ordered(np.concatenate(pieces)).tofile(part(given.output, number))

    scattered: list[Any] = [exchange.remote(path) for path in given.files]
    ray.get([sort.remote(number, *(one[number] for one in scattered)) for number in range(given.parts)])
    ray.shutdown()
