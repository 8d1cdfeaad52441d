"""Files of the sort benchmark's records, written by several processes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.layouts import RECORD
from benchmarks.sorting.pool import check_workers, work
from benchmarks.sorting.records import Kind, blocks, check_range
from mapreduce.errors import ConfigError, OutputError
from mapreduce.sizes import format_size

_RANGE = 500_000  # records of one task, at least; for one alone no process is started
_TASKS = 10_000  # at most, roughly


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What was written.

    Attributes:
        records: how many.
        checksum: the sum of their CRC-32.
        files: where they lie, in order.
    """

    records: int
    checksum: int
    files: list[str]


class _Range(NamedTuple):
    """Records of a file that one task writes."""

    path: str
    offset: int
    start: int
    records: int
    layout: str
    skewed: bool


def generate(
    records: int,
    path: str,
    *,
    layout: str = "binary",
    skewed: bool = False,
    start: int = 0,
    parts: int | None = None,
    workers: int | None = None,
) -> Generated:
    """Write records to a file, or to the parts of a folder.

    Files appear when all are whole. A file that is there is replaced; a folder must be empty or absent.

    Args:
        records: how many.
        path: of the file or the folder.
        layout: binary (gensort 1.5), ascii (gensort -a) or teragen (Hadoop's TeraGen, gensort 1.1).
        skewed: with keys as of gensort -s.
        start: number of the first record, below 2**128.
        parts: files in the folder `path`, part-00000 and so on, alike in size; without it `path` is a file.
        workers: processes; by default one for each processor.

    Raises:
        ConfigError: an argument cannot be used.
        OutputError: the file or folder cannot be written.
    """
    kind = Kind(layout, skewed)
    kind.check()
    check_range(start, records)
    workers = check_workers(workers)
    if parts is not None and parts < 1:
        raise ConfigError(f"parts: {parts} is less than one")
    with _writing(path, parts, records * RECORD) as places:
        size = max(_RANGE, -(-records // _TASKS))
        ranges = []
        for part, (_, unfinished) in enumerate(places):
            first, end = records * part // len(places), records * (part + 1) // len(places)
            _create(unfinished, (end - first) * RECORD)
            ranges += [
                _Range(unfinished, (begin - first) * RECORD, start + begin, min(size, end - begin), *kind)
                for begin in range(first, end, size)
            ]
        total = sum(work(_write, ranges, workers if records > size else 1))
    return Generated(records=records, checksum=total, files=[place for place, _ in places])


def _write(task: _Range) -> int:
    """Write a range into its file; returns its checksum."""
    total = 0
    try:
        with open(task.path, "r+b", buffering=0) as file:
            file.seek(task.offset)
            for block in blocks(task.start, task.records, Kind(task.layout, task.skewed)):
                rest = block.data.cast("B")
                while rest:
                    rest = rest[file.write(rest) :]
                total += checksum(block)
    except OSError as error:
        raise _unwritable(task.path, error) from error
    return total


@contextlib.contextmanager
def _writing(path: str, parts: int | None, size: int) -> Iterator[list[tuple[str, str]]]:
    """Places of files, and where they are written until all are whole."""
    if "://" in path:
        raise ConfigError(f"{path} is a URL: records are written to files")
    path = os.path.realpath(os.path.expanduser(path))
    folder = os.path.dirname(path) if parts is None else path
    made = parts is not None and _make_folder(path)
    if parts is None and os.path.lexists(path) and not os.path.isfile(path):
        kind = "a folder: say into how many parts (--parts, parts=)" if os.path.isdir(path) else "no regular file"
        raise OutputError(f"cannot write {path}: it is {kind}")
    names = [os.path.basename(path)] if parts is None else [f"part-{part:05}" for part in range(parts)]
    places = [(os.path.join(folder, name), os.path.join(folder, f".{name}.{os.getpid()}.tmp")) for name in names]
    try:
        _check_room(folder, size)
        yield places
        for place, unfinished in places:
            os.replace(unfinished, place)
    except BaseException as error:
        for _, unfinished in places:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished)
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _make_folder(path: str) -> bool:
    """Have an empty folder; returns whether it is a new one."""
    try:
        present = os.listdir(path)
    except FileNotFoundError:
        try:
            os.mkdir(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        return True
    except OSError as error:
        raise _unwritable(path, error) from error
    if present:
        raise OutputError(f"the folder {path} is not empty (it holds {present[0]}): choose another")
    return False


def _check_room(folder: str, size: int) -> None:
    """Refuse now what would fail after hours."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(f"{format_size(size)} do not fit into {folder}: it has room for {format_size(free)}")


def _create(path: str, size: int) -> None:
    with open(path, "xb") as file:
        file.truncate(size)


def _unwritable(path: str, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror}")
