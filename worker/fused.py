"""What the driver made of a mapper whose pairs are added up: see `driver.fusion`."""

from __future__ import annotations

import marshal

# What Counter.update calls; that itself asks first, for each record, whether it was given a mapping.
from collections import _count_elements  # type: ignore[attr-defined]
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol, Self

from mapreduce.stages import Mapper

#: Adds what the mapper yields for a record.
Adder = Callable[[Any, Any], None]


class Totals(Protocol):
    """A table of totals.

    Attributes:
        entries: the total of each key.
    """

    entries: dict[Any, Any]

    def new(self, key: Any, value: Any) -> None:
        """Take in the first value of a key."""

    def count(self, keys: Iterable[Any]) -> None:
        """Take in keys that have the value 1 each."""


class FusedMap(NamedTuple):
    """Code for `map` that adds where the original yields.

    Attributes:
        original: the code of the mapper's `map`, marshalled; equal minor versions of Python read each other's.
        fused: the code to run in its place.
        words: "" where all that `map` does is to yield the words of its line, as `str.split` gives them, with 1
            each; the name of a method of str where it does so with what that makes of the line; else None.
    """

    original: bytes
    fused: bytes
    words: str | None = None

    @classmethod
    def of(cls, original: CodeType, fused: CodeType, words: str | None = None) -> Self:
        """Of code objects."""
        return cls(marshal.dumps(original), marshal.dumps(fused), words)

    def fits(self, mapper: Any) -> bool:
        """Whether `map` of a mapper here is the driver's."""
        code: CodeType = type(mapper).map.__code__
        original: CodeType = marshal.loads(self.original)  # noqa: S302 - it came with the stages, authenticated
        return code == original

    def adder(self, mapper: Mapper[Any, Any, Any], totals: Totals) -> Adder | None:
        """The function for a mapper here, which adds to `totals`; None if its `map` is not the driver's."""
        if not self.fits(mapper):
            return None
        function: Any = type(mapper).map
        code = marshal.loads(self.fused)  # noqa: S302 - as above
        # What it needs are defaults of its arguments behind the record: given so, they cost nothing for each.
        ours = (totals.entries, totals.new, totals.count, _count_elements, list, KeyError)
        adder: Any = FunctionType(code, function.__globals__, code.co_name, ours)
        found: Adder = adder
        return found
