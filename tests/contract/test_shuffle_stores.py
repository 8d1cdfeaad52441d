"""The shuffle stores of this package keep the contract."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from mapreduce import ConfigError, LostBlocks, MissingObject, StoreError
from mapreduce.objectstore import FolderStore, MemoryStore, ObjectStore
from shuffle import ObjectShuffle, Piece, ShuffleStore, open_shuffle
from shuffle.testing import BackDoor, ShuffleContract, attempt, block, blocks_of, partitioned
from tests.contract.faulty_store import FailAt, FaultyStore

_names = itertools.count()


def memory() -> MemoryStore:
    """A store that no other test uses."""
    return MemoryStore(f"shuffle-{os.getpid()}-{next(_names)}")


class Objects(BackDoor):
    """Sees the objects."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def names(self) -> set[str]:
        return {info.key for info in self._objects.list("")}

    def remove(self, piece: Piece) -> None:
        self._objects.delete([piece.place])

    def truncate(self, piece: Piece, left: int) -> None:
        self._objects.put(piece.place, self._objects.get(piece.place)[: piece.start + left])


class TestFolder(ShuffleContract):
    """Objects that are files."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ShuffleStore:
        """A store in a folder that does not exist yet."""
        return ObjectShuffle(FolderStore(tmp_path / "shuffle"))

    @pytest.fixture
    def back_door(self, tmp_path: Path) -> BackDoor:
        """The files."""
        return Objects(FolderStore(tmp_path / "shuffle"))

    def test_a_killed_write_leaves_what_a_sweep_finds(self, store: ShuffleStore, tmp_path: Path) -> None:
        """The temporary file of a worker that died goes with its job, and no other job's does."""
        mine, other = attempt(), attempt()
        for name in (mine, other):
            store.write(name, partitioned({0: [block("x")]}))
        files = []
        for name in (mine, other):
            [folder] = (tmp_path / "shuffle" / name.job).glob("*/*")
            files.append(folder / ".tmp-of-a-dead-process")
            files[-1].write_bytes(b"half")
        store.sweep([mine])
        assert [file.exists() for file in files] == [False, True]
        assert not (tmp_path / "shuffle" / mine.job).exists()


class TestMemory(ShuffleContract):
    """Objects in a dict."""

    in_memory = True

    @pytest.fixture
    def store(self) -> ShuffleStore:
        """A store of a name that no other test uses."""
        return ObjectShuffle(memory())

    @pytest.fixture
    def back_door(self, store: ShuffleStore) -> BackDoor:
        """The dict."""
        assert isinstance(store, ObjectShuffle)
        return Objects(store.store)


@pytest.mark.parametrize("number", [0, 1])
def test_a_write_that_fails_is_an_error(number: int) -> None:
    """Trouble at any request of a write gives no receipt and leaves nothing, and the next attempt is not harmed."""
    objects = memory()
    script = FailAt(number)
    store = ObjectShuffle(FaultyStore(objects, script))
    layout = {0: [block("a")], 1: [block("b")]}
    job = attempt().job
    with pytest.raises(StoreError, match="scripted failure"):
        store.write(attempt(0, 0, job), partitioned(layout))
    assert len(script.seen) == number + 1
    assert list(objects.list("")) == []
    receipt = store.write(attempt(0, 1, job), partitioned(layout))
    assert blocks_of(store, list(receipt.pieces.values())) == [block("a"), block("b")]


def test_a_read_that_fails_is_no_loss() -> None:
    """A store that cannot be reached is a StoreError: nobody must make the data again."""
    objects = memory()
    receipt = ObjectShuffle(objects).write(attempt(), partitioned({0: [block("a")]}))
    store = ObjectShuffle(FaultyStore(objects, FailAt(0)))
    with pytest.raises(StoreError, match="scripted failure") as caught:
        blocks_of(store, [receipt.pieces[0]])
    assert not isinstance(caught.value, MissingObject | LostBlocks)
    assert blocks_of(store, [receipt.pieces[0]]) == [block("a")]


def test_a_sweep_that_fails_can_be_repeated() -> None:
    """What a sweep or a discard has not reached yet, the next one does."""
    objects = memory()
    job = attempt().job
    names = [attempt(task, job=job) for task in range(3)]
    for name in names:
        ObjectShuffle(objects).write(name, partitioned({0: [block("a")]}))
    store = ObjectShuffle(FaultyStore(objects, FailAt(1)))
    with pytest.raises(StoreError):
        store.sweep(names)
    store.sweep(names)
    assert list(objects.list("")) == []


def test_unknown_urls_are_refused() -> None:
    """The message shows the URL, names the setting and lists what is known."""
    with pytest.raises(ConfigError, match=r"shuffle: no store serves 'ftp://host/x'; known are .*file://.*redis://"):
        open_shuffle("ftp://host/x")
