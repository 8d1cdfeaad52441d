"""What every object store must do with writes: the first half of the contract."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mapreduce import StoreError
from mapreduce.objectstore import ObjectStore

#: The bytes that lie under a key, read past the store; None where nothing does.
RawGet = Callable[[str], bytes | None]
#: Lays bytes under a key, past the store.
RawPut = Callable[[str, bytes], None]

# In the order of their UTF-8 bytes. "\uffff" comes before "\U0001f600", though not in UTF-16.
ODD_KEYS = [
    " /space",
    "A",
    "a b/c d",
    "a!",
    "a#?&=%25+",
    "a-b",
    "a.b",
    "a/b",
    "a/b-",
    "a/c/d",
    "a0",
    "aa/b",
    "tilde~",
    "é",
    "日本/語",
    "\uffff",
    "\U0001f600",
]

BAD_KEYS = {
    "empty": "",
    "root": "/a",
    "trailing": "a/",
    "double": "a//b",
    "dot": "a/./b",
    "parent": "../a",
    "temporary": "a/.tmp-b",
    "nul": "a\0b",
    "long-name": "é" * 128,
    "long-key": "/".join(["a" * 100] * 11),
    "surrogate": "a\ud800",
}


class Broken(Exception):
    """Ends a write in the tests."""


class ObjectStoreWrites:
    """Objects appear whole, once, and where they belong."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def raw_get(self, store: ObjectStore) -> RawGet:
        """Reads past the store."""
        raise NotImplementedError

    @pytest.fixture
    def raw_put(self, store: ObjectStore) -> RawPut:
        """Writes past the store."""
        raise NotImplementedError

    @pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
    def test_odd_keys(self, store: ObjectStore, raw_get: RawGet, key: str) -> None:
        """Any Unicode name is a key, by all ways of writing."""
        store.put(key, b"put")
        assert raw_get(key) == store.get(key) == b"put"
        assert not store.put_if_absent(key, b"other")
        store.move(key, "moved")
        store.move("moved", key)
        assert [info.key for info in store.list(key)] == [key]
        store.delete([key])
        assert store.put_if_absent(key, b"if absent")
        assert store.get(key) == b"if absent"

    @pytest.mark.parametrize("key", ["n" * 255, "é" * 127, "/".join(["d" * 204] * 5)], ids=["name", "utf-8", "key"])
    def test_longest_keys(self, store: ObjectStore, key: str) -> None:
        """Names of 255 bytes and keys of 1024 can be written, by all ways of writing."""
        store.put(key, b"1")
        store.move(key, "short")
        assert store.put_if_absent(key, b"2")
        assert store.get(key) == b"2"

    @pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
    def test_bad_keys(self, store: ObjectStore, key: str) -> None:
        """What some store could not hold, no store takes, and the message shows the key."""
        store.put("source", b"1")
        writes: list[Callable[[], object]] = [
            lambda: store.put(key, b""),
            lambda: store.put_if_absent(key, b""),
            lambda: store.delete([key]),
            lambda: store.move("source", key),
            lambda: store.move(key, "target"),
        ]
        for write in writes:
            with pytest.raises(StoreError) as caught:
                write()
            assert repr(key)[1:40] in str(caught.value)
        assert [info.key for info in store.list("")] == ["source"]

    def test_put_replaces(self, store: ObjectStore) -> None:
        """The last put wins, whole, where the object before it was longer too."""
        store.put("a", b"long content")
        store.put("a", b"short")
        assert store.get("a") == b"short"
        store.put("a", b"")
        assert (store.get("a"), store.size("a")) == (b"", 0)

    def test_create_in_pieces(self, store: ObjectStore, raw_get: RawGet) -> None:
        """Pieces are joined, and each is taken whole."""
        with store.create("a/b") as writer:
            assert writer.write(b"one") == 3
            assert writer.write(b"") == 0
            assert writer.write(memoryview(b"-two-")[1:4]) == 3
        assert raw_get("a/b") == b"onetwo"

    def test_create_nothing(self, store: ObjectStore) -> None:
        """An object may be empty."""
        with store.create("a"):
            pass
        assert [tuple(info) for info in store.list("")] == [("a", 0)]

    def test_objects_appear_whole(self, store: ObjectStore, raw_get: RawGet) -> None:
        """Until a write ends nothing of it is seen, not even by a listing."""
        store.put("old", b"before")
        with store.create("new") as new, store.create("old") as old:
            new.write(b"x" * (1 << 20))
            old.write(b"after")
            assert [tuple(info) for info in store.list("")] == [("old", 6)]
            assert raw_get("new") is None
            assert store.get("old") == raw_get("old") == b"before"
            assert store.put_if_absent("new", b"mine")
        assert store.get("old") == b"after"
        assert store.size("new") == 1 << 20

    @pytest.mark.parametrize("error", [Broken("no"), OSError("of the caller"), KeyboardInterrupt()], ids=repr)
    def test_failed_create_leaves_nothing(self, store: ObjectStore, error: BaseException) -> None:
        """A context that ends by an exception leaves what was before, and lets the exception pass as it is."""
        store.put("old", b"before")
        for key in ("new", "folder/new", "old"):
            with pytest.raises(type(error)) as caught, store.create(key) as writer:  # noqa: PT012 - as a caller does
                writer.write(b"x" * 5000)
                raise error
            assert caught.value is error
        assert [tuple(info) for info in store.list("")] == [("old", 6)]
        assert store.get("old") == b"before"

    def test_put_if_absent(self, store: ObjectStore, raw_put: RawPut) -> None:
        """It creates what is absent, and changes nothing else."""
        assert store.put_if_absent("a/b", b"first")
        assert not store.put_if_absent("a/b", b"second")
        raw_put("a/c", b"outside")
        assert not store.put_if_absent("a/c", b"second")
        assert store.put_if_absent("empty", b"")
        assert not store.put_if_absent("empty", b"second")
        assert {info.key: store.get(info.key) for info in store.list("")} == {
            "a/b": b"first",
            "a/c": b"outside",
            "empty": b"",
        }

    def test_put_if_absent_has_one_winner(self, store: ObjectStore) -> None:
        """Of many threads that race for a key one wins, and the object is the winner's."""
        racers, races = 8, 40
        start = threading.Barrier(racers)

        def race(racer: int) -> list[int]:
            won = []
            for number in range(races):
                start.wait(30)
                if store.put_if_absent(f"race/{number}", b"%d" % racer * 1000):
                    won.append(number)
            return won

        with ThreadPoolExecutor(racers) as pool:
            won = list(pool.map(race, range(racers)))
        assert sorted(number for numbers in won for number in numbers) == list(range(races))
        for racer, numbers in enumerate(won):
            for number in numbers:
                assert store.get(f"race/{number}") == b"%d" % racer * 1000
        assert len(list(store.list("race/"))) == races

    def test_delete(self, store: ObjectStore, raw_get: RawGet) -> None:
        """Delete removes these objects and no others; absent ones are no error."""
        for key in ("a/b/c", "a/b/d", "a-b", "z"):
            store.put(key, b"1")
        store.delete(iter(["a/b/c", "no/such", "z", "z"]))
        assert [info.key for info in store.list("")] == ["a-b", "a/b/d"]
        assert raw_get("a/b/c") is None
        store.delete([])
        store.put("a/b/c", b"again")
        assert store.get("a/b/c") == b"again"

    def test_move(self, store: ObjectStore, raw_get: RawGet) -> None:
        """Move renames, into a new folder too, replaces what is there, and may be repeated."""
        store.put("old/a", b"moved")
        store.put("new/deep/a", b"there before")
        for _ in range(2):
            store.move("old/a", "new/deep/a")
            assert [info.key for info in store.list("")] == ["new/deep/a"]
            assert raw_get("new/deep/a") == b"moved"
        store.move("new/deep/a", "other/a")
        store.move("other/a", "other/a")
        assert [info.key for info in store.list("")] == ["other/a"]

    def test_racing_moves(self, store: ObjectStore) -> None:
        """Several threads may do the same moves at once: each object is moved, and none fails."""
        movers, keys = 4, range(25)
        for key in keys:
            store.put(f"old/{key}/part", b"%d" % key)
        start = threading.Barrier(movers)

        def move(_: int) -> None:
            for key in keys:
                start.wait(30)
                store.move(f"old/{key}/part", f"new/{key}/part")

        with ThreadPoolExecutor(movers) as pool:
            list(pool.map(move, range(movers)))
        assert {info.key: store.get(info.key) for info in store.list("")} == {
            f"new/{key}/part": b"%d" % key for key in keys
        }

    def test_sweep(self, store: ObjectStore) -> None:
        """A sweep takes no objects away, and a write that never ended does not show up after it."""
        for key in ("job/a", "job/deep/b", "other"):
            store.put(key, b"1")
        writing = store.create("job/deep/unfinished")
        writing.__enter__().write(b"half")
        store.sweep("job/")
        store.sweep("")
        store.sweep("no/such")
        assert [info.key for info in store.list("")] == ["job/a", "job/deep/b", "other"]
        with suppress(Broken):
            writing.__exit__(Broken, Broken(), None)
