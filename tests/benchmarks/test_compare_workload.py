"""The shuffle without a job: what is written is read, and what is not is found out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.compare.crew import Crew
from benchmarks.compare.layout import layouts, open_per_pair
from benchmarks.compare.places import Place
from benchmarks.compare.roofline import beside, move_raw
from benchmarks.compare.workload import Exchange, Shape, differ, exchange, make_block, open_plainly
from mapreduce import ConfigError, LostBlocks
from mapreduce.blocks import frame_size
from mapreduce.columns import Buffer
from mapreduce.objectstore import open_store
from shuffle import Piece
from shuffle.base import ShuffleStore
from shuffle.objects import ObjectShuffle

SHAPE = Shape(maps=3, reduces=4, piece=1_000)

_numbers = itertools.count()


@pytest.fixture
def place() -> Place:
    """A store in this process."""
    return Place(name="memory", url=f"memory://compare-{next(_numbers)}")


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    """A store in a folder."""
    return Place(name="folder", url=(tmp_path / "shuffle").as_uri())


def keys(place: Place) -> list[str]:
    """What lies in a store."""
    return [found.key for found in open_store(place.url).list("")]


def test_everything_is_read(place: Place) -> None:
    """Each byte that was written is read; the figures tell how many, in how many calls, and nothing is left."""
    with Crew(1) as crew:
        done = exchange(place, SHAPE, crew)
    assert done.difference == ""
    assert done.write.size == done.read.size == pytest.approx(SHAPE.size, rel=0.1)
    assert (len(done.write.calls), len(done.read.calls)) == (3, 4)
    assert done.requests["put"] == 3
    assert done.requests["get"] == 12
    assert done.requests["bytes_written"] == done.requests["bytes_read"] == done.read.size
    assert done.seconds == done.write.seconds + done.read.seconds > 0
    assert done.write.rate == done.write.size / done.write.seconds
    assert keys(place) == []


@pytest.mark.process
def test_processes(folder: Place) -> None:
    """Several processes share the work, whether or not it can be shared equally."""
    with Crew(2) as crew:
        done = exchange(folder, SHAPE, crew)
        one = exchange(folder, Shape(maps=1, reduces=1, piece=10), crew)
    assert (done.difference, one.difference) == ("", "")
    assert (len(done.write.calls), len(done.read.calls)) == (3, 4)
    assert done.requests["put"] == 3
    assert done.write.cpu > 0
    assert (len(one.write.calls), len(one.read.calls)) == (1, 1)
    assert keys(folder) == []


class Tampering(ObjectShuffle):
    """Gives other blocks than were written."""

    def __init__(self, place: Place) -> None:
        super().__init__(open_store(place.url))


class Changing(Tampering):
    """Changes the last byte of a block."""

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        for piece, block in super().read(pieces):
            yield piece, bytes(block[:-1]) + bytes([block[-1] ^ 1]) if piece.task == 1 and len(pieces) == 3 else block


class Losing(Tampering):
    """Leaves out the blocks of a map task, without an error."""

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        return ((piece, block) for piece, block in super().read(pieces) if piece.task != 2)


class Mixing(Tampering):
    """Gives to a map task's piece what another wrote."""

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        found = list(super().read(pieces))
        return zip(pieces, (block for _, block in reversed(found)), strict=True)


class Failing(Tampering):
    """Reads nothing."""

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        if len(pieces) == 3:
            raise LostBlocks("it is gone", (0,))
        return super().read(pieces)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (Changing, "4 of 12 pieces are wrong: partition 0 got other bytes of what map task 1 wrote for it"),
        (Losing, "4 of 12 pieces are wrong: partition 0 got nothing of what map task 2 wrote for it"),
        (Mixing, "8 of 12 pieces are wrong: partition 0 got other bytes of what map task 0 wrote for it"),
    ],
)
def test_wrong_bytes_are_found(place: Place, store: type[Tampering], said: str) -> None:
    """Whatever a reducer gets that was not written for it is told, and what was written is still deleted."""
    with Crew(1) as crew:
        assert exchange(place, SHAPE, crew, store).difference == said
    assert keys(place) == []


def test_failure(place: Place) -> None:
    """A store that fails leaves nothing behind."""
    with Crew(1) as crew, pytest.raises(LostBlocks, match="it is gone"):
        exchange(place, SHAPE, crew, Failing)
    assert keys(place) == []


def test_differ() -> None:
    """What came that nobody wrote is wrong too."""
    assert differ({(0, 0): b"x"}, {(0, 0): b"x"}) == ""
    assert "1 of 1 pieces are wrong" in differ({(0, 0): b"x"}, {(0, 0): b"x", (7, 0): b"y"})


@pytest.mark.parametrize("size", [1, 500, 1_000, 100_000])
def test_blocks(size: int) -> None:
    """A block is one frame of about the size that was asked for, the same each time, and each name's its own."""
    block = make_block(size, "0/1")
    assert len(block) == frame_size(block, "test")
    assert abs(len(block) - max(size, 400)) < 100
    assert block == make_block(size, "0/1") != make_block(size, "1/0")


def test_shapes() -> None:
    """Pieces share the bytes; a square has as many tasks for each worker."""
    assert Shape.of(64_000_000, 16, 16) == Shape(maps=16, reduces=16, piece=250_000)
    assert Shape.of(10, 16, 16).piece == 1
    assert Shape.square(64 << 20, 1 << 20, 2) == Shape(maps=8, reduces=8, piece=1 << 20)
    assert Shape.square(65 << 20, 1 << 20, 2).maps == 10
    assert Shape.square(1, 16 << 20, 2).maps == 2


def test_layouts(place: Place) -> None:
    """One object for each map task, or for each pair: as many are put, and both are right."""
    with Crew(1) as crew:
        both = layouts(place, SHAPE, crew)
    assert (both.per_map.requests["put"], both.per_pair.requests["put"]) == (3, 12)
    assert both.per_map.requests["get"] == both.per_pair.requests["get"] == 12
    assert (both.per_map.difference, both.merged.difference, both.per_pair.difference) == ("", "", "")
    assert both.times == both.per_pair.seconds / both.merged.seconds
    assert both.direct_times == both.per_pair.seconds / both.per_map.seconds
    assert both.write_times == both.per_pair.write.seconds / both.per_map.write.seconds
    assert keys(place) == []


def open_broken(place: Place) -> ShuffleStore:
    """A store with one object for each pair, whose fourth object cannot be written."""
    store = open_per_pair(place)
    assert isinstance(store, ObjectShuffle)
    put = store.store.put

    def fail(key: str, data: bytes) -> None:
        if "/0/" in key and key.endswith("00003"):
            raise OSError("full")
        put(key, data)

    store.store.put = fail  # type: ignore[method-assign]
    return store


def test_an_unfinished_layout_is_swept(place: Place) -> None:
    """Objects of an attempt that failed are deleted."""
    with Crew(1) as crew, pytest.raises(OSError, match="full"):
        exchange(place, SHAPE, crew, open_broken)
    assert keys(place) == []


def test_beside_plain_files(folder: Place) -> None:
    """The same bytes go through the store and through plain files, and nothing of either is left."""
    with Crew(1) as crew:
        for raw_first in (False, True):
            one = beside(folder, SHAPE, crew, raw_first=raw_first)
            assert one.difference == ""
            assert one.rates.keys() == one.alone.keys() == {"write", "read"}
            assert one.share("read") == one.rates["read"] / one.alone["read"] > 0
    assert keys(folder) == []
    assert not [path for path in Path(folder.url.removeprefix("file://")).rglob("*") if path.is_file()]


def test_plain_clients_are_known(place: Place) -> None:
    """Of a store that nobody can reach without it nothing is measured beside it."""
    with Crew(1) as crew, pytest.raises(ConfigError, match="there is no plain client"):
        move_raw(place, SHAPE, crew)


def test_stores_are_opened_as_jobs_open_them(folder: Place) -> None:
    """By URL and access."""
    assert open_plainly(folder).url == folder.url


def test_phases_by_name(place: Place) -> None:
    """For tables."""
    with Crew(1) as crew:
        done: Exchange = exchange(place, SHAPE, crew)
    assert (done.phase("write"), done.phase("read")) == (done.write, done.read)
