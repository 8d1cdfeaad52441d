"""What every object store must do: a subclass gives three fixtures, and inherits the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mapreduce import MissingObject
from mapreduce.objectstore import ObjectStore
from mapreduce.objectstore.testing.writes import ODD_KEYS, ObjectStoreWrites, RawGet, RawPut


class ObjectStoreContract(ObjectStoreWrites):
    """The behaviour that drivers and workers rely on."""

    def test_put_then_get(self, store: ObjectStore, raw_get: RawGet) -> None:
        """What was put lies in the store, and is what get gives."""
        data = bytes(range(256)) * 3
        store.put("a/b", data)
        assert store.get("a/b") == raw_get("a/b") == data
        assert store.size("a/b") == len(data)

    def test_get_what_others_wrote(self, store: ObjectStore, raw_put: RawPut) -> None:
        """Objects need not come from this instance."""
        raw_put("a/b", b"outside")
        assert store.get("a/b") == b"outside"
        assert [tuple(info) for info in store.list("")] == [("a/b", 7)]

    @pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 5000])
    def test_ranges(self, store: ObjectStore, start: int) -> None:
        """A range gives the bytes that exist of it: past the end none, and no error."""
        data = b"0123456789"
        store.put("a", data)
        for end in (None, 0, 1, 9, 10, 11, 5000):
            assert store.get("a", start, end) == data[start:end], end
            with store.open("a", start, end) as stream:
                assert stream.read() == data[start:end], end
                assert stream.read(1) == b""

    @pytest.mark.parametrize(("start", "end"), [(0, None), (3, None), (0, 99_000), (70_000, 250_000)])
    def test_streams(self, store: ObjectStore, start: int, end: int | None) -> None:
        """An open object is read in pieces of the size asked for, by lines, and to its end."""
        data = b"".join(b"%d\n" % number for number in range(25_000))
        store.put("a", data)
        pieces = []
        with store.open("a", start, end) as stream:
            while piece := stream.read(4096):
                pieces.append(piece)
        assert b"".join(pieces) == data[start:end]
        assert {len(piece) for piece in pieces[:-1]} == {4096}
        with store.open("a", start, end) as stream:
            first = stream.readline()
            assert first + stream.read(10) + stream.read() == data[start:end]
            assert first.endswith(b"\n")

    @pytest.mark.parametrize("name", ["get", "open", "size", "move"])
    def test_missing(self, store: ObjectStore, name: str) -> None:
        """An absent object is a MissingObject that names the store and the key."""
        reads: dict[str, Callable[[], object]] = {
            "get": lambda: store.get("no/such", 1, 2),
            "open": lambda: store.open("no/such"),
            "size": lambda: store.size("no/such"),
            "move": lambda: store.move("no/such", "other"),
        }
        with pytest.raises(MissingObject, match="no/such") as caught:
            reads[name]()
        place = store.url.partition("://")[2]
        assert place in str(caught.value)
        assert isinstance(caught.value, LookupError)

    @pytest.mark.parametrize("absent", ["a", "a/b/c", "a/bb"])
    def test_prefixes_are_no_objects(self, store: ObjectStore, absent: str) -> None:
        """Folders of keys, and what would lie below an object, are absent."""
        store.put("a/b", b"1")
        for read in (store.get, store.open, store.size, lambda key: store.move(key, "x")):
            with pytest.raises(MissingObject):
                read(absent)
        store.delete([absent])
        assert store.get("a/b") == b"1"

    def test_list_order(self, store: ObjectStore) -> None:
        """A listing is in the order of the keys' UTF-8 bytes, "/" being a byte like any other."""
        for key in reversed(ODD_KEYS):
            store.put(key, key.encode())
        assert [info.key for info in store.list("")] == ODD_KEYS == sorted(ODD_KEYS, key=str.encode)
        assert [info.size for info in store.list("")] == [len(key.encode()) for key in ODD_KEYS]

    @pytest.mark.parametrize(
        "prefix", ["a", "a/", "a/b", "a/c", "a/c/", "a/c/d", "aa", "b", "a/b/", "日", "日本/", "a b"]
    )
    def test_list_prefix(self, store: ObjectStore, prefix: str) -> None:
        """A prefix may end anywhere in a name, and siblings that only begin alike belong to it."""
        for key in ODD_KEYS:
            store.put(key, b"")
        assert [info.key for info in store.list(prefix)] == [key for key in ODD_KEYS if key.startswith(prefix)]

    @pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (2, 1), (3, 2), (5, 3)])
    def test_list_is_paged(self, store: ObjectStore, count: int, requests: int) -> None:
        """A listing takes a request for each page of keys, and at least one."""
        store.page = 2
        keys = [f"k/{number}" for number in range(count)]
        for key in keys:
            store.put(key, b"")
        store.put("other", b"")
        before = store.requests.snapshot().get("list", 0)
        assert [info.key for info in store.list("k/")] == keys
        assert store.requests.snapshot()["list"] - before == requests

    @pytest.mark.parametrize(
        ("prefix", "names"),
        [
            ("", ["jobs-old", "jobs", "é"]),
            ("jobs/", ["a-b", "a", "é c"]),
            ("jobs/a/", ["x"]),
            ("jobs/a/x/", []),
            ("nothing/", []),
        ],
        ids=["top", "jobs", "job", "objects", "nothing"],
    )
    def test_folders(self, store: ObjectStore, prefix: str, names: list[str]) -> None:
        """Folders are the names with keys below them, each once, in the order of a listing; not objects, not deeper."""
        for key in ("top", "jobs/a-b/x", "jobs/a/x/1", "jobs/a/x/2", "jobs/a/y", "jobs/z", "jobs/é c/x", "é/x"):
            store.put(key, b"")
        store.put("jobs-old/x", b"")
        store.put("jobs/gone/x", b"")
        store.delete(["jobs/gone/x"])
        assert list(store.folders(prefix)) == names

    def test_folders_are_few_requests(self, store: ObjectStore) -> None:
        """A request tells of a page of folders, or at most looks at what is in them."""
        for number in range(6):
            store.put(f"k/{number // 2}/{number}", b"")
        before = store.requests.snapshot().get("list", 0)
        assert list(store.folders("k/")) == ["0", "1", "2"]
        assert store.requests.snapshot()["list"] - before == 1

    def test_requests(self, store: ObjectStore) -> None:
        """Each request is counted, with the bytes that it moved."""
        store.put("a", b"12345")
        store.put_if_absent("b", b"123")
        store.put_if_absent("b", b"not written")
        store.get("a")
        store.get("a", 1, 3)
        store.open("a", 3, 100).close()
        store.size("a")
        store.move("a", "c")
        list(store.list(""))
        assert store.requests.snapshot() == {
            "bytes_read": 9,
            "bytes_written": 8,
            "get": 3,
            "list": 1,
            "move": 1,
            "put": 3,
            "size": 1,
        }
        store.delete(["b", "c"])
        assert store.requests.snapshot()["delete"] >= 1

    def test_repr_and_url(self, store: ObjectStore) -> None:
        """A store shows itself by its URL, and opens elsewhere by it."""
        assert repr(store) == f"{type(store).__name__}({store.url!r})"
        assert "://" in store.url
