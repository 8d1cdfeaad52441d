"""The S3 store keeps the contract on real servers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize

from mapreduce.objectstore import Access, ObjectStore
from mapreduce.objectstore.s3 import S3Store
from mapreduce.objectstore.testing import ObjectStoreContract, RawGet, RawPut
from tests.contract.test_object_store_model import StoreMachine
from tests.services.s3_servers import S3Server, ministack, moto, place, seaweedfs, use


class S3Contract(ObjectStoreContract):
    """The contract on a server; a subclass gives one fixture."""

    #: What the server is known to do wrong: why, by the names of the tests that show it.
    wrong: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture
    def server(self) -> S3Server:
        """The server."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def environment(self, server: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server's key, and its faults."""
        use(server.key, monkeypatch)
        if reason := self.wrong.get(request.node.name):
            request.applymarker(pytest.mark.xfail(strict=True, reason=reason))

    @pytest.fixture
    def store(self, server: S3Server) -> ObjectStore:
        """A store with a prefix of its own."""
        return S3Store(place(), Access(endpoint_url=server.endpoint))

    @pytest.fixture
    def raw_get(self, server: S3Server, store: S3Store) -> RawGet:
        """Reads by boto3."""
        client = server.client()

        def get(key: str) -> bytes | None:
            try:
                data: bytes = client.get_object(Bucket=store.bucket, Key=store.prefix + key)["Body"].read()
            except client.exceptions.NoSuchKey:
                return None
            return data

        return get

    @pytest.fixture
    def raw_put(self, server: S3Server, store: S3Store) -> RawPut:
        """Writes by boto3."""
        return lambda key, data: server.client().put_object(Bucket=store.bucket, Key=store.prefix + key, Body=data)

    @pytest.mark.parametrize("key", ["n" * 255, "é" * 127, "/".join(["d" * 204] * 5)], ids=["name", "utf-8", "key"])
    def test_longest_keys(self, server: S3Server, key: str) -> None:  # type: ignore[override]  # by pytest alone
        """S3's limit counts the prefix: a store without one takes keys as long as any store."""
        bucket = "longest-keys"
        client = server.client()
        client.create_bucket(Bucket=bucket)
        store = S3Store(bucket, Access(endpoint_url=server.endpoint))
        try:
            super().test_longest_keys(store, key)
        finally:
            store.delete([key, "short"])
            client.delete_bucket(Bucket=bucket)

    def test_check(self, store: ObjectStore) -> None:
        """The server is fit for control keys, and the check leaves nothing."""
        store.check()
        assert list(store.list("")) == []


@pytest.mark.process
class TestMinistack(S3Contract):
    """ministack."""

    @pytest.fixture
    def server(self) -> S3Server:
        return ministack()


@pytest.mark.process
class TestSeaweedFS(S3Contract):
    """SeaweedFS."""

    wrong = dict.fromkeys(
        ["test_list_order", "test_list_prefix[a]", "test_delete", "test_folders[top]", "test_folders[jobs]"],
        "SeaweedFS lists folder by folder, so that a/b comes before a-b",
    )

    @pytest.fixture
    def server(self) -> S3Server:
        return seaweedfs()

    def test_put_if_absent_has_one_winner(self, store: ObjectStore) -> None:
        """Of two threads that race for a key one wins; where four do, SeaweedFS stalls for seconds."""
        start = threading.Barrier(2)

        def race(racer: int) -> list[bool]:
            won = []
            for number in range(20):
                start.wait(30)
                won.append(store.put_if_absent(f"race/{number}", b"%d" % racer))
            return won

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(race, range(2))
        assert [store.get(f"race/{number}") for number in range(20)] == [b"0" if won else b"1" for won in first]
        assert second == [not won for won in first]

    def test_racing_moves(self, store: ObjectStore) -> None:
        """Two threads may do the same moves; where four do, SeaweedFS stalls for seconds."""
        start = threading.Barrier(2)

        def move(_: int) -> None:
            for number in range(4):
                start.wait(30)
                store.move(f"old/{number}", f"new/{number}")

        for number in range(4):
            store.put(f"old/{number}", b"%d" % number)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(move, range(2)))
        assert {info.key: store.get(info.key) for info in store.list("")} == {
            f"new/{number}": b"%d" % number for number in range(4)
        }


@pytest.mark.process
class TestMoto(S3Contract):
    """moto."""

    @pytest.fixture
    def server(self) -> S3Server:
        return moto()

    @pytest.mark.xfail(strict=False, reason="moto looks for an object, and then writes it, so that two may win")
    def test_put_if_absent_has_one_winner(self, store: ObjectStore) -> None:
        super().test_put_if_absent_has_one_winner(store)


class S3Machine(StoreMachine):
    """A prefix in a bucket."""

    kind = "s3"

    @initialize()
    def begin(self) -> None:
        """An empty store."""
        server = ministack()
        self.environment = pytest.MonkeyPatch()
        use(server.key, self.environment)
        self.model = {}
        self.store = S3Store(place(), Access(endpoint_url=server.endpoint))

    def teardown(self) -> None:
        """Leave the environment as it was."""
        if hasattr(self, "environment"):
            self.environment.undo()


TestS3Model = pytest.mark.process(S3Machine.TestCase)
TestS3Model.settings = settings(max_examples=15)
