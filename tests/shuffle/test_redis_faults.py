"""The Redis shuffle store when Redis is full, loses keys, or dies, and when connections break."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence

import pytest

from mapreduce import BlockError, LostBlocks, StoreError
from mapreduce.blocks import decode_block
from mapreduce.objectstore import Access, MemoryStore, ObjectStore
from shuffle import AttemptId, Piece, Receipt, ShuffleStore, open_shuffle
from shuffle.base import Partitioned
from shuffle.redis import opening
from shuffle.redis.node import Patience
from shuffle.redis.place import CHUNK, Place, chunks_of, spare_key
from shuffle.testing import SEAL, Broken, Layout, attempt, block, blocks_of, partitioned
from tests.contract.faulty_store import FailAt, FaultyStore
from tests.services import proxy, redis_servers
from tests.services.proxy import Fault, Proxy
from tests.services.redis_servers import Keys, RedisServer
from tests.shuffle.big import big_block

pytestmark = pytest.mark.process

_names = itertools.count()
#: Bytes that a small server has room for.
ROOM = 12_000_000


@pytest.fixture
def spare() -> MemoryStore:
    """An empty object store."""
    return MemoryStore(f"spare-{next(_names)}")


@pytest.fixture
def small() -> Iterator[RedisServer]:
    """A server that is full when it has taken 12 MB, and then refuses more."""
    server = RedisServer("--maxmemory-policy", "noeviction")
    with server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def layout() -> Layout:
    """26 MB, in partitions that are a part of a chunk, a chunk, or several."""
    sizes = [100_000, CHUNK, 3_000_000, 40_000, 1_400_000] * 2
    return {n: [big_block(size, n)] * 2 for n, size in enumerate(sizes)}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes are tried twice again, not five times."""
    monkeypatch.setattr(opening, "PATIENT", Patience(5, 15, 2))


def opened(server: RedisServer, spare: ObjectStore | None, options: str = "") -> ShuffleStore:
    """A store there that spills to `spare`."""
    return open_shuffle(server.url + options, Access(), spare)


def pieces_of(receipts: Sequence[Receipt]) -> list[Piece]:
    """All pieces of some receipts."""
    return [piece for receipt in receipts for piece in receipt.pieces.values()]


class TestFull:
    """A node has no memory left for what a map attempt writes."""

    def test_what_does_not_fit_spills(self, small: RedisServer, spare: MemoryStore, layout: Layout) -> None:
        """Part of it goes to one object, and everything is read in the order written."""
        store = opened(small, spare)
        name = attempt(3)
        receipt = store.write(name, partitioned(layout))
        assert [info.key for info in spare.list("")] == [spare_key(name)]
        spilled = {piece: Place(*piece.place).spilled for piece in pieces_of([receipt])}
        assert any(spilled.values())
        in_redis = sum(len(value) for value in values(small))
        assert ROOM // 2 < in_redis < ROOM
        assert store.requests.snapshot()["bytes_written"] == in_redis
        assert in_redis + spare.size(spare_key(name)) == receipt.size
        again = Receipt.from_json(json.loads(json.dumps(receipt.to_json())))
        for partition, blocks in layout.items():
            assert blocks_of(opened(small, spare), [again.pieces[partition]]) == blocks
        assert blocks_of(store, pieces_of([receipt])) == [one for blocks in layout.values() for one in blocks]
        store.discard([again])
        assert list(spare.list("")) == []
        assert Keys([small.client()]).names() == set()

    def test_what_spilled_is_swept(self, small: RedisServer, spare: MemoryStore, layout: Layout) -> None:
        """A sweep finds both parts of what an attempt left."""
        store = opened(small, spare)
        name, other = attempt(), attempt()
        for one in (other, name):
            store.write(one, partitioned(layout))
        store.sweep([name])
        assert [info.key for info in spare.list("")] == [spare_key(other)]
        store.sweep([other])
        assert list(spare.list("")) == []
        assert Keys([small.client()]).names() == set()

    def test_only_the_first_writes_fit(self, small: RedisServer, spare: MemoryStore, layout: Layout) -> None:
        """Attempts that find Redis full from the start spill everything; the earlier ones stay as they are."""
        store = opened(small, spare)
        receipts = [store.write(attempt(task), partitioned(layout)) for task in range(3)]
        expected = [one for blocks in layout.values() for one in blocks] * 3
        assert blocks_of(store, pieces_of(receipts)) == expected

    @pytest.mark.parametrize("full", ["fail", "spill"])
    def test_or_it_is_an_error(self, small: RedisServer, spare: MemoryStore, layout: Layout, full: str) -> None:
        """Without a place to spill to the error says how much did not fit and what to do; nothing is left."""
        store = opened(small, spare if full == "fail" else None, f"?full={full}")
        with pytest.raises(StoreError, match=r"map task 3 .* did not fit") as caught:
            store.write(attempt(3), partitioned(layout))
        text = str(caught.value)
        assert "Redis is full: " in text
        assert f"127.0.0.1:{small.port} uses " in text
        assert "full=spill" in text
        assert Keys([small.client()]).names() == set()
        assert list(spare.list("")) == []
        receipt = store.write(attempt(), partitioned({0: [block("x")]}))
        assert blocks_of(store, pieces_of([receipt])) == [block("x")]

    @pytest.mark.parametrize("number", [0, 1])
    def test_spilling_that_fails(self, small: RedisServer, spare: MemoryStore, layout: Layout, number: int) -> None:
        """Trouble with the spare store, at the beginning or the end of its object, is that of the write."""
        script = FailAt(number)
        store = opened(small, FaultyStore(spare, script))
        with pytest.raises(StoreError, match="scripted failure"):
            store.write(attempt(), partitioned(layout))
        assert len(script.seen) == number + 1
        assert Keys([small.client()]).names() == set()
        assert list(spare.list("")) == []

    def test_what_spilled_is_lost(self, small: RedisServer, spare: MemoryStore, layout: Layout) -> None:
        """A spare object that is gone or cut is lost data of its map task; without any store it is no loss."""
        store = opened(small, spare)
        receipt = store.write(attempt(4), partitioned(layout))
        [spilled, *_] = [piece for piece in pieces_of([receipt]) if Place(*piece.place).spilled]
        key = spare_key(Place(*spilled.place).attempt)
        with pytest.raises(StoreError, match=f"{key} is in the object store that Redis spilled to"):
            blocks_of(opened(small, None), [spilled])
        spare.put(key, spare.get(key)[:10])
        for _ in range(2):
            with pytest.raises(LostBlocks, match=f"map task 4, .*{key}") as caught:
                blocks_of(store, [spilled])
            assert caught.value.tasks == (4,)
            spare.delete([key])

    def test_a_spare_store_that_cannot_be_read(self, small: RedisServer, spare: MemoryStore, layout: Layout) -> None:
        """Its trouble is no loss: nobody must make the data again."""
        receipt = opened(small, spare).write(attempt(4), partitioned(layout))
        store = opened(small, FaultyStore(spare, FailAt(0, forever=True)))
        with pytest.raises(StoreError, match="scripted failure"):
            blocks_of(store, pieces_of([receipt]))


def values(server: RedisServer) -> list[bytes]:
    """The values of chunks that lie in a server."""
    client = server.client()
    return [client.get(name) for name in Keys([client]).names() if "." not in name.rpartition("/")[2]]


def test_a_write_that_ends_early_leaves_nothing() -> None:
    """What was written before the blocks ended in an error goes, the batches that were sent already too."""
    server = redis_servers.standalone()
    keys = Keys([server.client()]).flush()
    seen = set()

    def blocks() -> Iterator[bytes]:
        for _ in range(8):
            yield bytes(CHUNK)
        seen.update(keys.names())
        raise Broken

    with pytest.raises(Broken):
        opened(server, None).write(attempt(), [Partitioned(0, 1, blocks())])
    assert len(seen) > 4
    assert keys.names() == set()


@pytest.mark.parametrize("size", [1_000, 700_000])
def test_all_that_is_lost_is_named_at_once(size: int) -> None:
    """One read tells every map task that must run again, in the first batch or a later one, for whatever reason."""
    server = redis_servers.standalone()
    store = opened(server, None)
    receipts = [
        store.write(attempt(task, 1), partitioned({0: [big_block(size, task)] * 3, 1: [block("other")]}))
        for task in range(12)
    ]
    gone, short, long = ([*chunks_of(receipts[task].pieces[0])][-1].key for task in (3, 8, 10))
    with server.client() as client:
        client.delete(gone)
        client.set(short, b"short")
        client.append(long, b"x")
    pieces = [receipt.pieces[0] for receipt in receipts]
    with pytest.raises(
        LostBlocks, match=r"^map task 3, attempt 1: .*has no key mapreduce:.*2 more map tasks"
    ) as caught:
        blocks_of(store, pieces)
    assert caught.value.tasks == (3, 8, 10)
    assert len(blocks_of(store, [receipt.pieces[1] for receipt in receipts])) == 12


def test_what_expired_is_lost() -> None:
    """A key whose time is over is one that is missing."""
    server = redis_servers.standalone()
    store = opened(server, None)
    receipt = store.write(attempt(6), partitioned({0: [block("x")]}))
    with server.client() as client:
        for name in Keys([client]).names():
            client.pexpire(name, 1)
        redis_servers.until(lambda: not client.keys("*"), lambda: "keys do not expire")
    with pytest.raises(LostBlocks, match=r"map task 6, .* has expired") as caught:
        blocks_of(store, pieces_of([receipt]))
    assert caught.value.tasks == (6,)


class TestDeadNode:
    """A node is killed between write and read."""

    @pytest.fixture
    def sharded(self) -> Iterator[tuple[RedisServer, ...]]:
        """Three servers that nobody else needs."""
        servers = tuple(RedisServer() for _ in range(3))
        yield servers
        for server in servers:
            server.kill()

    @pytest.fixture
    def clustered(self) -> Iterator[tuple[RedisServer, ...]]:
        """A cluster that nobody else needs."""
        servers = redis_servers.make_cluster()
        yield servers
        for server in servers:
            server.kill()

    @pytest.mark.parametrize("size", [100, 400_000])
    def test_its_map_tasks_are_named(self, sharded: Sequence[RedisServer], impatient: None, size: int) -> None:
        """One read names those that have something there, and the others are read."""
        self._kills_one(sharded, redis_servers.sharded_url(sharded), size)

    @pytest.mark.slow
    def test_of_a_cluster(self, clustered: Sequence[RedisServer], impatient: None) -> None:
        """So it is with a master that has no replica."""
        self._kills_one(clustered, f"{clustered[1].url}?cluster=true", 100)

    @staticmethod
    def _kills_one(servers: Sequence[RedisServer], url: str, size: int) -> None:
        store = open_shuffle(url)
        receipts = [store.write(attempt(task), partitioned({0: [big_block(size, task)] * 2})) for task in range(20)]
        there = Keys([servers[0].client()]).names()
        lost = tuple(
            task
            for task, receipt in enumerate(receipts)
            if any(chunk.key in there for piece in receipt.pieces.values() for chunk in chunks_of(piece))
        )
        assert 0 < len(lost) < 20
        servers[0].kill()
        with pytest.raises(LostBlocks, match=f"127.0.0.1:{servers[0].port} does not answer") as caught:
            blocks_of(store, pieces_of(receipts))
        assert caught.value.tasks == lost
        left = [task for task in range(20) if task not in lost]
        found = blocks_of(store, pieces_of([receipts[task] for task in left]))
        assert found == [big_block(size, task) for task in left for _ in range(2)]

    def test_writing_there_is_an_error(self, sharded: Sequence[RedisServer], impatient: None) -> None:
        """It names the node, and leaves nothing on the others; discarding and sweeping leave the dead alone."""
        store = open_shuffle(redis_servers.sharded_url(sharded))
        before, left = attempt(), attempt()
        receipt = store.write(before, partitioned({n: [block("x")] for n in range(30)}))
        store.write(left, partitioned({n: [block("x")] for n in range(30)}))
        sharded[2].kill()
        with pytest.raises(StoreError, match=f"127.0.0.1:{sharded[2].port} does not answer") as caught:
            store.write(attempt(), partitioned({n: [block("x")] for n in range(30)}))
        assert type(caught.value) is StoreError
        store.discard([receipt])
        store.sweep([left])
        kept = Keys(server.client() for server in sharded[:2]).names()
        assert not [name for name in kept if str(left) not in name]

    def test_a_node_that_comes_back(self, impatient: None) -> None:
        """An empty one in its place takes new data; the old is lost."""
        server = RedisServer()
        store = opened(server, None)
        receipt = store.write(attempt(1), partitioned({0: [block("x")]}))
        server.kill()
        again = RedisServer(port=server.port)
        try:
            with pytest.raises(LostBlocks, match=r"map task 1, .* the node has restarted"):
                blocks_of(store, pieces_of([receipt]))
            receipt = store.write(attempt(1, 1), partitioned({0: [block("y")]}))
            assert blocks_of(store, pieces_of([receipt])) == [block("y")]
        finally:
            again.kill()


@pytest.mark.slow
def test_slots_that_move(impatient: None) -> None:
    """Keys that another master of the cluster has taken over are found there, and written there."""
    servers = redis_servers.make_cluster()
    try:
        store = open_shuffle(f"{servers[0].url}?cluster=true")
        layout = {n: [block(f"{n}")] for n in range(60)}
        name = attempt()
        receipt = store.write(name, partitioned(layout))
        moving = redis_servers.Moving(servers[0], servers[1])
        for n, slot in enumerate(sorted({moving.slot(key) for key in Keys([servers[0].client()]).names()})):
            # Half of the slots have moved; of the others the keys have, and the slots have not.
            moving.move(slot, finish=n % 2 == 0)
        assert blocks_of(store, pieces_of([receipt])) == [one for blocks in layout.values() for one in blocks]
        again = store.write(name._replace(attempt=1), partitioned(layout))
        assert blocks_of(store, pieces_of([again])) == [one for blocks in layout.values() for one in blocks]
        store.discard([receipt, again])
        assert Keys(server.client() for server in servers).names() == set()
    finally:
        for server in servers:
            server.kill()


class TestConnections:
    """Connections break, or bring what was not sent."""

    @pytest.fixture
    def between(self) -> Iterator[Proxy]:
        """A proxy before a server."""
        with Proxy(redis_servers.standalone().port) as one:
            yield one

    @pytest.fixture
    def store(self, between: Proxy, impatient: None) -> ShuffleStore:
        """A store behind it."""
        return open_shuffle(f"redis://127.0.0.1:{between.port}")

    @pytest.mark.parametrize("fault", [proxy.RESET, proxy.DROP, proxy.LOSE, proxy.truncate(7)])
    @pytest.mark.parametrize("each", [3, 7])
    def test_one_call_in_so_many_fails(self, between: Proxy, store: ShuffleStore, fault: Fault, each: int) -> None:
        """Everything is tried again until it went well: nothing is lost, nothing left behind."""
        failed = itertools.count()

        def script(number: int) -> Fault | None:
            if number % each != each - 1:
                return None
            next(failed)
            return fault

        between.script = script
        receipts = []
        for task in range(10):
            receipts.append(store.write(attempt(task), partitioned({0: [block(f"{task}")], 1: [block("x")] * 3})))
            expected = [one for n in range(task + 1) for one in [block(f"{n}"), *[block("x")] * 3]]
            assert blocks_of(store, pieces_of(receipts)) == expected
        store.discard(receipts[:5])
        store.discard(receipts[5:])
        assert next(failed) > 2
        assert (
            Keys([redis_servers.standalone().client()])
            .names()
            .isdisjoint(chunk.key for piece in pieces_of(receipts) for chunk in chunks_of(piece))
        )

    def test_in_the_middle_of_large_values(self, between: Proxy, store: ShuffleStore) -> None:
        """Whatever part of a batch came through before the connection broke, all of it is there in the end."""
        layout = {n: [big_block(900_000, n)] * 2 for n in range(6)}
        faults = iter([proxy.LOSE, proxy.RESET])
        between.script = lambda number: next(faults, None)
        receipt = store.write(attempt(), partitioned(layout))
        faults = iter([proxy.truncate(1_000_000), proxy.truncate(100), proxy.RESET])
        assert blocks_of(store, pieces_of([receipt])) == [one for blocks in layout.values() for one in blocks]
        assert next(faults, None) is None
        store.discard([receipt])

    def test_a_connection_that_never_heals(self, between: Proxy, store: ShuffleStore) -> None:
        """The end of patience is a lost node for who reads, and an error for who writes."""
        receipt = store.write(attempt(2), partitioned({0: [block("x")]}))
        between.script = lambda number: proxy.RESET
        with pytest.raises(LostBlocks, match=f"map task 2, .*127.0.0.1:{between.port} does not answer") as caught:
            blocks_of(store, pieces_of([receipt]))
        assert caught.value.tasks == (2,)
        with pytest.raises(StoreError, match="does not answer"):
            store.write(attempt(), partitioned({0: [block("x")]}))

    @pytest.mark.parametrize(("position", "found"), [(0, "whole"), (7, "lost"), (16, "lost"), (100, "other")])
    def test_a_byte_that_changed(self, between: Proxy, store: ShuffleStore, position: int, found: str) -> None:
        """What is no answer is asked for again; what is no block is lost; the rest is for the block's tag to tell."""
        one = block("some text")
        receipt = store.write(attempt(5), partitioned({0: [one]}))
        faults = iter([proxy.corrupt(position)])
        between.script = lambda number: next(faults, None)

        def read() -> bytes:
            [data] = blocks_of(store, pieces_of([receipt]))
            return data

        if found == "whole":
            assert read() == one
        elif found == "lost":
            with pytest.raises(LostBlocks, match="map task 5") as caught:
                read()
            assert caught.value.tasks == (5,)
        else:
            data = read()
            assert data != one
            with pytest.raises(BlockError, match="corrupt"):
                decode_block(data, SEAL, "contract")
        assert read() == one


def test_errors_show_no_secrets() -> None:
    """Not the password, whether right or wrong, in whatever way the node is asked."""
    server = redis_servers.secured()
    acts: list[Callable[[ShuffleStore, AttemptId], object]] = [
        lambda store, name: store.check(1),
        lambda store, name: store.write(name, partitioned({0: [block("x")]})),
        lambda store, name: blocks_of(store, [Piece(0, 0, (str(name), 0, 1), 0, 1, 1, 1)]),
        lambda store, name: store.sweep([name]),
        lambda store, name: store.discard([Receipt({0: Piece(0, 0, (str(name), 0, 1), 0, 1, 1, 1)})]),
    ]
    store = open_shuffle(server.url, Access(redis_username="me", redis_password="not-the-right-one"))
    for act in acts:
        with pytest.raises(StoreError, match=f"127.0.0.1:{server.port} refuses the credentials") as caught:
            act(store, attempt())
        assert not isinstance(caught.value, LostBlocks)
        error: BaseException | None = caught.value
        while error is not None:
            assert "not-the-right-one" not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
