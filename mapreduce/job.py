"""A job: what is to be done, as data."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

from mapreduce.batches import ARRAYS, BatchMapper, BatchReducer, BlockReducer
from mapreduce.errors import ConfigError
from mapreduce.formats import InputFormat, OutputFormat, input_format, output_format
from mapreduce.partition import HashPartitioner, Partitioner
from mapreduce.ranges import ByRange
from mapreduce.stages import K2, V2, Fold, K, Mapper, R, Reducer, V

SideFiles = Mapping[str, str | os.PathLike[str]] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Job(Generic[R, K, V, K2, V2]):
    """A map round, a reduce round, or both.

    Without a reducer the mappers' pairs are the output, one part for each split. Without a mapper the
    records of the input must be (key, value) pairs already.

    Attributes:
        mapper: turns records into pairs.
        combiner: a function of an iterable of values that gives one value of the same kind (`sum`,
            `max`, your own); applied to values of one key, never, once or many times, on either side
            of the shuffle, it must not change what the reducer yields. Of arrays: a ufunc that has
            `reduceat` (`np.add`), or `sum`, `min` or `max`.
        reducer: turns a key and its values into pairs.
        partitioner: `(key, partitions) -> partition`; by default by a hash that is the same everywhere,
            or by range where the output is sorted.
        order: "sorted": each part of the output has its keys in order, and with the default partitioner
            the parts follow each other in order; keys must compare with each other. None: no order.
        sort_values: the order of a key's values, as a function of a value (of arrays: of all values, giving
            an array) by which they are sorted; True for that of the values themselves. None: no order.
        partitions: number of reduce tasks, and of parts of the output; the driver chooses by default.
        input_format: "text", "jsonl", "csv", "pairs", "arrow", "parquet", or an InputFormat with settings.
        output_format: "text", "jsonl", "pickle", or an OutputFormat with settings.
        files: side files that every task can read through `self.task.file(name)`: paths, known by
            their base names, or a mapping from names to paths.
        name: what progress and errors call the job.
    """

    mapper: Mapper[R, K, V] | BatchMapper[R] | None = None
    combiner: Callable[[Iterable[V]], V] | None = None
    reducer: Reducer[K, V, K2, V2] | Fold[K, V, Any, K2, V2] | BatchReducer | BlockReducer | None = None
    partitioner: Partitioner = field(default_factory=HashPartitioner)
    order: Literal["sorted"] | None = None
    sort_values: Callable[[Any], Any] | bool | None = None
    partitions: int | None = None
    input_format: str | InputFormat[R] = "text"
    output_format: str | OutputFormat = "text"
    files: SideFiles = ()
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything starts."""
        if self.mapper is None and self.reducer is None:
            raise ConfigError("a Job needs a mapper, a reducer, or both")
        _expect("mapper", self.mapper, Mapper, BatchMapper)
        _expect("reducer", self.reducer, Reducer, Fold, *ARRAYS)
        if self.combiner is not None:
            if not callable(self.combiner):
                raise ConfigError(f"combiner must be a function of the values, not {self.combiner!r}")
            if self.reducer is None:
                raise ConfigError("a combiner without a reducer does nothing; leave it out")
            if isinstance(self.reducer, Fold):
                raise ConfigError("a Fold combines by itself; leave the combiner out")
        if not callable(self.partitioner):
            raise ConfigError(f"partitioner must be a function (key, partitions) -> int, not {self.partitioner!r}")
        if self.partitions is not None and (not isinstance(self.partitions, int) or self.partitions < 1):
            raise ConfigError(f"partitions must be an int of 1 or more, not {self.partitions!r}")
        object.__setattr__(self, "input_format", input_format(self.input_format))
        object.__setattr__(self, "output_format", output_format(self.output_format))
        object.__setattr__(self, "files", named_files(self.files))
        self._check_order()
        self._check_batches()

    def _check_order(self) -> None:
        """Refuse orders that cannot be kept; choose the partitioner that keeps them."""
        if self.order not in (None, "sorted"):
            raise ConfigError(f'order must be "sorted" or None, not {self.order!r}')
        if self.order and self.reducer is None:
            raise ConfigError('order="sorted" needs a reducer: what mappers yield goes to the output as it comes')
        if self.order and type(self.partitioner) is HashPartitioner:
            object.__setattr__(self, "partitioner", ByRange())
        if self.sort_values is None or self.sort_values is False:
            object.__setattr__(self, "sort_values", None)
            return
        if self.sort_values is not True and not callable(self.sort_values):
            raise ConfigError(f"sort_values must be a function of a value, or True, not {self.sort_values!r}")
        if self.combiner is not None or not isinstance(self.reducer, Reducer | BatchReducer):
            raise ConfigError("sort_values orders what a Reducer or a BatchReducer is given, without a combiner")

    def _check_batches(self) -> None:
        """Refuse stages that cannot be given, or cannot take, arrays."""
        takes = isinstance(self.reducer, ARRAYS)
        if takes and isinstance(self.mapper, Mapper):
            name = type(self.reducer).__name__
            raise ConfigError(f"the reducer {name} takes arrays, so the mapper must be a BatchMapper, or none")
        if takes and self.combiner is not None:
            array_combiner(self.combiner)
        if isinstance(self.reducer, BlockReducer) and self.combiner is not None:
            raise ConfigError("a BlockReducer is given records as they are, so a combiner has no place before it")

    @property
    def batched(self) -> bool:
        """Whether the input is read in batches."""
        return isinstance(self.mapper, BatchMapper) or (self.mapper is None and isinstance(self.reducer, ARRAYS))

    @property
    def title(self) -> str:
        """The name, or else the classes of the stages."""
        stages = [type(stage).__name__ for stage in (self.mapper, self.reducer) if stage is not None]
        return self.name or "-".join(stages)


def array_combiner(combiner: object) -> Any:
    """The ufunc that combines the values of each group of an array.

    Raises:
        ConfigError: `combiner` is none, nor `sum`, `min` or `max`.
    """
    import numpy as np

    known: dict[object, Any] = {sum: np.add, operator.add: np.add, min: np.minimum, max: np.maximum}
    try:
        found = known.get(combiner, combiner)
    except TypeError:
        found = combiner
    if not isinstance(found, np.ufunc) or (found.nargs, found.nout) != (3, 1):
        raise ConfigError(f"a combiner of arrays must be a ufunc of two, or sum, min or max, not {combiner!r}")
    return found


def _expect(setting: str, value: object, *bases: type) -> None:
    if value is None or isinstance(value, bases):
        return
    names = " or a ".join(base.__name__ for base in bases)
    if isinstance(value, type) and issubclass(value, bases):
        raise ConfigError(f"{setting} must be an instance: write {setting}={value.__name__}(), with its parameters")
    raise ConfigError(f"{setting} must be a {names}, not {value!r}")


def named_files(files: SideFiles) -> dict[str, str]:
    """Side files as a mapping from names to paths.

    Raises:
        ConfigError: two files have one name.
    """
    if isinstance(files, str | os.PathLike):
        raise ConfigError(f"files must be a list of paths or a mapping from names to paths, not {files!r}")
    if isinstance(files, Mapping):
        pairs = [(name, os.fspath(path)) for name, path in files.items()]
    else:
        pairs = [(os.path.basename(os.fspath(path)), os.fspath(path)) for path in files]
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ConfigError("files: two side files have one name; give them names with a mapping {name: path}")
    return named
