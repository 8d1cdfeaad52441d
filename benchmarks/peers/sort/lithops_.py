"""Lithops has no sort: one written by hand with NumPy, which exchanges objects through its storage."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np

from ..common import arguments, part
from ..lithops_session import executor
from ..records import load, ordered, scatter, splitters


def exchange(number: int, path: str, between: Any, job: str, storage: Any) -> None:
    """Put the records of a file, for each part an object."""
    for place, rows in enumerate(scatter(load([path]), between)):
        storage.put_object(storage.bucket, f"{job}/{place}/{number}", rows.tobytes())


def sort(place: int, files: int, output: str, job: str, storage: Any) -> None:
    """Write a part."""
    keys = [f"{job}/{place}/{number}" for number in range(files)]
    data = b"".join(storage.get_object(storage.bucket, key) for key in keys)
    storage.delete_objects(storage.bucket, keys)
    ordered(np.frombuffer(data, np.uint8).reshape(-1, 100)).tofile(part(output, place))


if __name__ == "__main__":
    given = arguments()
    between = splitters(given.files, given.parts)
    job = uuid.uuid4().hex
    with executor(given.workers) as here:
        files = [(number, path, between, job) for number, path in enumerate(given.files)]
        here.get_result(here.map(exchange, files))
        here.get_result(here.map(sort, [(place, len(files), given.output, job) for place in range(given.parts)]))
