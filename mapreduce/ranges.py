"""Partitions that are ranges of keys, so that the parts of the output follow each other in order."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Protocol, Self, runtime_checkable

from mapreduce.errors import ConfigError, KeyTypeError

#: Keys of a batch, or of a sample: a list, or a NumPy array.
Keys = Any


@runtime_checkable
class Fitted(Protocol):
    """**Protocol:** a partitioner that is fitted to a sample of the keys before a job's first map task.

    Attributes:
        sample: how many keys it wants to see for each partition.
    """

    sample: int

    def fit(self, keys: Keys, partitions: int, /) -> Self:
        """A partitioner for keys of which `keys`, in any order, are a sample."""

    def __call__(self, key: Any, partitions: int, /) -> int:
        """The partition of `key`."""


class ByRange:
    """Gives each partition a range of the keys, by what a sample of them shows: all of about equal weight.

    Equal keys stay together. A key that weighs more than a share gets a partition of its own, and the
    others share the rest; where different keys are fewer than partitions, some stay empty.

    Args:
        sample: keys to sample for each partition; a thousand leave shares within a few percent.
        bounds: the first key of each range but the lowest, in order: then nothing is sampled.
    """

    def __init__(self, *, sample: int = 1000, bounds: Keys | None = None) -> None:
        if not isinstance(sample, int) or sample < 1:
            raise ConfigError(f"ByRange: sample must be an int of 1 or more, not {sample!r}")
        self.sample = sample if bounds is None else 0
        self.bounds = bounds

    def fit(self, keys: Keys, partitions: int, /) -> ByRange:
        """Ranges of equal shares of `keys`.

        Raises:
            KeyTypeError: the keys cannot be compared with each other.
        """
        from mapreduce.arrays.ranges import find_cuts

        line, weights = _weighed(keys)
        cuts = find_cuts(weights, partitions)
        return ByRange(bounds=[line[cut] for cut in cuts] if isinstance(line, list) else line[cuts])

    def __call__(self, key: Any, partitions: int, /) -> int:
        """The partition of `key`; raises KeyTypeError where it cannot be compared with the sample's."""
        check_order(key)
        try:
            return bisect_right(self._bounds(), key)
        except TypeError as error:
            raise incomparable(error) from error

    def partition_array(self, keys: Any, partitions: int, /) -> Any:
        """The partition of each key of an array; see `HashPartitioner.partition_array`."""
        import numpy as np

        from mapreduce.arrays.keys import canonical_keys, sortable_rows
        from mapreduce.arrays.ranges import range_partitions

        bounds = self._bounds()
        if not len(bounds):  # no array either, where no keys were sampled
            return np.zeros(len(keys), np.intp)
        if not hasattr(keys, "dtype"):
            from mapreduce.arrow.keys import arrow_range_partitions

            return arrow_range_partitions(keys, bounds)
        found = canonical_keys(np.asarray(bounds))
        if (found.dtype, found.shape[1:]) != (keys.dtype, keys.shape[1:]):
            raise KeyTypeError(
                f"keys of {kind_of(keys)} do not compare with bounds of {kind_of(found)}: yield keys of one dtype and"
                " width from all batches"
            )
        return range_partitions(sortable_rows(keys), sortable_rows(found))

    def _bounds(self) -> Keys:
        if self.bounds is None:
            raise ConfigError("ByRange must be fitted to a sample, or given bounds, before it partitions")
        return self.bounds

    def __eq__(self, other: object) -> bool:
        return type(other) is ByRange and repr(other) == repr(self)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        if self.bounds is None:
            return f"ByRange(sample={self.sample})"
        return f"ByRange(bounds={list(self.bounds)!r})"


def kind_of(keys: Any) -> str:
    """An array's kind of keys, for errors: its dtype, and the bytes of a key where that is two-dimensional."""
    if not hasattr(keys, "dtype"):
        return f"Arrow's {keys.type}"
    return str(keys.dtype) if keys.ndim == 1 else f"{keys.dtype} in rows of {keys.shape[1]}"


def incomparable(error: TypeError) -> KeyTypeError:
    """The error for keys that have no order among themselves."""
    return KeyTypeError(f"keys that are to be sorted must compare with each other: {error}")


def check_order(key: Any) -> None:
    """Refuse a key that compares without an error, and yet has no place in an order.

    Raises:
        KeyTypeError: it is a NaN, or a frozenset.
    """
    if key != key:  # noqa: PLR0124 - so a NaN shows itself, of whatever type
        raise KeyTypeError("a NaN has no place among sorted keys; map it to a number or leave it out")
    if isinstance(key, frozenset):
        raise KeyTypeError("frozensets have no order: < tells subsets; use sorted tuples as keys")


def sort_keys(keys: list[Any]) -> list[Any]:
    """`keys` in Python's order.

    Raises:
        KeyTypeError: they cannot be compared with each other.
    """
    for key in keys:
        check_order(key)
    try:
        return sorted(keys)
    except TypeError as error:
        raise incomparable(error) from error


def _weighed(keys: Keys) -> tuple[Any, Any]:
    """The different keys in order, and how often each occurs."""
    import numpy as np

    if not isinstance(keys, np.ndarray):
        ordered = sort_keys(list(keys))
        starts = [place for place, key in enumerate(ordered) if not place or key != ordered[place - 1]]
        return [ordered[start] for start in starts], np.diff([*starts, len(ordered)])
    from mapreduce.arrays.keys import canonical_keys, sortable_rows
    from mapreduce.arrays.order import group_starts, sort_order

    found = canonical_keys(keys)
    rows = sortable_rows(found)
    order = sort_order(rows)
    places = group_starts(rows[order])
    return found[order[places]], np.diff(places, append=len(order))
