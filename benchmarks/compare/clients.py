"""What a request to S3 costs its client: processor time, by client library and size."""

from __future__ import annotations

import io
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmarks.compare.places import Place
from benchmarks.compare.raw import boto3_session, endpoint_of, obstore_client
from mapreduce.objectstore.registry import split_url

# Bytes of objects, and for how many requests of the smallest there is one of these.
_SIZES = {1 << 10: 1, 64 << 10: 1, 1 << 20: 5, 16 << 20: 40}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What requests of one kind took, one after the other.

    Attributes:
        client: the library.
        operation: "put" or "get".
        size: bytes of the object.
        requests: how many were made.
        cpu: seconds of processors of the client for one of them.
        seconds: of the clock for one of them.
    """

    client: str
    operation: str
    size: int
    requests: int
    cpu: float
    seconds: float


class Client(ABC):
    """A client library, and a bucket."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write an object."""

    @abstractmethod
    def get(self, key: str, size: int) -> int:
        """Read the first `size` bytes of an object; returns how many came."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object."""


class Obstore(Client):
    """obstore: the object_store crate of Rust."""

    def __init__(self, place: Place) -> None:
        self._prefix, self._client = obstore_client(place.url, place.access)

    def put(self, key: str, data: bytes) -> None:
        import obstore

        obstore.put(self._client, self._prefix + key, data, use_multipart=False)

    def get(self, key: str, size: int) -> int:
        import obstore

        return len(obstore.get_range(self._client, self._prefix + key, start=0, end=size))

    def delete(self, key: str) -> None:
        import obstore

        obstore.delete(self._client, self._prefix + key)


class Boto3(Client):
    """boto3's client, with its defaults."""

    def __init__(self, place: Place) -> None:
        self._bucket, _, prefix = split_url(place.url)[1].partition("/")
        self._prefix = f"{prefix}/".lstrip("/")
        session = boto3_session(place.access)
        self._client = session.client("s3", endpoint_url=endpoint_of(place.access) or None)

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def get(self, key: str, size: int) -> int:
        answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, Range=f"bytes=0-{size - 1}")
        return len(answer["Body"].read())

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)


class Crt(Boto3):
    """The AWS Common Runtime under boto3's transfers, as boto3[crt] brings it; these read whole objects alone.

    boto3 itself lets it speak with AWS alone, so it is put together here, as the AWS command line does it.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from botocore.session import Session
        from s3transfer import crt  # type: ignore[import-untyped]

        session = boto3_session(place.access)
        endpoint = endpoint_of(place.access)
        region = session.region_name or "us-east-1"
        wrapper = crt.BotocoreCRTCredentialsWrapper(session.get_credentials())
        native = crt.create_s3_crt_client(
            region, wrapper.to_crt_credentials_provider(), use_ssl=not endpoint.startswith("http://")
        )
        serializer = crt.BotocoreCRTRequestSerializer(
            Session(profile=place.access.profile or None), {"region_name": region, "endpoint_url": endpoint or None}
        )
        self._transfers = crt.CRTTransferManager(native, serializer)

    def put(self, key: str, data: bytes) -> None:
        self._transfers.upload(io.BytesIO(data), self._bucket, self._prefix + key).result()

    def get(self, key: str, size: int) -> int:
        file = io.BytesIO()
        self._transfers.download(self._bucket, self._prefix + key, file).result()
        return len(file.getbuffer())


def find_clients() -> dict[str, Callable[[Place], Client]]:
    """The clients that are installed, by name."""
    found: dict[str, Callable[[Place], Client]] = {"obstore": Obstore, "boto3": Boto3}
    return found | ({"AWS CRT": Crt} if find_spec("awscrt") is not None else {})


def counts_of(requests: int) -> dict[int, int]:
    """How many requests to make, by bytes of an object: so many of small ones, and fewer of large ones."""
    return {size: max(1, requests // few) for size, few in _SIZES.items()}


def costs(
    place: Place,
    counts: Mapping[int, int],
    clients: Mapping[str, Callable[[Place], Client]] | None = None,
) -> list[Cost]:
    """Put and get objects of these sizes, as many times as `counts` says, by each client in turn.

    Raises:
        RuntimeError: a client did not get back what it had put.
    """
    opened = {name: make(place) for name, make in (clients or find_clients()).items()}
    return [
        cost
        for size, count in counts.items()
        for name, client in opened.items()
        for cost in _costs(name, client, size, count)
    ]


def _costs(name: str, client: Client, size: int, count: int) -> Iterator[Cost]:
    data = secrets.token_bytes(size)
    key = f"compare-{secrets.token_hex(8)}"
    try:
        client.put(key, data)  # the first makes the connection
        yield _cost(name, "put", size, [lambda: client.put(key, data)] * count)

        def get() -> None:
            if (came := client.get(key, size)) != size:
                raise RuntimeError(f"{name} got {came:,} of the {size:,} bytes of {key}")

        get()
        yield _cost(name, "get", size, [get] * count)
    finally:
        client.delete(key)


def _cost(name: str, operation: str, size: int, acts: Sequence[Callable[[], Any]]) -> Cost:
    began, cpu = time.perf_counter(), time.process_time()
    for act in acts:
        act()
    used, elapsed = time.process_time() - cpu, time.perf_counter() - began
    return Cost(
        client=name,
        operation=operation,
        size=size,
        requests=len(acts),
        cpu=used / len(acts),
        seconds=elapsed / len(acts),
    )
