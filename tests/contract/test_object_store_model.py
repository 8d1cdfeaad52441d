"""Any sequence of operations leaves an object store as it would leave a dict."""

from __future__ import annotations

import itertools
import os
import tempfile
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mapreduce import MissingObject
from mapreduce.objectstore import FolderStore, MemoryStore, ObjectStore

_numbers = itertools.count()

# Names of folders and of objects differ, so that no key is another's folder.
FOLDERS = st.sampled_from(["", "a/", "a-/", "a/b/", "é/"])
KEYS = st.builds(lambda folder, name: folder + name, FOLDERS, st.sampled_from(["x", "x!", "x y", "\U0001f600"]))
PREFIXES = KEYS | st.sampled_from(["", "a", "a/", "a/b", "a/b/", "a-", "é", "nothing"])
DATA = st.binary(max_size=40)


class Broken(Exception):
    """Ends a write."""


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to a dict."""

    kind: str

    @initialize()
    def begin(self) -> None:
        """An empty store."""
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[str, bytes] = {}
        self.store: ObjectStore
        if self.kind == "folder":
            self.store = FolderStore(self.folder.name)
        else:
            self.store = MemoryStore(f"model-{os.getpid()}-{next(_numbers)}")

    @rule(key=KEYS, data=DATA)
    def put(self, key: str, data: bytes) -> None:
        """As `model[key] = data`."""
        self.store.put(key, data)
        self.model[key] = data

    @rule(key=KEYS, pieces=st.lists(DATA, max_size=3), fail=st.booleans())
    def create(self, key: str, pieces: list[bytes], fail: bool) -> None:
        """As put, where it does not end by an exception."""
        with suppress(Broken), self.store.create(key) as writer:
            for piece in pieces:
                writer.write(piece)
            if fail:
                raise Broken
        if not fail:
            self.model[key] = b"".join(pieces)

    @rule(key=KEYS, data=DATA)
    def put_if_absent(self, key: str, data: bytes) -> None:
        """As `model.setdefault(key, data)`."""
        assert self.store.put_if_absent(key, data) == (key not in self.model)
        self.model.setdefault(key, data)

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete(self, keys: list[str]) -> None:
        """As `model.pop(key, None)`."""
        self.store.delete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(source=KEYS, goal=KEYS)
    def move(self, source: str, goal: str) -> None:
        """As `model[goal] = model.pop(source)`, once."""
        if source in self.model:
            self.store.move(source, goal)
            self.model[goal] = self.model.pop(source)
        elif goal in self.model:
            self.store.move(source, goal)
        else:
            with pytest.raises(MissingObject):
                self.store.move(source, goal)

    @rule(key=KEYS, start=st.integers(0, 50), length=st.none() | st.integers(0, 50))
    def read(self, key: str, start: int, length: int | None) -> None:
        """As `model[key][start:end]`."""
        end = None if length is None else start + length
        if key in self.model:
            assert self.store.get(key, start, end) == self.model[key][start:end]
            with self.store.open(key, start, end) as stream:
                assert stream.read() == self.model[key][start:end]
        else:
            with pytest.raises(MissingObject):
                self.store.get(key, start, end)

    @rule(prefix=PREFIXES, page=st.integers(1, 3))
    def list(self, prefix: str, page: int) -> None:
        """As a sorted selection of the model."""
        self.store.page = page
        expected = sorted((key.encode(), len(data)) for key, data in self.model.items() if key.startswith(prefix))
        assert [(key.encode(), size) for key, size in self.store.list(prefix)] == expected

    @rule(prefix=PREFIXES)
    def sweep(self, prefix: str) -> None:
        """Changes nothing, where no write was left."""
        self.store.sweep(prefix)

    @invariant()
    def same(self) -> None:
        """Store and model hold the same."""
        if hasattr(self, "store"):
            assert {info.key: self.store.get(info.key) for info in self.store.list("")} == self.model

    def teardown(self) -> None:
        """Remove what lies on disk."""
        if hasattr(self, "folder"):
            self.folder.cleanup()


class FolderMachine(StoreMachine):
    """A folder of files."""

    kind = "folder"

    def teardown(self) -> None:
        """No temporary file is left, nor an empty folder, once all objects are deleted."""
        try:
            if hasattr(self, "store"):
                self.store.delete(list(self.model))
                assert os.listdir(self.folder.name) == []
        finally:
            super().teardown()


class MemoryMachine(StoreMachine):
    """A dict."""

    kind = "memory"


TestFolderModel = FolderMachine.TestCase
TestMemoryModel = MemoryMachine.TestCase
TestFolderModel.settings = TestMemoryModel.settings = settings()
