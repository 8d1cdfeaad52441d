"""What users write: mappers, reducers and folds, small classes whose instances are shipped to workers."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from mapreduce.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any)
    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
    A = TypeVar("A", default=Any)
    K2 = TypeVar("K2", default=Any)
    V2 = TypeVar("V2", default=Any)
else:  # typing's own TypeVar takes defaults from Python 3.13 on; they matter to type checkers alone
    from typing import TypeVar

    R, K, V, A, K2, V2 = map(TypeVar, ("R", "K", "V", "A", "K2", "V2"))


class Task:
    """The task that a stage runs in, as `self.task` from `setup` on.

    Attributes:
        job: id of the job.
        round: number of the round in the job, from 0.
        index: number of the task in its round, from 0.
        attempt: number of this attempt at the task, from 0.
        source: the input file that the current record comes from; "" where there is none.
        counters: what `count` has counted so far in this attempt.
    """

    def __init__(
        self, job: str = "", round: int = 0, index: int = 0, attempt: int = 0, files: Mapping[str, Path] | None = None
    ) -> None:
        self.job = job
        self.round = round
        self.index = index
        self.attempt = attempt
        self.source = ""
        self.counters: Counter[str] = Counter()
        self._files = dict(files or {})

    def count(self, name: str, by: int = 1) -> None:
        """Add `by` to the job's counter `name`; only the attempt that commits counts."""
        self.counters[name] += by

    def file(self, name: str) -> Path:
        """The local copy of the job's side file `name`; not to be changed.

        Raises:
            ConfigError: the job has no such side file.
        """
        try:
            return self._files[name]
        except KeyError:
            known = ", ".join(sorted(self._files)) or "none"
            raise ConfigError(f"the job has no side file {name!r}; it has: {known}") from None


class Stage:
    """What mappers, reducers and folds share.

    Set parameters in `__init__`; open what cannot be shipped (connections, models) in `setup`.
    """

    task: Task = Task()

    def setup(self) -> None:
        """Called once in each attempt, before its first record."""

    def teardown(self) -> None:
        """Called once in each attempt at its very end, after an error too."""


class Mapper(Stage, ABC, Generic[R, K, V]):
    """Turns each record of the input into pairs."""

    @abstractmethod
    def map(self, record: R, /) -> Iterable[tuple[K, V]]:
        """Yield any number of (key, value) pairs for `record`; what was yielded must not be changed afterwards."""

    def finish(self) -> Iterable[tuple[K, V]]:
        """Yield pairs held back until the task's last record has been mapped."""
        return ()


class Reducer(Stage, ABC, Generic[K, V, K2, V2]):
    """Turns each key and all of its values into pairs.

    Keys come in no promised order, and so do the values of a key; for the same input and settings the
    orders are the same in every run.
    """

    @abstractmethod
    def reduce(self, key: K, values: Iterator[V], /) -> Iterable[tuple[K2, V2]]:
        """Yield any number of (key, value) pairs for `key`.

        Args:
            key: equal keys of all mappers, as the first of them was emitted.
            values: all values of the key, to be read once; they may be more than memory holds.
        """

    def finish(self) -> Iterable[tuple[K2, V2]]:
        """Yield pairs held back until the task's last key has been reduced."""
        return ()


class Fold(Stage, ABC, Generic[K, V, A, K2, V2]):
    """A reducer whose work can be done in any order and in parts: no list of values is ever held.

    Values are folded into one accumulator per key where they are emitted, and the accumulators are
    merged where they meet. `merge` must be associative and commutative up to what `result` yields.
    """

    @abstractmethod
    def start(self, value: V, /) -> A:
        """The accumulator of one value."""

    @abstractmethod
    def add(self, total: A, value: V, /) -> A:
        """The accumulator of `total` and one more value; `total` may be changed and returned."""

    @abstractmethod
    def merge(self, total: A, other: A, /) -> A:
        """The accumulator of both; `total` may be changed and returned."""

    @abstractmethod
    def result(self, key: K, total: A, /) -> Iterable[tuple[K2, V2]]:
        """Yield any number of (key, value) pairs for `key`, given all of its values' accumulator."""

    def finish(self) -> Iterable[tuple[K2, V2]]:
        """Yield pairs held back until the task's last key."""
        return ()


class FoldBy(Fold[K, V, V, K, V]):
    """Folds a key's values with an associative, commutative function of two: `FoldBy(operator.add)`."""

    def __init__(self, function: Callable[[V, V], V]) -> None:
        self.function = function

    def start(self, value: V, /) -> V:
        """The value itself."""
        return value

    def add(self, total: V, value: V, /) -> V:
        """The function of both."""
        return self.function(total, value)

    def merge(self, total: V, other: V, /) -> V:
        """The function of both."""
        return self.function(total, other)

    def result(self, key: K, total: V, /) -> Iterator[tuple[K, V]]:
        """The key with its total."""
        yield key, total


def is_sum(function: object) -> bool:
    """Whether `function` adds: then workers add in place instead of calling it."""
    return function is sum or function is operator.add
