"""Vectorised stages: mappers and reducers over whole arrays, with no step for each record.

The hot loops are NumPy's, so a mapper takes a batch and yields `Block`s of keys and values, and a
reducer takes its partition as sorted groups, or just as blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from mapreduce.blocks import Block
from mapreduce.stages import Stage

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    B = TypeVar("B", default=Any)
else:
    from typing import TypeVar

    B = TypeVar("B")


class Groups(NamedTuple):
    """Records in groups of equal keys: sorted, compressed rows.

    Group i has the key keys[i] and the values values[starts[i]:starts[i + 1]], the last one all from its
    start on; so np.add.reduceat(values, starts) sums each group's.

    Attributes:
        keys: g different keys in sorted order; an array of NumPy, or of pyarrow where the mapper yields such.
        starts: where the values of each begin, shape (g,), int64.
        values: n values; an array of NumPy or pyarrow.
    """

    keys: Any
    starts: Any
    values: Any


class BatchMapper(Stage, ABC, Generic[B]):
    """Turns batches of the input into blocks of pairs.

    What a batch is, the input format says: `bytes` of whole lines from "text", an array of records from
    `FixedInput`, a `pyarrow.RecordBatch` from `ArrowInput` and `ParquetInput`, a `Block` from a job before in
    a chain.

    With a `BatchReducer` or a `BlockReducer`, keys are arrays of integers, floats, or uint8 of the shape
    (n, bytes of a key), and values any arrays of n without objects. Keys that are a view into the
    values (a slice of each record) are stored and shuffled once. With a `Reducer` or a `Fold`, keys and
    values may be lists too, and are taken pair by pair. Keys and values may also be columns of Arrow, of
    pyarrow or of a library that exports them, as Polars does: then keys are strings, binary, integers,
    floats or booleans, or null, and values of any type.
    """

    @abstractmethod
    def map_batch(self, batch: B, /) -> Iterable[Block]:
        """Yield any number of blocks for `batch`; what was yielded must not be changed afterwards."""

    def finish(self) -> Iterable[Block]:
        """Yield blocks held back until the task's last batch has been mapped."""
        return ()


class BatchReducer(Stage, ABC):
    """Turns groups over arrays into blocks.

    Keys come in sorted order within a partition; of a group, the values come in the order of the map
    tasks, or in the job's `sort_values`.
    """

    @abstractmethod
    def reduce_batch(self, groups: Groups, /) -> Iterable[Block]:
        """Yield any number of blocks for `groups`, some of the partition's, each of them whole.

        A group that does not fit into memory ends the attempt with an error: combine in the job.
        """

    def finish(self) -> Iterable[Block]:
        """Yield blocks held back until the task's last group."""
        return ()


class BlockReducer(Stage, ABC):
    """Turns a partition, in blocks, into blocks: sorted by key where the job asks for it, and never grouped."""

    @abstractmethod
    def reduce_block(self, block: Block, /) -> Iterable[Block]:
        """Yield any number of blocks for some records; equal keys may lie in several calls."""

    def finish(self) -> Iterable[Block]:
        """Yield blocks held back until the task's last records."""
        return ()


#: Reducers that take arrays.
ARRAYS = (BatchReducer, BlockReducer)


def rows_of(column: Any) -> Sequence[Any]:
    """The items of a column as Python has them: those of an array as int, float, str; rows of bytes as bytes."""
    if hasattr(column, "to_pylist"):
        return list(column.to_pylist())
    if hasattr(column, "tolist"):
        from mapreduce.arrays.keys import python_values

        return python_values(column)
    items: Sequence[Any] = column
    return items
