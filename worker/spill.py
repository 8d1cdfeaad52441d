"""Local disk for what memory does not hold, and the external sort and merge over it."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import IO, Any, NamedTuple

from mapreduce.blocks import decode_block, encode_block, plain_size
from mapreduce.errors import StoreError
from mapreduce.keys import canonical
from mapreduce.ranges import sort_keys
from mapreduce.seal import Seal
from worker.budget import Budget

# Runs merged at once, at most: each holds a decoded block in memory.
_FAN_IN = 32
# Batches of more pairs than these are weighed by a sample of about so many.
_SAMPLED, _SAMPLE = 64, 8


class Extent(NamedTuple):
    """Where a piece of a spill file lies."""

    offset: int
    size: int


class SpillFile:
    """A temporary file without a name: it is gone with the process, however that ends.

    Raises:
        StoreError: the disk is full, or failed.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the task
        except OSError as error:
            raise _full("to local disk", error) from error
        self._end = 0

    def append(self, data: bytes | memoryview) -> Extent:
        """Write `data` at the end; returns where it lies."""
        view = memoryview(data)
        try:
            self._file.seek(self._end)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _full(f"{len(data)} bytes to {tempfile.gettempdir()}", error) from error
        extent = Extent(self._end, len(data))
        self._end += len(data)
        self._budget.spilled += len(data)
        return extent

    def read(self, extent: Extent) -> bytes:
        """The bytes of `extent`."""
        data = b""
        try:
            self._file.seek(extent.offset)
            while len(data) < extent.size:
                more = self._file.read(extent.size - len(data))
                if not more:
                    raise StoreError(f"a spilled file in {tempfile.gettempdir()} ends early")
                data += more
        except OSError as error:
            raise StoreError(f"cannot read what was spilled to {tempfile.gettempdir()}: {error.strerror}") from error
        return data

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # an attempt that failed did not close it
            self._file.close()


def _full(what: str, error: OSError) -> StoreError:
    return StoreError(
        f"cannot spill {what}: {error.strerror}; give the workers more memory, or point TMPDIR to a disk with room"
    )


class Batches:
    """Cuts a stream of pairs into batches whose blocks hold about `target` bytes.

    Attributes:
        count: pairs for the next batch, by what those before came to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.count = 1

    def learn(self, pairs: int, size: int) -> None:
        """Set the next batch's count by the bytes that some pairs came to."""
        self.count = max(1, min(4 * self.count, pairs * self._target // max(1, size), 1 << 16))

    def split(self, keys: Sequence[Any], values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        """The batch as it is, or in parts where its pairs look much larger than those before them."""
        some = len(keys)
        if some > _SAMPLED:
            every = some // _SAMPLE
            size = _weight([keys[::every], values[::every]]) * every
            if size > 4 * self._target:
                part = self.count = max(_SAMPLE, some * self._target // size)
                for start in range(0, some, part):
                    yield from self.split(keys[start : start + part], values[start : start + part])
                return
        yield keys, values


def _weight(sample: Any) -> int:
    """About the bytes of a block of `sample`."""
    try:
        return len(pickle.dumps(sample, protocol=5))
    except Exception:
        return 0  # only cloudpickle can tell


class Ordering:
    """What groups, and the values of a group, are ordered by.

    Args:
        natural: whether keys are in Python's order; else in that of their canonical encoding, which all have.
        sort_values: what values are sorted by: a function of a value; True: the value itself; None: nothing.
    """

    def __init__(self, *, natural: bool = False, sort_values: Callable[[Any], Any] | bool | None = None) -> None:
        self.natural = natural
        self.by: Callable[[Any], Any] | None = None
        if sort_values:
            self.by = _itself if sort_values is True else sort_values

    def key(self, key: Any) -> Any:
        """What `key` is compared by."""
        return key if self.natural else canonical(key)

    def keys(self, keys: Iterable[Any]) -> list[Any]:
        """`keys`, sorted.

        Raises:
            KeyTypeError: they cannot be compared with each other.
        """
        return sort_keys(list(keys)) if self.natural else canonical_order(keys)

    def values(self, values: list[Any]) -> list[Any]:
        """The values of a key, sorted where they are to be.

        Raises:
            TypeError: they cannot be compared with each other; the message says what to do.
        """
        if self.by is None:
            return values
        try:
            return sorted(values, key=self.by)
        except TypeError as error:
            raise TypeError(f"{error}: sort_values must give what can be compared, for all values of a key") from error


def _itself(value: Any) -> Any:
    return value


#: Pairs of one place in an order: what they are compared by (the key's, the value's), the key, the values.
Chunk = tuple[tuple[Any, Any], Any, Sequence[Any]]


class Run(NamedTuple):
    """Pairs in the order of their keys, as blocks of a spill file."""

    file: SpillFile
    blocks: list[Extent]


class Runs:
    """An external sort: sorted runs on disk, merged into groups."""

    def __init__(self, seal: Seal, budget: Budget, ordering: Ordering | None = None) -> None:
        self._ordering = ordering or Ordering()
        self._seal = seal
        self._budget = budget
        self._runs: list[Run] = []
        self._largest = 1  # bytes of a block

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Write a run of pairs that are in the order of their keys and values, equal keys together."""
        # Runs that will be merged together share a file: files that are open at once are limited too.
        file = SpillFile(self._budget) if len(self._runs) % _FAN_IN == 0 else self._runs[-1].file
        self._runs.append(self._write(file, pairs))

    def groups(self) -> Iterator[tuple[Any, Iterator[Any]]]:
        """Each key of all runs with its values, in the order of the keys.

        The values of a key come in their order, where they have one, and run by run in that of `add`;
        they must be read before the next key is asked for.
        """
        while len(self._runs) > (fan_in := self._fan_in()):
            runs, self._runs = self._runs, []
            while runs:
                some, runs = runs[:fan_in], runs[fan_in:]
                self.add((key, value) for _, key, values in self._merged(some) for value in values)
                _close(some, runs)
        for _, chunks in groupby(self._merged(self._runs), key=lambda chunk: chunk[0][0]):
            _, key, values = next(chunks)
            yield key, _flat(values, chunks)  # noqa: B031 - the group goes on after its first chunk
        _close(self._runs, [])

    def _fan_in(self) -> int:
        """How many runs to merge at once: fewer where single values are so large that their blocks are."""
        return max(2, min(_FAN_IN, 2 * _FAN_IN * self._budget.run_block // self._largest))

    def _write(self, file: SpillFile, pairs: Iterable[tuple[Any, Any]]) -> Run:
        run = Run(file, [])
        batches = Batches(self._budget.run_block)
        keys: list[Any] = []
        values: list[Any] = []
        for key, value in pairs:
            keys.append(key)
            values.append(value)
            if len(keys) >= batches.count:
                self._append(run, batches, keys, values)
                keys, values = [], []
        if keys:
            self._append(run, batches, keys, values)
        return run

    def _append(self, run: Run, batches: Batches, keys: list[Any], values: list[Any]) -> None:
        for some_keys, some_values in batches.split(keys, values):
            block = encode_block(some_keys, some_values, self._seal, "run")
            size = plain_size(block)
            batches.learn(len(some_keys), size)
            self._largest = max(self._largest, size)
            run.blocks.append(run.file.append(block))

    def _merged(self, runs: list[Run]) -> Iterator[Chunk]:
        return heapq.merge(*map(self._chunks, runs), key=itemgetter(0))

    def _chunks(self, run: Run) -> Iterator[Chunk]:
        """The pairs of a run, a chunk for each key of each block; where values have an order, for each place in it."""
        order, by = self._ordering.key, self._ordering.by
        for extent in run.blocks:
            keys, values = decode_block(run.file.read(extent), self._seal, "run")
            start, place = 0, (order(keys[0]), None if by is None else by(values[0]))
            for position in range(1, len(keys)):
                if by is None and keys[position] is keys[position - 1]:
                    continue
                following = (order(keys[position]), None if by is None else by(values[position]))
                if following != place:
                    yield place, keys[start], values[start:position]
                    start, place = position, following
            yield place, keys[start], values[start:]


def _close(runs: list[Run], others: list[Run]) -> None:
    """Close the files of `runs`, as far as `others` do not need them."""
    for file in {run.file for run in runs} - {run.file for run in others}:
        file.close()


def _flat(first: Sequence[Any], chunks: Iterable[Chunk]) -> Iterator[Any]:
    yield from first
    for _, _, values in chunks:
        yield from values


def canonical_order(keys: Iterable[Any]) -> list[Any]:
    """`keys` sorted by their canonical encoding."""
    found = list(keys)
    order: Callable[[Any], bytes] | None = canonical
    if set(map(type, found)) == {str}:
        order = None  # the order of str is that of their UTF-8 bytes
    found.sort(key=order)
    return found
