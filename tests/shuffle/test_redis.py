"""The Redis shuffle store: what lies in Redis, and what is asked of it."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeRedisConnection, FakeServer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis._parsers import _HiredisParser

from mapreduce.columns import Buffer
from mapreduce.objectstore import Access
from shuffle import Piece, ShuffleStore, open_shuffle
from shuffle.base import Partitioned
from shuffle.redis import node, place, reading, writing
from shuffle.redis.address import Credentials, Host, parse_address
from shuffle.redis.node import Node
from shuffle.redis.opening import PATIENT, open_nodes
from shuffle.redis.place import CHUNK, chunks_of
from shuffle.testing import attempt, block, blocks_of, partitioned
from tests.services import redis_servers
from tests.services.proxy import Fault, Proxy
from tests.services.redis_servers import PASSWORD, USER, Keys
from tests.shuffle.big import big_block

_names = itertools.count()


@pytest.fixture
def keys() -> Keys:
    """What lies in the server that anybody may use: nothing."""
    return Keys([redis_servers.standalone().client()]).flush()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> tuple[ShuffleStore, Keys]:
    """A store in a server within this process, and what lies there."""
    server = FakeServer()
    monkeypatch.setattr(node, "connection_class", partial(FakeRedisConnection, server=server))
    return open_shuffle(f"redis://fake-of-these-tests-{next(_names)}"), Keys([FakeRedis(server=server)])


@pytest.mark.process
@pytest.mark.parametrize(("option", "ttl"), [("", 86_400), ("?ttl=100", 100)])
def test_keys_expire_and_name_their_attempt(keys: Keys, option: str, ttl: int) -> None:
    """Every key begins with the program, the job and the attempt, and goes by itself when nobody deletes it."""
    store = open_shuffle(redis_servers.standalone().url + option)
    name = attempt(7, 1)
    store.write(name, partitioned({0: [block("small")], 3: [bytes(CHUNK)] * 2, 8: [block("x")] * 9}))
    store.write(name._replace(task=8), partitioned({0: [block("another")]}))
    names = keys.names()
    assert {key.rpartition("/")[0] for key in names} == {
        f"mapreduce:{name.job}/0",
        f"mapreduce:{name}",
        f"mapreduce:{name._replace(task=8)}",
    }
    for key in names:
        assert ttl - 60 < keys.client(key).ttl(key) <= ttl, key


@pytest.mark.process
def test_values_are_no_larger_than_two_megabytes(keys: Keys) -> None:
    """A small piece is one value however many blocks it has, a large one several, and their bytes are the blocks'."""
    store = open_shuffle(redis_servers.standalone().url)
    layout = {0: [block("x")] * 50, 1: [big_block(900_000)] * 5, 2: [bytes(CHUNK)], 3: [bytes(2 * CHUNK + 1)]}
    receipt = store.write(attempt(), partitioned(layout))
    for partition, blocks in layout.items():
        values = [keys.clients[0].get(chunk.key) for chunk in chunks_of(receipt.pieces[partition])]
        assert b"".join(values) == b"".join(blocks)
        assert max(map(len, values)) <= CHUNK < 2 << 20
        assert len(values) == -(-sum(map(len, blocks)) // CHUNK)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("setup", ["shards", "cluster"])
def test_keys_spread_over_the_nodes(setup: str) -> None:
    """Each of three nodes has about a third of the bytes."""
    servers = redis_servers.shards() if setup == "shards" else redis_servers.cluster()
    clients = [Keys([server.client()]).flush() for server in servers]
    store = open_shuffle(redis_servers.sharded_url(servers) + ("?cluster=true" if setup == "cluster" else ""))
    store.write(attempt(), partitioned({number: [block(f"{number}")] for number in range(600)}))
    counts = [len(one.names()) for one in clients]
    assert sum(counts) == 601
    assert min(counts) > 100


def characters(count: int) -> bytes:
    """A block of so many characters, each another one, since compression would make blocks alike."""
    return block("".join(map(chr, range(300, 300 + count))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(sizes=[[5, 300, 300]], chunk=len(characters(300)), batch=2000, window=4000)  # as long, and cut in two
@given(
    sizes=st.lists(st.lists(st.integers(0, 700), max_size=6), max_size=6),
    chunk=st.integers(20, 900),
    batch=st.integers(1, 2000),
    window=st.integers(1, 4000),
)
def test_blocks_of_any_size_in_chunks_of_any_size(
    fake: tuple[ShuffleStore, Keys], sizes: list[list[int]], chunk: int, batch: int, window: int
) -> None:
    """Wherever chunks and batches end, blocks come back as they were written."""
    store, keys = fake
    store.window = window
    layout = {n: list(map(characters, some)) for n, some in enumerate(sizes)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "CHUNK", chunk)
        patch.setattr(writing, "CHUNK", chunk)
        patch.setattr(writing, "_BATCH", batch)
        patch.setattr(reading, "_BATCH", batch)
        receipt = store.write(attempt(), partitioned(layout))
        found = list(store.read(list(receipt.pieces.values())))
        assert found == [(receipt.pieces[n], one) for n, blocks in layout.items() for one in blocks]
        store.discard([receipt])
    assert keys.names() == set()


@pytest.mark.process
@pytest.mark.parametrize("window", [1 << 20, 8 << 20])
def test_memory_of_a_read_is_bounded(keys: Keys, window: int) -> None:
    """However much is read, no more is held than the window, and what a value or two take."""
    store = open_shuffle(redis_servers.standalone().url)
    store.window = window
    one = big_block(900_000)
    receipt = store.write(attempt(), (Partitioned(n, 1, itertools.repeat(one, 8)) for n in range(8)))
    assert receipt.size > 5 * window
    tracemalloc.start()
    try:
        assert sum(data == one for _, data in store.read(list(receipt.pieces.values()))) == 64
        assert tracemalloc.get_traced_memory()[1] < window + (4 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.process
def test_reads_that_are_given_up(keys: Keys) -> None:
    """Whoever stops reading harms nobody else who reads over the same connections."""
    store = open_shuffle(redis_servers.standalone().url)
    one = big_block(900_000)
    receipt = store.write(attempt(), partitioned({n: [one] * 4 for n in range(8)}))
    pieces = list(receipt.pieces.values())
    for _ in range(5):
        some: Iterator[tuple[Piece, Buffer]] = store.read(pieces)
        assert next(some) == (pieces[0], one)
        some.close()  # type: ignore[attr-defined]
    assert blocks_of(store, pieces) == [one] * 32


@pytest.mark.process
def test_requests_are_few(keys: Keys) -> None:
    """Requests are batches of values: not more than the bytes need, and not more than there are."""
    store = open_shuffle(redis_servers.standalone().url)
    receipt = store.write(attempt(), partitioned({0: [bytes(CHUNK)] * 16}))
    assert store.requests.snapshot() == {"put": 8, "bytes_written": 16 * CHUNK}
    store = open_shuffle(store.url)
    receipt = store.write(attempt(), partitioned({n: [block(f"{n}")] for n in range(500)}))
    assert blocks_of(store, list(receipt.pieces.values())) == [block(f"{n}") for n in range(500)]
    store.discard([receipt])
    size = receipt.size
    assert store.requests.snapshot() == {"put": 1, "get": 1, "delete": 1, "bytes_written": size, "bytes_read": size}
    store = open_shuffle(store.url)
    receipt = store.write(attempt(), partitioned({n: [block("x")] for n in range(2500)}))
    assert blocks_of(store, list(receipt.pieces.values())) == [block("x")] * 2500
    store.discard([receipt])
    asked = store.requests.snapshot()
    assert (asked["put"], asked["get"], asked["delete"]) == (3, 3, 3)  # a thousand at a time


@pytest.mark.process
def test_nodes_work_at_once() -> None:
    """What goes to several nodes, or comes from them, goes to all at the same time."""
    meeting = threading.Barrier(3)

    def meet(data: bytes, start: int) -> bytes:
        if start == 0:
            meeting.wait(30)
        return data

    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(server.port)) for server in redis_servers.shards()]
        store = open_shuffle("redis://" + ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies))
        for proxy in proxies:
            proxy.script = lambda number: Fault(request=meet)
        # So few that what goes to a node is one packet: the proxy would take a late second one for another call.
        receipt = store.write(attempt(), partitioned({n: [block(f"{n}")] for n in range(24)}))
        assert blocks_of(store, list(receipt.pieces.values())) == [block(f"{n}") for n in range(24)]
        store.discard([receipt])
        assert not meeting.broken
        assert len({proxy.calls for proxy in proxies}) == 1


def test_hiredis_parses() -> None:
    """What nodes reply is parsed by native code."""
    node = Node(Host("nowhere", 1), parse_address("redis://nowhere").servers, Credentials(), PATIENT)
    connection: Any = node._pool.make_connection()
    assert isinstance(connection._parser, _HiredisParser)


@pytest.mark.process
def test_connections_are_shared(keys: Keys) -> None:
    """All stores of a process that have the same nodes and the same user share their connections."""
    url = redis_servers.standalone().url
    stores = [open_shuffle(f"{url}?ttl={100 + number}") for number in range(30)]
    before = len(keys.clients[0].client_list())
    receipts = [store.write(attempt(), partitioned({0: [block("x")]})) for store in stores]
    assert len(keys.clients[0].client_list()) <= before + 2
    assert [blocks_of(stores[0], list(receipt.pieces.values())) for receipt in receipts] == [[block("x")]] * 30
    servers = parse_address(url).servers
    assert open_nodes(servers, Credentials()) is open_nodes(servers, Credentials())
    assert open_nodes(servers, Credentials("me")) is not open_nodes(servers, Credentials())


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_are_forked(keys: Keys) -> None:
    """A forked process has connections of its own: it and its parent read side by side."""
    store = open_shuffle(redis_servers.standalone().url)
    receipt = store.write(attempt(), partitioned({n: [block(f"{n}")] for n in range(50)}))
    pieces = list(receipt.pieces.values())

    def read(pipe: multiprocessing.connection.Connection) -> None:
        pipe.send([blocks_of(store, pieces) for _ in range(20)])

    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=read, args=(theirs,), daemon=True)
    child.start()
    expected = [block(f"{n}") for n in range(50)]
    assert [blocks_of(store, pieces) for _ in range(20)] == [expected] * 20
    assert ours.poll(30)
    assert ours.recv() == [expected] * 20
    child.join()


@pytest.mark.process
def test_no_more_is_asked_than_is_allowed() -> None:
    """The whole life of a shuffle, and no command that a narrow ACL refuses."""
    server = redis_servers.secured()
    with server.client() as client:
        client.execute_command("ACL", "LOG", "RESET")
        store = open_shuffle(server.url, Access(redis_username=USER, redis_password=PASSWORD))
        store.check(1)
        receipt = store.write(attempt(), partitioned({0: [block("x")]}))
        assert blocks_of(store, list(receipt.pieces.values())) == [block("x")]
        store.discard([receipt])
        left = attempt()
        store.write(left, partitioned({0: [block("x")]}))
        store.sweep([left])
        assert client.execute_command("ACL", "LOG") == []
        assert client.keys("*") == []


@pytest.mark.process
@pytest.mark.parametrize("given_by", ["url", "access", "default user"])
def test_credentials_stay_where_they_are(given_by: str) -> None:
    """They may stand in the URL or beside it; a store shows its URL without them, and so does all that it writes."""
    server = redis_servers.secured()
    access = Access(redis_username=USER, redis_password=PASSWORD) if given_by == "access" else Access()
    user = {"url": f"{USER}:{PASSWORD}@", "access": "", "default user": f":{PASSWORD}@"}[given_by]
    store = open_shuffle(server.url.replace("://", f"://{user}"), access)
    assert store.url == server.url
    receipt = store.write(attempt(), partitioned({0: [block("x")]}))
    assert blocks_of(store, list(receipt.pieces.values())) == [block("x")]
    shown = repr(store) + store.url + json.dumps(receipt.to_json()) + repr(vars(store))
    assert PASSWORD not in shown
    store.discard([receipt])
