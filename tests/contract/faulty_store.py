"""An object store that fails by script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Self

from mapreduce import StoreError
from mapreduce.objectstore import Access, MemoryStore, ObjectInfo, ObjectStore
from mapreduce.objectstore.base import Writer

#: Called before each operation with its name and key; what it raises, the operation raises. A write has
#: two operations, "create" and "created", its end; so has "put_if_absent", whose end is "put".
Script = Callable[[str, str], None]

#: What the stores at `faulty://<name>` do.
SCRIPTS: dict[str, Script] = {}


class FailAt:
    """Fails one operation, the `number`th from 0, and all after it if `forever`; counts them in `seen`."""

    def __init__(self, number: int, *, forever: bool = False) -> None:
        self.number = number
        self.forever = forever
        self.seen: list[str] = []

    def __call__(self, name: str, key: str) -> None:
        self.seen.append(f"{name} {key}")
        position = len(self.seen) - 1
        if position == self.number or (self.forever and position > self.number):
            raise StoreError(f"scripted failure of {name} {key}")


class FaultyStore(ObjectStore):
    """A store that asks a script before it does what another store does."""

    def __init__(self, inner: ObjectStore, script: Script) -> None:
        super().__init__()
        self.url = inner.url
        self.requests = inner.requests
        self._inner = inner
        self._script = script

    @classmethod
    def connect(cls, place: str, access: Access) -> Self:
        """The store at `faulty://<place>`: that at `memory://<place>`, with a script."""
        store = cls(MemoryStore(place), SCRIPTS[place])
        store.url = f"faulty://{place}"
        return store

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        self._script("create", key)
        with self._inner.create(key) as writer:
            yield writer
            self._script("created", key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._script("put_if_absent", key)
        created = self._inner.put_if_absent(key, data)
        self._script("put", key)
        return created

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        self._script("open", key)
        return self._inner.open(key, start, end)

    def size(self, key: str) -> int:
        self._script("size", key)
        return self._inner.size(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._script("list", prefix)
        return self._inner.list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self._script("folders", prefix)
        return self._inner.folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._script("delete", key)
            self._inner.delete([key])

    def move(self, source: str, target: str) -> None:
        self._script("move", source)
        self._inner.move(source, target)
