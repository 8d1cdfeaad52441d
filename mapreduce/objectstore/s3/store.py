"""The store; its streams, clients and errors are beside it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

from mapreduce.errors import ConfigError, MissingObject, StoreError, UnreachableStore
from mapreduce.objectstore.access import Access
from mapreduce.objectstore.base import ObjectInfo, ObjectStore, Writer, check_key
from mapreduce.objectstore.s3.clients import (
    CONCURRENCY,
    Renewals,
    boto3_client,
    endpoint_of,
    obstore_client,
    renew,
    renewable,
)
from mapreduce.objectstore.s3.errors import (
    ABSENT,
    CONFLICT,
    EXPIRED,
    REMEDIES,
    code_of,
    from_boto3,
    has_expired,
    is_behind,
    passes,
    passes_boto3,
    reason_of,
    status_of,
)
from mapreduce.objectstore.s3.requests import persistently, refuses
from mapreduce.objectstore.s3.streams import READ, Reader, Upload

T = TypeVar("T")

# Objects above this size cannot be copied by one request.
_COPY_LIMIT = 5 << 30
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class S3Store(ObjectStore):
    """Objects below a prefix of a bucket.

    Requests that fail by 5xx, 429, a lost connection or a stall are repeated with growing pauses
    and full jitter. What is written is verified by the service against a SHA-256 that is sent along.
    What is read is checked for its length here; blocks, plans and records carry tags of
    their own. When the answer to a `put_if_absent` is lost, the repeated request may find the object
    of the first: the caller then gets False though the object is its own.

    Args:
        place: bucket, or bucket and prefix: "bucket/some/prefix".
        access: endpoint and profile.
    """

    concurrency = CONCURRENCY

    def __init__(self, place: str, access: Access | None = None) -> None:
        super().__init__()
        bucket, _, prefix = place.partition("/")
        if not bucket:
            raise ConfigError(f"s3://{place} names no bucket; write s3://bucket/prefix")
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"s3://{bucket}/{self.prefix}".rstrip("/")
        self._access = access or Access()
        self._connected: tuple[int, Any] = (-1, None)

    @classmethod
    def connect(cls, place: str, access: Access) -> Self:
        return cls(place, access)

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        upload = Upload(self, check_key(key))
        try:
            yield upload
        except BaseException:
            upload.abort()
            raise
        upload.finish()

    def put(self, key: str, data: bytes) -> None:
        self._put(check_key(key), data, "overwrite")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        import obstore

        check_key(key)
        try:
            self._put(key, data, "create")
        except obstore.exceptions.AlreadyExistsError:
            self.requests.add("put")
            return False
        return True

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        return io.BufferedReader(Reader(self, key, start, end), 1 << 16)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end - start <= READ:
            return bytes(self.view(key, start, end))
        with self.open(key, start, end) as stream:
            return stream.read()

    def view(self, key: str, start: int, end: int) -> memoryview:
        import obstore

        if end <= start:
            self.size(key)  # an error if there is no object
            return memoryview(b"")
        try:
            data = memoryview(
                self._act(lambda: obstore.get_range(self._client, self.prefix + key, start=start, end=end))
            )
        except (obstore.exceptions.BaseError, OSError) as error:
            if is_behind(error):
                self.size(key)
                return memoryview(b"")
            self._raise("read", key, error)
        self.requests.add("get", read=len(data))
        return data

    def fetch(
        self, key: str, start: int, end: int | None, tag: str | None = None
    ) -> tuple[memoryview, int, str | None]:
        """One request's worth of an object.

        Args:
            key: of the object.
            start: offset of the first byte.
            end: offset behind the last byte; None for the object's end.
            tag: the object's entity tag; another object under its key is an error then.

        Returns:
            The bytes that exist of the range, the size of the object (-1 where it was not told), and its entity tag.
        """
        import obstore

        if end is not None and end <= start:
            return memoryview(b""), self.size(key), tag
        span: Any = (start, end) if end is not None else {"offset": start}
        options: Any = {"range": span} if start or end is not None else {}
        if tag is not None:
            options["if_match"] = tag
        try:
            result = self._act(lambda: obstore.get(self._client, self.prefix + key, options=options))
            first, last = result.range
            data = memoryview(result.bytes())
        except obstore.exceptions.PreconditionError:
            raise StoreError(f"{self.url}/{key} was replaced while it was read") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            if is_behind(error):
                return memoryview(b""), self.size(key), tag
            self._raise("read", key, error)
        if len(data) != last - first or first != start:
            raise StoreError(f"cannot read {self.url}/{key}: {len(data)} bytes came for a range of {last - first}")
        self.requests.add("get", read=len(data))
        return data, result.meta["size"], result.meta.get("e_tag")

    def size(self, key: str) -> int:
        size = int(self._head(key)["size"])
        self.requests.add("size")
        return size

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for page in self._pages(prefix):
            for found in page.get("Contents", ()):
                yield ObjectInfo(found["Key"][len(self.prefix) :], found["Size"])

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"][len(self.prefix) + len(prefix) : -1]

    def _pages(self, prefix: str, **options: str) -> Iterator[Any]:
        """A listing, request by request."""
        while True:
            page = self._call(
                "list",
                prefix,
                lambda: boto3_client(self._access).list_objects_v2(
                    Bucket=self.bucket, Prefix=self.prefix + prefix, MaxKeys=self.page, **options
                ),
            )
            self.requests.add("list")
            yield page
            if not page.get("IsTruncated"):
                return
            options["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        paths = [self.prefix + check_key(key) for key in keys]
        # A batch is XML, which cannot say every key.
        odd = [path for path in paths if _NOT_XML.search(path)]
        plain = [path for path in paths if not _NOT_XML.search(path)]
        for path in odd:
            self._delete_odd(path)
            self.requests.add("delete")
        for start in range(0, len(plain), 1000):
            self._delete(plain[start : start + 1000])
            self.requests.add("delete")

    def move(self, source: str, target: str) -> None:
        import obstore

        check_key(source)
        check_key(target)
        try:
            size = self._head(source)["size"]
        except MissingObject:
            try:
                self._head(target)
            except MissingObject:
                raise MissingObject(f"cannot move {self.url}/{source}: it does not exist") from None
            return
        self.requests.add("move")
        if source == target:
            return
        try:
            if size > _COPY_LIMIT:
                self._copy_in_parts(source, target)
            else:
                self._act(lambda: obstore.copy(self._client, self.prefix + source, self.prefix + target))
        except (obstore.exceptions.BaseError, OSError) as error:
            if code_of(error) not in ABSENT:
                self._raise("move", source, error)
            self._head(target)  # somebody else has just moved it, or else it is missing
        if _NOT_XML.search(source):
            self._delete_odd(self.prefix + source)
        else:
            self._delete([self.prefix + source])

    def sweep(self, prefix: str) -> None:
        """Abort uploads under `prefix` that nobody will end."""
        more: dict[str, str] = {}
        while True:
            page = self._call(
                "list",
                prefix,
                lambda more=more: boto3_client(self._access).list_multipart_uploads(  # type: ignore[misc]
                    Bucket=self.bucket, Prefix=self.prefix + prefix, **more
                ),
            )
            self.requests.add("list")
            for found in page.get("Uploads", ()):
                upload = {"Bucket": self.bucket, "Key": found["Key"], "UploadId": found["UploadId"]}
                self._abort(upload)
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def reach(self) -> None:
        client = boto3_client(self._access, patient=False)
        self._call("list", "", lambda: client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1))

    def check(self) -> None:
        self.reach()
        client = boto3_client(self._access, patient=False)
        probe = f"probe-{os.urandom(8).hex()}"
        create = {"Bucket": self.bucket, "Key": self.prefix + probe, "Body": b"probe", "IfNoneMatch": "*"}
        self._call("write", probe, lambda: client.put_object(**create))
        try:
            if not self._call("write", probe, lambda: refuses(client, create)):
                raise StoreError(
                    f"{self.url}: the service at {self._endpoint()} does not create objects exclusively (it ignores"
                    " If-None-Match), so tasks could be committed twice: use a service that does, such as AWS, or a"
                    " folder"
                )
        finally:
            self._call("delete", probe, lambda: client.delete_object(Bucket=self.bucket, Key=self.prefix + probe))

    @property
    def _client(self) -> Any:
        number, client = self._connected
        if number != Renewals.number:
            self._connected = number, client = Renewals.number, obstore_client(self.bucket, self._access)
        return client

    def _endpoint(self) -> str:
        return endpoint_of(self._access) or "AWS"

    def _put(self, key: str, data: bytes | memoryview, mode: Any) -> None:
        import obstore

        path = self.prefix + key
        try:
            self._act(
                lambda: persistently(lambda: obstore.put(self._client, path, data, mode=mode, use_multipart=False))
            )
        except obstore.exceptions.AlreadyExistsError as error:
            if status_of(error) == CONFLICT:
                raise StoreError(f"cannot create {self.url}/{key}: others were writing it all the time") from error
            raise
        except (obstore.exceptions.BaseError, OSError) as error:
            self._raise("write", key, error)
        self.requests.add("put", written=len(data))

    def _head(self, key: str) -> Any:
        import obstore

        try:
            return self._act(lambda: obstore.head(self._client, self.prefix + key))
        except (obstore.exceptions.BaseError, OSError) as error:
            self._raise("read", key, error)

    def _delete(self, paths: Sequence[str]) -> None:
        """Delete a batch."""
        import obstore

        try:
            self._act(lambda: persistently(lambda: obstore.delete(self._client, paths)))
        except (obstore.exceptions.BaseError, OSError) as error:
            if code_of(error) not in ABSENT:
                self._raise("delete", paths[0].removeprefix(self.prefix), error)

    def _delete_odd(self, path: str) -> None:
        """Delete one object whose key a batch cannot say."""
        self._call("delete", path, lambda: boto3_client(self._access).delete_object(Bucket=self.bucket, Key=path))

    def _abort(self, upload: dict[str, str]) -> None:
        self._call("delete", upload["Key"], lambda: boto3_client(self._access).abort_multipart_upload(**upload))

    def _copy_in_parts(self, source: str, target: str) -> None:
        origin = {"Bucket": self.bucket, "Key": self.prefix + source}
        self._call("move", source, lambda: boto3_client(self._access).copy(origin, self.bucket, self.prefix + target))

    def _act(self, act: Callable[[], T]) -> T:
        """What a request of obstore gives: a second one, with new credentials, if those in use have expired."""
        import obstore

        used = Renewals.number
        try:
            return act()
        except (obstore.exceptions.BaseError, OSError) as error:
            if not has_expired(error) or not renew(self._access, used):
                raise
        return act()

    def _call(self, what: str, key: str, act: Callable[[], T]) -> T:
        """What a call of boto3 gives, likewise; its errors turned into ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        used = Renewals.number
        try:
            try:
                return act()
            except ClientError as error:
                if from_boto3(error)[0] not in EXPIRED or not renew(self._access, used):
                    raise
            return act()
        except (BotoCoreError, ClientError) as error:
            code, reason = from_boto3(error)
            passing = passes_boto3(error) or (code in EXPIRED and renewable(self._access))
            raise self._failed(what, key, code, reason, passing=passing) from error

    def _raise(self, what: str, key: str, error: BaseException) -> NoReturn:
        """Raise the error that tells what obstore's `error` means."""
        # Credentials of the environment are what they are; others may have been renewed by the next time.
        passing = passes(error) or (has_expired(error) and renewable(self._access))
        raise self._failed(what, key, code_of(error), reason_of(error), passing=passing) from error

    def _failed(self, what: str, key: str, code: str, reason: str, *, passing: bool = False) -> StoreError:
        place = f"{self.url}/{key}".rstrip("/")
        if code in ABSENT and what in ("read", "move"):
            return MissingObject(f"cannot {what} {place}: it does not exist")
        remedy = REMEDIES.get(code, "")
        where = f" at {self._endpoint()}" if remedy or not code else ""
        return (UnreachableStore if passing else StoreError)(
            f"cannot {what} {place}{where}: {': '.join(filter(None, (code, reason)))}{remedy}"
        )
