"""One large piece of memory that attempts of this process use one after the other.

Touching fresh memory for the first time takes as long as copying it several times over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_lock = threading.Lock()
_kept: list[Bytes] = []


@contextmanager
def scratch(size: int) -> Iterator[Bytes]:
    """At least `size` bytes, of any content, until the context ends."""
    with _lock:
        buffer = _kept.pop() if _kept else None
    if buffer is None or len(buffer) < size:
        buffer = None  # the old one is gone before the new one comes
        buffer = np.empty(size, np.uint8)
    try:
        yield buffer
    finally:
        with _lock:
            _kept[:] = [buffer]


def kept() -> int:
    """Bytes that are kept for the next attempt."""
    with _lock:
        return sum(map(len, _kept))


def forget() -> None:
    """Give the memory back."""
    with _lock:
        _kept.clear()
