"""An object store in an S3 bucket, or in any service that speaks its protocol.

Two clients share the work. obstore, which is native code, moves the bytes: it takes a tenth of
boto3's processor time for a small request, and starts a worker ten times as fast. boto3 does what
must be exact and is rare: listings page by page, checks, and credentials from AWS's configuration files.
"""

from __future__ import annotations

import io
import os
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

from mapreduce.errors import ConfigError, MissingObject, StoreError, UnreachableStore
from mapreduce.objectstore.access import Access
from mapreduce.objectstore.base import ObjectInfo, ObjectStore, Writer, check_key

T = TypeVar("T")

# Bytes of one ranged read: long enough that latency hardly counts, short enough that a stalled one is
# soon repeated.
_READ = 8 << 20
# Bytes of one part of an upload: the least that S3 takes, since several are held at once.
_PART = 5 << 20
# Parts of one upload under way at once.
_UPLOADS = 2
_CONNECT_TIMEOUT = 5.0
# Seconds without a byte after which a request has stalled.
_READ_TIMEOUT = 15.0
_TIMEOUT = 120.0
_RETRIES = 8
_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_MESSAGE = re.compile(r"<Message>\s*([^<]{1,300}?)\s*</Message>")
# Objects above this size cannot be copied by one request.
_COPY_LIMIT = 5 << 30
# The status of a write while another one of the same key is under way.
_CONFLICT = 409
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Codes of the service, or ours, for an object that does not exist.
_ABSENT = ("NoSuchKey", "NotFound")
# Codes for credentials that were right, until they expired.
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
# Codes for what may be otherwise in a while; a clock is wrong for a moment when its machine has slept.
_PASSING = ("InternalError", "RequestTimeTooSkewed", "RequestTimeout", "ServiceUnavailable", "SlowDown")
# What obstore's errors say when no answer came, or no credentials from botocore.
_NO_ANSWER = ("HTTP error", "External AWS credential provider")


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

    concurrency = 16

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
        upload = _Upload(self, check_key(key))
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
        return io.BufferedReader(_Reader(self, key, start, end), 1 << 16)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end - start <= _READ:
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
            if _is_behind(error):
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
            if _is_behind(error):
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
                lambda: _boto3(self._access).list_objects_v2(
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
            if _code(error) not in _ABSENT:
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
                lambda more=more: _boto3(self._access).list_multipart_uploads(  # type: ignore[misc]
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
        client = _boto3(self._access, patient=False)
        self._call("list", "", lambda: client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1))

    def check(self) -> None:
        self.reach()
        client = _boto3(self._access, patient=False)
        probe = f"probe-{os.urandom(8).hex()}"
        create = {"Bucket": self.bucket, "Key": self.prefix + probe, "Body": b"probe", "IfNoneMatch": "*"}
        self._call("write", probe, lambda: client.put_object(**create))
        try:
            if not self._call("write", probe, lambda: _refuses(client, create)):
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
        if number != _Renewals.number:
            self._connected = number, client = _Renewals.number, _obstore(self.bucket, self._access)
        return client

    def _endpoint(self) -> str:
        return _endpoint(self._access) or "AWS"

    def _put(self, key: str, data: bytes | memoryview, mode: Any) -> None:
        import obstore

        path = self.prefix + key
        try:
            self._act(
                lambda: _persistently(lambda: obstore.put(self._client, path, data, mode=mode, use_multipart=False))
            )
        except obstore.exceptions.AlreadyExistsError as error:
            if _status(error) == _CONFLICT:
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
            self._act(lambda: _persistently(lambda: obstore.delete(self._client, paths)))
        except (obstore.exceptions.BaseError, OSError) as error:
            if _code(error) not in _ABSENT:
                self._raise("delete", paths[0].removeprefix(self.prefix), error)

    def _delete_odd(self, path: str) -> None:
        """Delete one object whose key a batch cannot say."""
        self._call("delete", path, lambda: _boto3(self._access).delete_object(Bucket=self.bucket, Key=path))

    def _abort(self, upload: dict[str, str]) -> None:
        self._call("delete", upload["Key"], lambda: _boto3(self._access).abort_multipart_upload(**upload))

    def _copy_in_parts(self, source: str, target: str) -> None:
        origin = {"Bucket": self.bucket, "Key": self.prefix + source}
        self._call("move", source, lambda: _boto3(self._access).copy(origin, self.bucket, self.prefix + target))

    def _act(self, act: Callable[[], T]) -> T:
        """What a request of obstore gives: a second one, with new credentials, if those in use have expired."""
        import obstore

        used = _Renewals.number
        try:
            return act()
        except (obstore.exceptions.BaseError, OSError) as error:
            if not _has_expired(error) or not _renew(self._access, used):
                raise
        return act()

    def _call(self, what: str, key: str, act: Callable[[], T]) -> T:
        """What a call of boto3 gives, likewise; its errors turned into ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        used = _Renewals.number
        try:
            try:
                return act()
            except ClientError as error:
                if _from_boto3(error)[0] not in _EXPIRED or not _renew(self._access, used):
                    raise
            return act()
        except (BotoCoreError, ClientError) as error:
            code, reason = _from_boto3(error)
            passing = _passes_boto3(error) or (code in _EXPIRED and _renewable(self._access))
            raise self._failed(what, key, code, reason, passing=passing) from error

    def _raise(self, what: str, key: str, error: BaseException) -> NoReturn:
        """Raise the error that tells what obstore's `error` means."""
        # Credentials of the environment are what they are; others may have been renewed by the next time.
        passing = _passes(error) or (_has_expired(error) and _renewable(self._access))
        raise self._failed(what, key, _code(error), _reason(error), passing=passing) from error

    def _failed(self, what: str, key: str, code: str, reason: str, *, passing: bool = False) -> StoreError:
        place = f"{self.url}/{key}".rstrip("/")
        if code in _ABSENT and what in ("read", "move"):
            return MissingObject(f"cannot {what} {place}: it does not exist")
        remedy = _REMEDIES.get(code, "")
        where = f" at {self._endpoint()}" if remedy or not code else ""
        return (UnreachableStore if passing else StoreError)(
            f"cannot {what} {place}{where}: {': '.join(filter(None, (code, reason)))}{remedy}"
        )


class _Upload:
    """Writes one object: by one request if it is small, else in parts while more is written."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._held: list[bytes] = []
        self._size = 0
        self._total = 0
        self._parts: queue.Queue[bytes | BaseException | None] | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def write(self, data: bytes | memoryview, /) -> int:
        size = memoryview(data).nbytes
        self._held.append(bytes(data))
        self._size += size
        if self._size >= _PART:
            self._flush()
        return size

    def finish(self) -> None:
        """Make the object appear."""
        if self._parts is None:
            self._store._put(self._key, b"".join(self._held), "overwrite")  # noqa: SLF001 - one store, two classes
            return
        if self._held:
            self._flush()
        self._hand_over(None)
        self._join()
        if self._error is not None:
            self._fail()
        # One request to begin, one for each part, one to end.
        self._store.requests.add("put", written=self._total)
        for _ in range(-(-self._total // _PART) + 1):
            self._store.requests.add("put")

    def abort(self) -> None:
        """Leave nothing of the object."""
        if self._parts is not None:
            self._hand_over(_Abort())
            self._join()

    def _flush(self) -> None:
        """Hand what is held to the upload, which is begun if it has not been."""
        if self._parts is None:
            self._parts = queue.Queue(1)
            self._thread = threading.Thread(target=self._run, name="s3-upload", daemon=True)
            self._thread.start()
        part, self._held, self._size = b"".join(self._held), [], 0
        self._total += len(part)
        self._hand_over(part)
        if self._error is not None:
            self._fail()

    def _hand_over(self, item: bytes | BaseException | None) -> None:
        assert self._parts is not None
        while self._error is None:
            try:
                self._parts.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def _join(self) -> None:
        assert self._thread is not None
        self._thread.join()

    def _fail(self) -> NoReturn:
        error = self._error
        assert error is not None
        self._store._raise("write", self._key, error)  # noqa: SLF001 - as above

    def _run(self) -> None:
        import obstore

        store = self._store
        try:
            obstore.put(
                store._client,  # noqa: SLF001 - as above
                store.prefix + self._key,
                self._items(),
                use_multipart=True,
                chunk_size=_PART,
                max_concurrency=_UPLOADS,
            )
        except BaseException as error:
            self._error = error

    def _items(self) -> Iterator[bytes]:
        assert self._parts is not None
        while (item := self._parts.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item


class _Abort(Exception):
    """Ends an upload whose writer failed."""


class _Reader(io.RawIOBase):
    """Streams a range by requests of one part each, the next one under way while one is read."""

    def __init__(self, store: S3Store, key: str, start: int, end: int | None) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._pool: ThreadPoolExecutor | None = None
        self._next: Future[Any] | None = None
        first = start + _READ if end is None else min(end, start + _READ)
        self._view, size, self._tag = store.fetch(key, start, first)
        self._position = start + len(self._view)
        self._end = size if end is None else min(end, size)
        self._ahead()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._view and self._next is not None:
            self._view, _, _ = self._next.result()
            self._position += len(self._view)
            self._next = None
            self._ahead()
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._view))
        view[:count] = self._view[:count]
        self._view = self._view[count:]
        return count

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        super().close()

    def _ahead(self) -> None:
        """Begin the next request, if there is more to come."""
        if self._position >= self._end:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="s3-read")
        end = min(self._end, self._position + _READ)
        self._next = self._pool.submit(self._store.fetch, self._key, self._position, end, self._tag)


# What to do about the services' errors that are the user's to mend.
_REMEDIES = {
    "NotFound": "; there seems to be no S3 service, or no such bucket: check the setting endpoint_url and the bucket",
    "NoSuchBucket": "; make the bucket, or correct its name",
    "AccessDenied": "; the credentials in use may not do this: give them the right, or use others (setting profile)",
    "InvalidAccessKeyId": "; use credentials of this service (AWS_ACCESS_KEY_ID, setting profile)",
    "SignatureDoesNotMatch": "; the secret access key is wrong (AWS_SECRET_ACCESS_KEY, setting profile)",
    "ExpiredToken": "; renew the credentials",
    "PermanentRedirect": "; the bucket is in another region: set AWS_REGION to it",
    "AuthorizationHeaderMalformed": "; the bucket is in another region: set AWS_REGION to it",
    "NoCredentialsError": "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile",
    "ProfileNotFound": "; correct the setting profile",
    "SSLError": "; check the setting endpoint_url: http:// or https://, and whose certificate it has",
    "ReadTimeoutError": "; it does not answer: check the setting endpoint_url",
    "EndpointConnectionError": "; check the setting endpoint_url and the network",
    "ConnectTimeoutError": "; check the setting endpoint_url and the network",
}


def _endpoint(access: Access) -> str:
    """The endpoint to use; "" for AWS's own."""
    return access.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


class _Renewals:
    """How many times credentials were found to have expired: clients are made anew for each."""

    number = 0


def _renewable(access: Access) -> bool:
    """Whether credentials come from where there may be new ones: files, a command, a service."""
    return bool(access.profile) or not _native_credentials()


def _renew(access: Access, used: int) -> bool:
    """Have credentials looked up again, unless somebody has done so since the `used` ones; whether that may help."""
    if not _renewable(access):
        return False
    with _lock:
        if _Renewals.number == used:
            _Renewals.number += 1
    return True


def _has_expired(error: BaseException) -> bool:
    """Whether obstore's `error` tells of credentials that have expired; the answer to a HEAD has no code."""
    code = _code(error)
    return code in _EXPIRED or (not code and _status(error) == 400)


def _passes(error: BaseException) -> bool:
    """Whether what obstore's `error` tells of may be otherwise in a while."""
    status, text = _status(error), str(error).split("\n\n", maxsplit=1)[0]
    return _code(error) in _PASSING or status == 429 or status >= 500 or any(told in text for told in _NO_ANSWER)


def _passes_boto3(error: Any) -> bool:
    """The same for an error of boto3."""
    from botocore.exceptions import CredentialRetrievalError, HTTPClientError, SSOError, TokenRetrievalError

    if isinstance(error, HTTPClientError | CredentialRetrievalError | SSOError | TokenRetrievalError):
        return True
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _from_boto3(error)[0] in _PASSING or status == 429 or status >= 500


def _environment() -> Any:
    """What clients depend on beside their arguments, so that whoever changes it gets what it says."""
    return _Renewals.number, *sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_"))


def _obstore(bucket: str, access: Access) -> Any:
    return _new_obstore(bucket, access, _environment())


@lru_cache(maxsize=64)
def _new_obstore(bucket: str, access: Access, _environment: Any) -> Any:
    """The client of a bucket: one in each process."""
    from obstore.store import S3Store as Client

    # The service refuses what was damaged on the way.
    config: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    endpoint = _endpoint(access)
    if endpoint:
        config["endpoint"] = endpoint
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    provider = None
    if access.profile or not _native_credentials():
        provider = _Credentials(access)
        region = region or provider.region
    if region:
        config["region"] = region
    return Client(
        bucket,
        **config,
        credential_provider=provider,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT),
            "read_timeout": timedelta(seconds=_READ_TIMEOUT),
            "timeout": timedelta(seconds=_TIMEOUT),
        },
        retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=180)},
    )


def _native_credentials() -> bool:
    """Whether the environment itself has credentials, as it has in a function; else AWS's files may."""
    return "AWS_ACCESS_KEY_ID" in os.environ and "AWS_SECRET_ACCESS_KEY" in os.environ


class _Credentials:
    """Credentials by the usual chain, for obstore."""

    def __init__(self, access: Access) -> None:
        session = _session(access)
        self.region = session.get_config_variable("region")
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise ConfigError(
                "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile"
            )

    def __call__(self) -> Any:
        """The credentials now; the client asks again when they have expired."""
        from datetime import UTC, datetime

        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(minutes=10),
        }


def _session(access: Access) -> Any:
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    session = Session(profile=access.profile or None)
    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise ConfigError(f"profile: {error}") from None
    return session


def _boto3(access: Access, *, patient: bool = True) -> Any:
    with _lock:  # making clients is not safe between threads
        return _new_boto3(access, patient, _environment())


_lock = threading.Lock()


@lru_cache(maxsize=16)
def _new_boto3(access: Access, patient: bool, _environment: Any) -> Any:  # noqa: FBT001 - lru_cache keys by position
    """The boto3 client for an endpoint: one in each process."""
    import boto3
    from botocore.config import Config

    return boto3.Session(botocore_session=_session(access)).client(
        "s3",
        endpoint_url=_endpoint(access) or None,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT if patient else 2,
            read_timeout=_READ_TIMEOUT if patient else 3,
            retries={"mode": "standard", "total_max_attempts": _RETRIES + 1 if patient else 2},
            max_pool_connections=S3Store.concurrency,
        ),
    )


def _refuses(client: Any, create: dict[str, Any]) -> bool:
    """Whether the service refuses to create what is there."""
    from botocore.exceptions import ClientError

    try:
        client.put_object(**create)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
            raise
        return True
    return False


def _from_boto3(error: Any) -> tuple[str, str]:
    """Code and reason of an error of boto3."""
    response = getattr(error, "response", None)
    if response is None:
        return type(error).__name__, str(error)
    told = response.get("Error", {})
    code = str(told.get("Code", ""))
    return {"404": "NotFound", "403": "AccessDenied"}.get(code, code), str(told.get("Message", ""))


def _code(error: BaseException) -> str:
    """The service's code for an error of obstore, or a code of its own for one without."""
    import obstore

    match = _CODE.search(str(error))
    if match:
        return match[1]
    if isinstance(error, FileNotFoundError | obstore.exceptions.NotFoundError):
        return "NotFound"
    if isinstance(error, obstore.exceptions.PermissionDeniedError | obstore.exceptions.UnauthenticatedError):
        return "AccessDenied"
    return ""


def _reason(error: BaseException) -> str:
    """What an error of obstore says, without the layers around it."""
    text = str(error)
    match = _MESSAGE.search(text)
    if match:
        return match[1]
    return text.split("\n\n", maxsplit=1)[0].strip()[:300]


def _status(error: BaseException) -> int:
    """The HTTP status in an error of obstore; 0 if it tells none."""
    match = re.search(r"status(?: code)?:? ?\(?(\d{3})\b", str(error))
    return int(match[1]) if match else 0


def _is_behind(error: BaseException) -> bool:
    """Whether the range that was asked for begins behind the object's end."""
    return _status(error) == 416 or "out of range" in str(error)


def _persistently(act: Callable[[], T]) -> T:
    """What a request gives that obstore does not repeat by itself: when no answer came, or that of a conflict."""
    import obstore

    for pause in _pauses():
        try:
            return act()
        except (obstore.exceptions.BaseError, OSError) as error:
            if _status(error) != _CONFLICT and "HTTP error" not in str(error):
                raise
        pause()
    return act()


def _pauses() -> Iterator[Callable[[], None]]:
    """Pauses between tries, growing, with full jitter."""
    import random
    import time

    for number in range(_RETRIES):
        yield lambda number=number: time.sleep(random.uniform(0, min(2.0, 0.05 * 2**number)))  # type: ignore[misc]  # noqa: S311
