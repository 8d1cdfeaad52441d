"""Shuffles through S3 keep the contract on real servers."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce.objectstore.s3 import S3Store
from shuffle import ObjectShuffle, Piece, ShuffleStore
from shuffle.testing import BackDoor, ShuffleContract
from tests.services.s3_servers import S3Server, ministack, place, seaweedfs, use


class Bucket(BackDoor):
    """Sees the objects by boto3."""

    def __init__(self, client: Any, store: S3Store) -> None:
        self._client = client
        self._store = store

    def names(self) -> set[str]:
        listing = self._client.list_objects_v2(Bucket=self._store.bucket, Prefix=self._store.prefix)
        return {found["Key"] for found in listing.get("Contents", ())}

    def remove(self, piece: Piece) -> None:
        self._client.delete_object(Bucket=self._store.bucket, Key=self._store.prefix + piece.place)

    def truncate(self, piece: Piece, left: int) -> None:
        name = {"Bucket": self._store.bucket, "Key": self._store.prefix + piece.place}
        data = self._client.get_object(**name)["Body"].read()
        self._client.put_object(**name, Body=data[: piece.start + left])


class S3ShuffleContract(ShuffleContract):
    """The contract on a server; a subclass gives one fixture."""

    @pytest.fixture
    def server(self) -> S3Server:
        """The server."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> ShuffleStore:
        """A store with a prefix of its own."""
        use(server.key, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)  # for those who open the store by its URL
        return ObjectShuffle(S3Store(place()))

    @pytest.fixture
    def back_door(self, server: S3Server, store: ObjectShuffle) -> BackDoor:
        """The objects."""
        assert isinstance(store.store, S3Store)
        return Bucket(server.client(), store.store)


@pytest.mark.process
class TestMinistack(S3ShuffleContract):
    """ministack."""

    @pytest.fixture
    def server(self) -> S3Server:
        return ministack()

    @pytest.fixture
    def short_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A write holds some parts of its upload, which are longer than the test of memory allows."""
        monkeypatch.setattr("mapreduce.objectstore.s3.streams._PART", 1 << 20)

    @pytest.mark.usefixtures("short_parts")
    def test_memory_of_a_write_is_bounded(self, store: ShuffleStore) -> None:
        """As in every store."""
        super().test_memory_of_a_write_is_bounded(store)


@pytest.mark.process
class TestSeaweedFS(S3ShuffleContract):
    """SeaweedFS."""

    in_memory = True  # it takes no parts that are short enough for the test of memory

    @pytest.fixture
    def server(self) -> S3Server:
        return seaweedfs()
