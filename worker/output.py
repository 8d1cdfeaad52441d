"""The part of the output that an attempt writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

from mapreduce.batches import rows_of
from mapreduce.blocks import Block, encode_block, plain_size
from mapreduce.errors import OutputError
from mapreduce.formats import OutputFormat
from mapreduce.objectstore import ObjectStore
from mapreduce.objectstore.base import Writer
from mapreduce.seal import Seal
from worker.budget import Budget, Pace
from worker.spill import Batches
from worker.tables import Pairs, columns

# Pairs taken from user code before memory is looked at.
_LOOK = 1024
# Pairs of arrays that are taken apart at a time.
_SLICE = 8192


class Part(NamedTuple):
    """What was written, as the commit record tells it.

    Attributes:
        key: of the object, below the output folder or in the job's storage; "" where nothing was written.
        size: bytes.
        records: pairs.
        blocks: sizes of the blocks in bytes, where the part consists of blocks.
        detail: what the output format must know to read the part.
    """

    key: str
    size: int
    records: int
    blocks: list[int]
    detail: Any


class PartWriter(ABC):
    """Writes pairs into one object, in bounded memory; a context that drops the object when it fails."""

    # Whether `_add` takes arrays, and whether those of Arrow.
    _arrays = False
    _arrow = False

    def __init__(self, store: ObjectStore, key: str, budget: Budget) -> None:
        self._store = store
        self._key = key
        self._batches = Batches(budget.block)
        self._pace = Pace(budget, _LOOK)
        self._growth = budget.growth
        self._block = budget.block
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._size = 0
        self._records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def add(self, pairs: Pairs) -> None:
        """Write pairs."""
        pairs = iter(pairs)
        while batch := self._take(pairs):
            for keys, values in self._batches.split(*columns(batch)):
                self._records += len(keys)
                self._add(keys, values)

    def add_block(self, block: Block) -> None:
        """Write the pairs of a block, whose columns may be arrays."""
        keys, values = block
        size = getattr(keys, "nbytes", 0) + getattr(values, "nbytes", 0)
        arrays = self._arrays and size > 0 and (self._arrow or hasattr(values, "dtype"))
        step = max(1, len(keys) * self._block // size) if arrays else _SLICE
        for start in range(0, len(keys), step):
            some = keys[start : start + step], values[start : start + step]
            if arrays:
                self._records += len(some[0])
                self._add(*some)
            else:
                self.add(zip(*map(rows_of, some), strict=True))

    def finish(self) -> Part:
        """End the object."""
        self._stack.close()
        return Part(self._key if self._writer else "", self._size, self._records, [], None)

    def _take(self, pairs: Iterator[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        """The next batch of `pairs`: cut short where it fills memory fast."""
        batch: list[tuple[Any, Any]] = []
        full = self._pace.resident + self._growth
        while len(batch) < self._batches.count:
            step = min(self._pace.step, self._batches.count - len(batch))
            some = list(islice(pairs, step))
            batch += some
            self._pace.over()
            if len(some) < step or self._pace.resident > full:
                break
        return batch

    @abstractmethod
    def _add(self, keys: Sequence[Any], values: Sequence[Any]) -> None: ...

    def _open(self) -> Writer:
        if self._writer is None:
            self._writer = self._stack.enter_context(self._store.create(self._key))
        return self._writer

    def _write(self, data: bytes | memoryview) -> None:
        self._open().write(data)
        self._size += len(data)


class FormatPart(PartWriter):
    """A part in the job's output format."""

    def __init__(self, store: ObjectStore, key: str, budget: Budget, output_format: OutputFormat) -> None:
        super().__init__(store, key, budget)
        self._format = output_format
        self._arrays = output_format.batched

    def finish(self) -> Part:
        self._open()  # an empty part is a part
        return super().finish()._replace(detail=self._format.detail())

    def _add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        data = self._format.encode(keys, values)
        if not isinstance(data, bytes | memoryview):
            raise OutputError(f"{self._format!r}.encode gave {type(data).__name__}, not bytes")
        self._batches.learn(len(keys), len(data))
        self._write(data)


class BlockPart(PartWriter):
    """A part of authenticated blocks, for the next round or the result of the job."""

    _arrays = True
    _arrow = True

    def __init__(self, store: ObjectStore, key: str, budget: Budget, seal: Seal) -> None:
        super().__init__(store, key, budget)
        self._seal = seal
        self._blocks: list[int] = []

    def finish(self) -> Part:
        return super().finish()._replace(blocks=self._blocks)

    def _add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        block = encode_block(keys, values, self._seal, part_context(self._key, len(self._blocks)))
        self._batches.learn(len(keys), plain_size(block))
        self._blocks.append(len(block))
        self._write(block)


def part_context(key: str, number: int) -> str:
    """The context that a block of a part is authenticated in."""
    return f"{key}/{number}"
