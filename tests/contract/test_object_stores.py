"""The object stores of this package keep the contract."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from mapreduce.objectstore import FolderStore, MemoryStore, ObjectStore, open_store
from mapreduce.objectstore.testing import ObjectStoreContract, RawGet, RawPut

_names = itertools.count()


class TestFolderStore(ObjectStoreContract):
    """A folder of files."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """A store in a folder that does not exist yet."""
        return FolderStore(tmp_path / "root")

    @pytest.fixture
    def raw_get(self, tmp_path: Path) -> RawGet:
        """Reads the file of an object."""

        def read(key: str) -> bytes | None:
            path = tmp_path / "root" / key
            return path.read_bytes() if path.is_file() else None

        return read

    @pytest.fixture
    def raw_put(self, tmp_path: Path) -> RawPut:
        """Writes the file of an object."""

        def write(key: str, data: bytes) -> None:
            path = tmp_path / "root" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        return write


class TestMemoryStore(ObjectStoreContract):
    """A dict."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """A store of a name that no other test uses."""
        return MemoryStore(f"contract-{os.getpid()}-{next(_names)}")

    @pytest.fixture
    def raw_get(self, store: ObjectStore) -> RawGet:
        """Reads through a second store of the same name."""
        other = open_store(store.url)
        return lambda key: other.get(key) if key in {info.key for info in other.list("")} else None

    @pytest.fixture
    def raw_put(self, store: ObjectStore) -> RawPut:
        """Writes through a second store of the same name."""
        return open_store(store.url).put
