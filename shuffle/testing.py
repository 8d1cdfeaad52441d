"""What every shuffle store must do, as tests: a subclass of `ShuffleContract` gives two fixtures.

It needs pytest and hypothesis, which the extra `test` installs. See docs/plugins.md.
"""

from __future__ import annotations

import itertools
import json
import threading
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce import LostBlocks
from mapreduce.blocks import encode_block
from mapreduce.seal import Seal
from shuffle import AttemptId, Piece, Receipt, ShuffleStore, open_shuffle
from shuffle.base import Partitioned

SEAL = Seal(b"a secret of the tests")
#: What an attempt writes: for each partition its blocks.
Layout = Mapping[int, Sequence[bytes]]

_jobs = itertools.count()


class Broken(Exception):
    """Ends a write in the tests."""


class BackDoor(ABC):
    """Looks at a store, and damages it, past its own methods."""

    @abstractmethod
    def names(self) -> set[str]:
        """The names of everything that lies in the store."""

    @abstractmethod
    def remove(self, piece: Piece) -> None:
        """Lose what holds `piece`."""

    @abstractmethod
    def truncate(self, piece: Piece, left: int) -> None:
        """Lose all but the first `left` bytes of `piece`, and what lies behind it in its place."""


def block(text: str) -> bytes:
    """A block that holds `text`."""
    return encode_block([text], [len(text)], SEAL, "contract")


def attempt(task: int = 0, number: int = 0, job: str = "", round: int = 0) -> AttemptId:
    """An attempt of a job that no other test has."""
    return AttemptId(job or f"job-{next(_jobs)}", round, task, number)


def partitioned(layout: Layout) -> Iterator[Partitioned]:
    """`layout` as `write` takes it; ten records a block."""
    for partition, blocks in layout.items():
        yield Partitioned(partition, 10 * len(blocks), iter(blocks))


def blocks_of(store: ShuffleStore, pieces: Sequence[Piece]) -> list[bytes]:
    """All blocks of `pieces`."""
    return [bytes(data) for _, data in store.read(pieces)]


class ShuffleContract:
    """The behaviour that map and reduce tasks rely on."""

    #: Whether the store keeps what was written in the memory of the process.
    in_memory = False

    @pytest.fixture
    def store(self) -> ShuffleStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def back_door(self, store: ShuffleStore) -> BackDoor:
        """The way past the store."""
        raise NotImplementedError

    def reopen(self, store: ShuffleStore) -> ShuffleStore:
        """The same store, as another process would open it."""
        return open_shuffle(store.url)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(data=st.data())
    def test_what_was_written_is_read(self, store: ShuffleStore, data: st.DataObject) -> None:
        """Any pieces of any attempts are read in the order given, their blocks in the order written."""
        texts = st.lists(st.text(max_size=20) | st.just("long" * 500), max_size=4)
        layouts = data.draw(st.lists(st.dictionaries(st.integers(0, 2000), texts, max_size=5), max_size=4))
        job = f"job-{next(_jobs)}"
        written: list[tuple[Piece, list[bytes]]] = []
        for task, texts_of in enumerate(layouts):
            layout = {partition: [block(text) for text in some] for partition, some in texts_of.items()}
            receipt = store.write(attempt(task, job=job), partitioned(layout))
            written += [(receipt.pieces[partition], blocks) for partition, blocks in layout.items() if blocks]
            assert set(receipt.pieces) == {partition for partition, blocks in layout.items() if blocks}
        some = data.draw(st.permutations(written))
        expected = [(piece, block) for piece, blocks in some for block in blocks]
        assert list(store.read([piece for piece, _ in some])) == expected

    def test_many_partitions_and_blocks(self, store: ShuffleStore) -> None:
        """A receipt tells each piece's size, blocks and records, and what they sum up to."""
        layout = {n: [block(f"{n}.{number}" * n) for number in range(n % 7)] for n in range(300)}
        name = attempt(3, 2)
        receipt = store.write(name, partitioned(layout))
        for partition, piece in receipt.pieces.items():
            blocks = layout[partition]
            assert (piece.task, piece.attempt, piece.blocks, piece.records) == (3, 2, len(blocks), 10 * len(blocks))
            assert piece.size == sum(map(len, blocks))
            assert blocks_of(store, [piece]) == blocks
        assert set(receipt.pieces) == {partition for partition, blocks in layout.items() if blocks}
        assert receipt.size == sum(len(one) for blocks in layout.values() for one in blocks)
        assert receipt.records == 10 * sum(map(len, layout.values()))

    @pytest.mark.parametrize("layout", [{}, {0: []}, {0: [], 5: []}], ids=repr)
    def test_nothing_written(self, store: ShuffleStore, back_door: BackDoor, layout: Layout) -> None:
        """An attempt without blocks has a receipt without pieces, and nothing lies in the store."""
        receipt = store.write(attempt(), partitioned(layout))
        assert receipt == Receipt({})
        assert (receipt.size, receipt.records) == (0, 0)
        assert back_door.names() == set()
        assert list(store.read([])) == []
        store.discard([receipt])

    def test_receipts_travel_as_json(self, store: ShuffleStore) -> None:
        """A receipt that went through JSON is enough to read and to discard in another process."""
        layout = {partition: [block(str(partition))] * 2 for partition in (0, 7, 100)}
        receipt = store.write(attempt(1), partitioned(layout))
        rows = json.loads(json.dumps(receipt.to_json()))
        elsewhere = self.reopen(store)
        again = Receipt.from_json(rows)
        assert set(again.pieces) == set(layout)
        for partition, *fields in rows:
            assert blocks_of(elsewhere, [Piece(*fields)]) == layout[partition]
        elsewhere.discard([again])
        with pytest.raises(LostBlocks):
            blocks_of(store, list(receipt.pieces.values()))

    def test_attempts_never_meet(self, store: ShuffleStore) -> None:
        """Attempts of one task, tasks, rounds and jobs each have what they wrote, in whatever order they end."""
        names = [attempt(task, number, job, round) for task, number, job, round in itertools.product(
            (0, 1), (0, 1), ("a", "b"), (0, 2))]  # fmt: skip
        receipts = [store.write(name, partitioned({4: [block(str(name))]})) for name in names]
        store.discard(receipts[::2])
        for name, receipt in list(zip(names, receipts, strict=True))[1::2]:
            assert blocks_of(store, [receipt.pieces[4]]) == [block(str(name))]

    def test_lost_pieces(self, store: ShuffleStore, back_door: BackDoor) -> None:
        """What is missing is an error that names the map task, wherever it stands among the pieces."""
        job = attempt().job
        pieces = [
            store.write(attempt(task, job=job), partitioned({1: [block(f"{task}")] * 3})).pieces[1] for task in range(3)
        ]
        back_door.remove(pieces[1])
        for order in itertools.permutations(pieces):
            with pytest.raises(LostBlocks, match="map task 1") as caught:
                blocks_of(store, order)
            assert caught.value.tasks == (1,)
        assert blocks_of(store, [pieces[0], pieces[2]]) == [block("0")] * 3 + [block("2")] * 3

    def test_truncated_pieces(self, store: ShuffleStore, back_door: BackDoor) -> None:
        """A piece that ends early, inside a block or between two, is lost; what lies before it is not."""
        blocks = [block("one"), block("two")]
        for left in (0, 1, 23, 24, len(blocks[0]) - 1, len(blocks[0]), len(blocks[0]) + 1, sum(map(len, blocks)) - 1):
            receipt = store.write(attempt(5), partitioned({0: [block("before")], 1: blocks}))
            back_door.truncate(receipt.pieces[1], left)
            with pytest.raises(LostBlocks, match="map task 5") as caught:
                blocks_of(store, [receipt.pieces[1]])
            assert caught.value.tasks == (5,)
            assert blocks_of(store, [receipt.pieces[0]]) == [block("before")]

    def test_discard(self, store: ShuffleStore, back_door: BackDoor) -> None:
        """Discarding deletes what the receipts stand for and nothing else, and may be repeated."""
        job = attempt().job
        receipts = [store.write(attempt(task, job=job), partitioned({0: [block("x")], 9: []})) for task in range(4)]
        kept = store.write(attempt(1, 1, job), partitioned({0: [block("kept")]}))
        for _ in range(2):
            store.discard(receipts)
            store.discard([])
        for receipt in receipts:
            with pytest.raises(LostBlocks):
                blocks_of(store, [receipt.pieces[0]])
        assert blocks_of(store, [kept.pieces[0]]) == [block("kept")]
        store.discard([kept])
        assert back_door.names() == set()

    def test_sweep(self, store: ShuffleStore, back_door: BackDoor) -> None:
        """A sweep deletes what attempts left that have no receipt: lost ones, failed ones, none at all."""
        job = attempt().job
        store.write(attempt(0, 0, job), partitioned({0: [block("lost")]}))
        with pytest.raises(Broken):
            store.write(attempt(0, 1, job), self._breaks())
        other = store.write(attempt(0, 0, f"{job}0"), partitioned({0: [block("other")]}))
        left = [attempt(0, 0, job), attempt(0, 1, job), attempt(7, 0, job), attempt(0, 0, f"{job}-never", 3)]
        for _ in range(2):
            store.sweep(left)
        assert blocks_of(store, [other.pieces[0]]) == [block("other")]
        store.discard([other])
        assert back_door.names() == set()
        store.sweep([])

    @staticmethod
    def _breaks() -> Iterator[Partitioned]:
        def blocks() -> Iterator[bytes]:
            yield block("a block")
            raise Broken

        yield Partitioned(0, 1, [block("whole")])
        yield Partitioned(1, 1, blocks())

    def test_memory_of_a_write_is_bounded(self, store: ShuffleStore) -> None:
        """Blocks are asked for one after the other, and let go when they have been written."""
        asked: list[tuple[int, int]] = []
        size = 1 << 20

        def blocks(partition: int) -> Iterator[bytes]:
            for number in range(16):
                asked.append((partition, number))
                yield bytes(size)

        tracemalloc.start()
        try:
            store.write(attempt(), (Partitioned(partition, 1, blocks(partition)) for partition in range(4)))
            assert self.in_memory or tracemalloc.get_traced_memory()[1] < 12 * size
        finally:
            tracemalloc.stop()
        assert asked == [(partition, number) for partition in range(4) for number in range(16)]

    def test_threads(self, store: ShuffleStore) -> None:
        """Threads that share a store write and read side by side."""
        start = threading.Barrier(8)
        job = attempt().job

        def work(task: int) -> bool:
            start.wait(30)
            good = True
            for number in range(10):
                layout = {partition: [block(f"{task}.{number}.{partition}")] * 3 for partition in range(5)}
                receipt = store.write(attempt(task, number, job), partitioned(layout))
                for partition, piece in receipt.pieces.items():
                    good &= blocks_of(store, [piece]) == layout[partition]
                store.discard([receipt])
            return good

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))

    def test_requests(self, store: ShuffleStore) -> None:
        """A map attempt costs one request to write, however many partitions it has, and a piece one to read."""
        job = attempt().job
        before = store.requests.snapshot()
        receipts = [
            store.write(attempt(task, job=job), partitioned({n: [block("x")] * 2 for n in range(50)}))
            for task in range(4)
        ]
        written = store.requests.snapshot()
        assert written.get("put", 0) - before.get("put", 0) <= 4
        assert written["bytes_written"] - before.get("bytes_written", 0) == sum(r.size for r in receipts)
        pieces = [receipt.pieces[3] for receipt in receipts]
        blocks_of(store, pieces)
        read = store.requests.snapshot()
        assert read.get("get", 0) - written.get("get", 0) <= len(pieces)
        assert read["bytes_read"] - written.get("bytes_read", 0) == sum(piece.size for piece in pieces)

    def test_repr_shows_the_url(self, store: ShuffleStore) -> None:
        """A store shows itself by its URL, and opens elsewhere by it."""
        assert repr(store) == f"{type(store).__name__}({store.url!r})"
        assert self.reopen(store).url == store.url
