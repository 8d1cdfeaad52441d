"""An object store in the memory of one process, for tests and the inline executor."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mapreduce.errors import MissingObject
from mapreduce.objectstore.base import ObjectInfo, ObjectStore, Writer, check_key

_lock = threading.Lock()
_shared: dict[str, dict[str, bytes]] = {}


class MemoryStore(ObjectStore):
    """Objects in a dict that all stores of the same name in this process share."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.url = f"memory://{name}"
        with _lock:
            self._objects = _shared.setdefault(name, {})

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        check_key(key)
        data = io.BytesIO()
        yield data
        with _lock:
            self._objects[key] = data.getvalue()
        self.requests.add("put", written=data.tell())

    def put_if_absent(self, key: str, data: bytes) -> bool:
        check_key(key)
        with _lock:
            created = key not in self._objects
            if created:
                self._objects[key] = bytes(data)
        self.requests.add("put", written=len(data) if created else 0)
        return created

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        data = self._find(key)[start:end]
        self.requests.add("get", read=len(data))
        return io.BytesIO(data)

    def size(self, key: str) -> int:
        size = len(self._find(key))
        self.requests.add("size")
        return size

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with _lock:
            found = [(key.encode(), len(data)) for key, data in self._objects.items() if key.startswith(prefix)]
        for number, (key, size) in enumerate(sorted(found)):
            if number % self.page == 0:
                self.requests.add("list")
            yield ObjectInfo(key.decode(), size)
        if not found:
            self.requests.add("list")

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            with _lock:
                self._objects.pop(key, None)
            self.requests.add("delete")

    def move(self, source: str, target: str) -> None:
        check_key(source)
        check_key(target)
        with _lock:
            if source in self._objects:
                self._objects[target] = self._objects.pop(source)
            elif target not in self._objects:
                raise MissingObject(f"{self.url} has no object {source}")
        self.requests.add("move")

    def _find(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError:
            raise MissingObject(f"{self.url} has no object {key}") from None
