"""An object store in a local folder: a file for each object."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from mapreduce.errors import MissingObject, StoreError
from mapreduce.objectstore.base import ObjectInfo, ObjectStore, Writer, check_key

T = TypeVar("T")

_BUFFER = 1 << 20
# What one call of the system takes: https://man7.org/linux/man-pages/man2/writev.2.html
_PIECES = 1024
_serial = itertools.count()
_token = os.urandom(4).hex()  # process ids are the same in every container
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)  # a folder is no object


class FolderStore(ObjectStore):
    """Objects as files below `root`; several processes of one machine may share it.

    A write goes to a temporary name beside its target (".tmp-..."), then takes its name by rename, or
    by hard link where it must not replace: both are atomic. Data survives the death of a process; it
    is not forced to disk, so a power cut may lose it.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__()
        self.root = os.path.abspath(root)
        self.url = Path(self.root).as_uri()

    def path(self, key: str) -> str:
        """The file of an object."""
        return os.path.join(self.root, key)

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        target = self.path(check_key(key))
        try:
            with _new_file(target) as file:
                writer = _Gathering(file)
                yield writer  # what the user of the context raises passes as it is
                writer.flush()
                size = file.tell()
                try:
                    file.close()
                    os.replace(file.path, target)
                except OSError as error:
                    raise self._failed("write", target, error) from error
        except BaseException:
            self._prune(os.path.dirname(target))
            raise
        self.requests.add("put", written=size)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        target = self.path(check_key(key))
        with _new_file(target) as file:
            file.write(data)
            try:
                file.close()
                os.link(file.path, target)
                created = True
            except FileExistsError:
                created = False
            except OSError as error:
                raise StoreError(
                    f"cannot create {target}: {error.strerror or error} (the file system must allow hard links)"
                ) from error
        if not created and os.path.isdir(target):
            raise StoreError(f"cannot create {target}: it is a folder")
        self.requests.add("put", written=len(data) if created else 0)
        return created

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        path = self.path(key)
        try:
            file = FileIO(path) if start == 0 and end is None else _RangeIO(path, start, end)
            size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise self._failed("read", path, error) from error
        self.requests.add("get", read=max(0, (size if end is None else min(size, end)) - start))
        return BufferedReader(file, _BUFFER)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        path = self.path(key)
        try:
            with open(path, "rb") as file:  # buffered, because one raw read gives 2 GiB at most
                if start:
                    file.seek(start)
                data = file.read() if end is None else file.read(max(0, end - start))
        except OSError as error:
            raise self._failed("read", path, error) from error
        self.requests.add("get", read=len(data))
        return data

    def view(self, key: str, start: int, end: int) -> memoryview:
        path = self.path(key)
        size = max(0, end - start)
        try:  # without a file object, which would take as long as reading a small piece
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, size, start)
                while len(data) < size and (more := os.pread(descriptor, size - len(data), start + len(data))):
                    data += more  # one read gives 2 GiB at most
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed("read", path, error) from error
        self.requests.add("get", read=len(data))
        return memoryview(data)

    def size(self, key: str) -> int:
        path = self.path(key)
        try:
            status = os.stat(path)
        except OSError as error:
            raise self._failed("read", path, error) from error
        if stat.S_ISDIR(status.st_mode):
            raise MissingObject(f"cannot read {path}: it is a folder")
        self.requests.add("size")
        return status.st_size

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        try:
            found = sorted(
                (os.fsencode(key), size) for key, size in _walk(self.path(folder), folder) if key.startswith(prefix)
            )
        except OSError as error:
            raise self._failed("list", error.filename or self.path(folder), error) from error
        for number, (key, size) in enumerate(found):
            if number % self.page == 0:
                self.requests.add("list")
            yield ObjectInfo(os.fsdecode(key), size)
        if not found:
            self.requests.add("list")

    def folders(self, prefix: str) -> Iterator[str]:
        path = self.path(prefix)
        try:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
                names = sorted(os.fsencode(f"{entry.name}/") for entry in entries if entry.is_dir())
                found = [os.fsdecode(name[:-1]) for name in names]
                # Folders that hold no object are no part of any key.
                yield from (name for name in found if any(_walk(os.path.join(path, name), name)))
        except OSError as error:
            raise self._failed("list", error.filename or path, error) from error
        self.requests.add("list")

    def delete(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self.path(check_key(key))
            try:
                os.unlink(path)
            except _ABSENT:
                pass
            except OSError as error:
                raise self._failed("delete", path, error) from error
            self.requests.add("delete")
            folders.add(os.path.dirname(path))
        for folder in folders:
            self._prune(folder)

    def move(self, source: str, target: str) -> None:
        old, new = self.path(check_key(source)), self.path(check_key(target))
        try:
            if not os.path.isfile(old):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            _in_folder(new, lambda: os.replace(old, new))
        except FileNotFoundError as error:
            if not os.path.isfile(new):
                raise self._failed("move", old, error) from error
        except OSError as error:
            raise self._failed("write", new, error) from error
        self.requests.add("move")
        self._prune(os.path.dirname(old))

    def check(self) -> None:
        folder = self.root
        while not os.path.lexists(folder):  # the folder would be made there
            folder = os.path.dirname(folder)
        probe = os.path.join(folder, f".tmp-probe-{_token}-{os.getpid()}-{next(_serial)}")
        try:
            with _NewFile(f"{probe}-0", probe) as file:
                try:
                    self._check_links(file.path, probe)
                finally:
                    os.unlink(file.path)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"the folder {self.root} cannot be written: {reason}; choose another") from error

    def _check_links(self, path: str, probe: str) -> None:
        try:
            os.link(path, probe)
        except OSError as error:
            raise StoreError(
                f"the folder {self.root} does not allow hard links ({error.strerror or error}), without which tasks"
                " could be committed twice: choose one of another file system"
            ) from error
        os.unlink(probe)

    def sweep(self, prefix: str) -> None:
        folder = os.path.join(self.root, *filter(None, prefix.split("/")))
        for parent, _, names in os.walk(folder, topdown=False):
            left = [name for name in names if name.startswith(".tmp-")]
            for name in left:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(parent, name))
            if left:
                self._prune(parent)

    def free(self) -> int:
        """Bytes that the folder's disk has room for."""
        folder = self.root
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        return shutil.disk_usage(folder).free

    def _prune(self, folder: str) -> None:
        """Remove `folder` and its parents up to the root, as far as they are empty."""
        while len(folder) > len(self.root):
            try:
                os.rmdir(folder)
            except OSError:
                return
            folder = os.path.dirname(folder)

    def _failed(self, what: str, path: str, error: OSError) -> StoreError:
        missing = what != "write" and isinstance(error, _ABSENT)
        return (MissingObject if missing else StoreError)(f"cannot {what} {path}: {error.strerror or error}")


class _RangeIO(FileIO):
    """The bytes `start` to `end` of a file."""

    def __init__(self, path: str, start: int, end: int | None) -> None:
        super().__init__(path)
        self._left = max(0, (os.fstat(self.fileno()).st_size if end is None else end) - start)
        super().seek(start)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what callers here pass
        """Read at most the rest of the range."""
        view = memoryview(buffer)[: self._left]
        count = super().readinto(view) or 0
        self._left -= count
        return count

    def readall(self) -> bytes:
        """Read all the rest of the range."""
        data = bytearray()
        while chunk := super().read(min(self._left, 16 * _BUFFER)):
            self._left -= len(chunk)
            data += chunk
        return bytes(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes of the range, or all the rest of it."""
        if size is None or size < 0:
            return self.readall()
        data = super().read(min(size, self._left))
        self._left -= len(data)
        return data

    def seekable(self) -> bool:
        """A range is read once, from its start."""
        return False


class _NewFile(FileIO):
    """A file under a temporary name beside the object that it becomes."""

    def __init__(self, path: str, target: str) -> None:
        super().__init__(path, "x")
        self.path = path
        self._target = target

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]  # as Writer has it
        """Write all of `data`; one raw write may take only a part: of over 2 GiB, or on a full disk."""
        try:
            total = super().write(data)
            size = memoryview(data).nbytes
            while total < size:
                total += super().write(memoryview(data).cast("B")[total:])
        except OSError as error:
            raise StoreError(f"cannot write {self._target}: {error.strerror or error}") from error
        return total

    def write_all(self, pieces: Sequence[bytes]) -> None:
        """Write all of `pieces`, at most 1,024 of them, in one go."""
        try:
            total = os.writev(self.fileno(), pieces)
        except OSError as error:
            raise StoreError(f"cannot write {self._target}: {error.strerror or error}") from error
        if total < sum(map(len, pieces)):  # on a full disk, which the next write tells
            self.write(b"".join(pieces)[total:])


class _Gathering:
    """Writes small pieces of bytes many at a time: fewer calls, for which the kernel takes larger pages."""

    def __init__(self, file: _NewFile) -> None:
        self._file = file
        self._pieces: list[bytes] = []
        self._room = _BUFFER

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`, or keep it for later where nobody can change it."""
        size = len(data)
        if type(data) is not bytes or size >= _BUFFER:
            self.flush()
            return self._file.write(data)
        self._pieces.append(data)
        self._room -= size
        if self._room <= 0 or len(self._pieces) == _PIECES:
            self.flush()
        return size

    def flush(self) -> None:
        """Write what has been kept."""
        if self._pieces:
            self._file.write_all(self._pieces)
            self._pieces, self._room = [], _BUFFER


@contextmanager
def _new_file(target: str) -> Iterator[_NewFile]:
    """A new temporary file beside `target`, its folders made where they are missing; gone at the end."""
    path = os.path.join(os.path.dirname(target), f".tmp-{_token}-{os.getpid()}-{next(_serial)}")
    try:
        file = _in_folder(path, lambda: _NewFile(path, target))
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        yield file
    finally:
        with suppress(OSError):  # only our own close, before a rename, must succeed
            file.close()
        with suppress(OSError):  # after a rename it is gone
            os.unlink(path)


def _in_folder(path: str, act: Callable[[], T]) -> T:
    """What `act` gives, which needs the folder of `path`; the folder is made where it is missing."""
    for _ in range(100):  # others may prune an empty folder just before we enter it, or while we make it
        try:
            return act()
        except FileNotFoundError:
            with suppress(FileNotFoundError, FileExistsError):
                os.makedirs(os.path.dirname(path), exist_ok=True)
    return act()


def _walk(path: str, folder: str) -> Iterator[tuple[str, int]]:
    """Key and size of every object below `path`, whose key is `folder`; files that vanish are left out."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(".tmp-"):
                continue
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                yield from _walk(entry.path, key)
            else:
                with suppress(FileNotFoundError):
                    yield key, entry.stat().st_size
