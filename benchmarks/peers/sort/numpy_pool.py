"""What one writes by hand: a pool of processes that sort with NumPy, and exchange files."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from functools import partial
from typing import Any

from ..common import arguments, part
from ..records import load, ordered, scatter, splitters


def exchange(folder: str, between: Any, numbered: tuple[int, str]) -> None:
    """Write the records of a file, for each part a file."""
    number, path = numbered
    for place, rows in enumerate(scatter(load([path]), between)):
        rows.tofile(os.path.join(folder, str(place), str(number)))


def sort(folder: str, output: str, place: int) -> None:
    """Write a part."""
    pieces = [entry.path for entry in os.scandir(os.path.join(folder, str(place)))]
    rows = load(pieces)
    for path in pieces:
        os.unlink(path)
    ordered(rows).tofile(part(output, place))


if __name__ == "__main__":
    given = arguments()
    between = splitters(given.files, given.parts)
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(given.workers) as pool:
        for place in range(given.parts):
            os.mkdir(os.path.join(folder, str(place)))
        pool.map(partial(exchange, folder, between), enumerate(given.files), 1)
        pool.map(partial(sort, folder, given.output), range(given.parts), 1)
