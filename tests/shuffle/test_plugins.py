"""Stores of other makers: found by their entry points, tried by the contract, used by jobs."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Settings
from driver.doctor import examine
from mapreduce import ConfigError, Job, Mapper, Reducer, StoreError
from mapreduce.objectstore import MemoryStore, open_store
from shuffle import ObjectShuffle, Piece, ShuffleStore, open_shuffle
from shuffle.testing import BackDoor, ShuffleContract
from tests.shuffle import example_store

OBJECTS = """
from mapreduce.objectstore import MemoryStore

class Example(MemoryStore):
    def __init__(self, place):
        super().__init__(f"example-{place}")
        self.url = f"objects://{place}"
"""
ENTRY_POINTS = """
[mapreduce.shuffle_stores]
example = example_store:SqliteShuffle

[mapreduce.object_stores]
objects = example_objects:Example
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with the example stores, for this process and for those that it starts."""
    home = tmp_path / "site-packages"
    info = home / "example_stores-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example-stores\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (home / "example_objects.py").write_text(OBJECTS)
    shutil.copy(example_store.__file__, home)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setenv("PYTHONPATH", str(home))
    for name in ("example_store", "example_objects"):
        monkeypatch.delitem(sys.modules, name, raising=False)


class Rows(BackDoor):
    """Sees the rows of the database."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        return {f"{attempt} {partition}" for attempt, partition, *_ in self._do("SELECT * FROM blocks")}

    def remove(self, piece: Piece) -> None:
        self._do("DELETE FROM blocks WHERE attempt = ? AND partition = ?", *piece.place)

    def truncate(self, piece: Piece, left: int) -> None:
        where = "WHERE attempt = ? AND partition = ?"
        for number, data in self._do(f"SELECT number, data FROM blocks {where} ORDER BY number", *piece.place):
            self._do(f"UPDATE blocks SET data = ? {where} AND number = ?", data[:left], *piece.place, number)
            left = max(0, left - len(data))

    def _do(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as database, database:
            return database.execute(statement, values).fetchall()


@pytest.mark.usefixtures("installed")
class TestExampleStore(ShuffleContract):
    """The example keeps the contract."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A file that does not exist yet."""
        return tmp_path / "shuffle.db"

    @pytest.fixture
    def store(self, installed: None, path: Path) -> ShuffleStore:
        """A store that was found by its entry point."""
        return open_shuffle(f"example://{path}")

    @pytest.fixture
    def back_door(self, path: Path) -> BackDoor:
        """The database."""
        return Rows(path)

    def test_it_is_the_example(self, store: ShuffleStore) -> None:
        """The class is that of the distribution."""
        assert type(store).__module__ == "example_store"

    def test_trouble(self, installed: None, tmp_path: Path) -> None:
        """A file that cannot be used is an error that says so."""
        with pytest.raises(StoreError, match=r"cannot use example://.*/no/file: unable to open database file"):
            open_shuffle(f"example://{tmp_path}/no/file").check(0)


class Words(Mapper[str, str, int]):
    """Words."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


@pytest.mark.process
@pytest.mark.usefixtures("installed")
def test_a_job(tmp_path: Path) -> None:
    """Worker processes find the store too, and nothing stays in it."""
    text = "".join(f"w{number % 13} w{number % 7} é\n" for number in range(1_000))
    (tmp_path / "in.txt").write_text(text)
    path = tmp_path / "shuffle.db"
    with Driver(
        executor="local", workers=2, split_size=3_000, storage=tmp_path / "storage", shuffle=f"example://{path}"
    ) as driver:
        result = driver.run(Job(mapper=Words(), reducer=Total()), tmp_path / "in.txt", partitions=3)
        with result:
            assert Counter(dict(result)) == Counter(text.split())
            assert result.rounds[0].tasks > 1
            assert result.metrics["bytes_shuffled"] > 0
    assert path.exists()
    assert Rows(path).names() == set()
    assert list((tmp_path / "storage").rglob("*shuffle*")) == []


@pytest.mark.usefixtures("installed")
def test_the_doctor(tmp_path: Path) -> None:
    """`mapreduce doctor` can look at the store as at any other."""
    path = tmp_path / "shuffle.db"
    settings = Settings.load({"storage": str(tmp_path / "storage"), "shuffle": f"example://{path}"})
    found = {setting: list(findings) for setting, _, findings in examine(settings)}
    assert [(finding.what, finding.verdict) for finding in found["shuffle"]] == [
        ("usable", "ok"),
        ("write, read, discard", "ok"),
    ]
    assert Rows(path).names() == set()


@pytest.mark.usefixtures("installed")
def test_object_stores() -> None:
    """An object store of another maker opens by its URL, and holds shuffle data too."""
    store = open_store("objects://place")
    assert (type(store).__name__, store.url) == ("Example", "objects://place")
    assert isinstance(store, MemoryStore)
    shuffle = open_shuffle("objects://place")
    assert isinstance(shuffle, ObjectShuffle)
    assert type(shuffle.store) is type(store)


def test_without_the_distribution() -> None:
    """What nobody has installed is unknown."""
    with pytest.raises(ConfigError, match="no store serves 'example://file'"):
        open_shuffle("example://file")
    with pytest.raises(ConfigError, match="no store serves 'objects://place'"):
        open_store("objects://place")
