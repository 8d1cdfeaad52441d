"""Objects that are written and read piece by piece, in bounded memory."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mapreduce.objectstore.s3.store import S3Store

#: Bytes of one ranged read: long enough that latency hardly counts, short enough that a stalled one is
#: soon repeated.
READ = 8 << 20
# Bytes of one part of an upload: the least that S3 takes, since several are held at once.
_PART = 5 << 20
# Parts of one upload under way at once.
_UPLOADS = 2


class Upload:
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


class Reader(io.RawIOBase):
    """Streams a range by requests of one part each, the next one under way while one is read."""

    def __init__(self, store: S3Store, key: str, start: int, end: int | None) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._pool: ThreadPoolExecutor | None = None
        self._next: Future[Any] | None = None
        first = start + READ if end is None else min(end, start + READ)
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
        end = min(self._end, self._position + READ)
        self._next = self._pool.submit(self._store.fetch, self._key, self._position, end, self._tag)
