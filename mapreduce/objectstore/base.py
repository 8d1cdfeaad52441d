"""The contract of an object store."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol, Self

from mapreduce.errors import StoreError
from mapreduce.objectstore.access import Access


class ObjectInfo(NamedTuple):
    """An object as a listing shows it: its key, and its size in bytes."""

    key: str
    size: int


class Requests:
    """How many requests of each kind a store has served, and how many bytes; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, *, read: int = 0, written: int = 0) -> None:
        """Count one request of `kind` (put, get, list, delete, move, size) and the bytes it moved."""
        with self._lock:
            self._counts[kind] += 1
            self._counts["bytes_read"] += read
            self._counts["bytes_written"] += written

    def snapshot(self) -> dict[str, int]:
        """The counts so far by kind, with `bytes_read` and `bytes_written`; kinds never seen are absent."""
        with self._lock:
            return {kind: count for kind, count in sorted(self._counts.items()) if count}


class Writer(Protocol):
    """Takes an object's bytes piece by piece."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take all of `data`; returns how many bytes that were."""


class ObjectStore(ABC):
    """A flat map from keys to immutable bytes, shared by driver and workers.

    A key is a path of names between single slashes; see `check_key`. No key may be another's folder, as `a`
    is that of `a/b`: not every store can hold both. Each object appears at once and
    whole, and is seen by every read and listing that begins after the write ended. Methods may be
    called from several threads. Trouble raises StoreError, an absent object MissingObject; both name
    store and key.

    Attributes:
        url: opens the same store elsewhere, through `open_store`.
        page: keys in one request of a listing.
        concurrency: how many requests at once pay off; 1 where waiting for one is not what takes time.
        requests: counts of what was asked of this instance.
    """

    url: str
    page: int = 1000
    concurrency: int = 1

    def __init__(self) -> None:
        self.requests = Requests()

    @classmethod
    def connect(cls, place: str, access: Access) -> Self:  # noqa: ARG003 - a store may need none
        """The store at `place`, its URL without the scheme."""
        return cls(place)  # type: ignore[call-arg]  # as stores that need no access are made

    @abstractmethod
    def create(self, key: str) -> AbstractContextManager[Writer]:
        """Write an object piece by piece, replacing any before it.

        The object appears when the context ends well; nothing of it stays when it ends by an exception.
        """

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create the object unless one exists: of any number of racing callers exactly one gets True."""

    @abstractmethod
    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        """Stream the bytes `start` to `end` (exclusive; to the object's end by default) in bounded memory.

        A range that reaches past the object's end gives what there is.
        """

    @abstractmethod
    def size(self, key: str) -> int:
        """The size of the object in bytes."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in the order of their keys' UTF-8 bytes."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete these objects; absent ones are no error."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Give the object at `source` the key `target`, replacing any there.

        Safe to repeat: where `source` is gone and `target` exists it has been done already.
        """

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing any before it."""
        with self.create(key) as writer:
            writer.write(data)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes `start` to `end` of an object, as `open` streams them."""
        with self.open(key, start, end) as stream:
            return stream.read()

    def view(self, key: str, start: int, end: int) -> memoryview:
        """The bytes `start` to `end` of an object, by one request; they may lie in memory of the client's own."""
        return memoryview(self.get(key, start, end))

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow `prefix` in keys with a "/" behind them, each once, in the order of `list`.

        Args:
            prefix: "" or what ends with "/".
        """
        last = ""
        for info in self.list(prefix):
            name, slash, _ = info.key[len(prefix) :].partition("/")
            if slash and name != last:
                yield name
                last = name

    def reach(self) -> None:  # noqa: B027 - a store may have nothing that can be wrong
        """Find out, within seconds, whether the store can be reached and listed.

        Raises:
            StoreError: it cannot; the message says what to do.
        """

    def check(self) -> None:  # noqa: B027 - as above
        """Find out, within seconds, whether the store can hold control keys.

        Raises:
            StoreError: it cannot be reached or written, or does not create exclusively; the message
                says what to do.
        """

    def free(self) -> int | None:
        """Bytes that the store has room for; None where there is no limit that it knows."""
        return None

    def sweep(self, prefix: str) -> None:  # noqa: B027 - a store may have nothing to sweep
        """Remove what writes that never ended left under `prefix`, of which no write is under way."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


def check_key(key: str) -> str:
    """`key`, if every store can hold it.

    Raises:
        StoreError: it has an empty, "." or ".." name, a name of more than 255 bytes or one that begins
            with ".tmp-", a NUL, a lone surrogate, or more than 1024 bytes in all.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise StoreError(f"{key!r} is not a key: it cannot be written in UTF-8") from error
    if size > 1024:
        raise StoreError(f"the key {key[:80]!r}... is longer than 1024 bytes")
    for name in key.split("/"):
        if name in ("", ".", "..") or name.startswith(".tmp-") or "\0" in name:
            raise StoreError(f"{key!r} is not a key: names between slashes cannot be {name!r}")
        if len(name.encode()) > 255:
            raise StoreError(f"the name {name[:80]!r}... in a key is longer than 255 bytes")
    return key
