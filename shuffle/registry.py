"""Which class serves the shuffle stores of a URL scheme."""

from __future__ import annotations

from mapreduce.objectstore import open_store
from shuffle.base import ShuffleStore
from shuffle.objects import ObjectShuffle


def open_shuffle(url: str) -> ShuffleStore:
    """The shuffle store at `url`: any object store's URL.

    Raises:
        ConfigError: no store serves such a URL.
    """
    return ObjectShuffle(open_store(url, "shuffle"))
