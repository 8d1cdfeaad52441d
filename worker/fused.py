"""What the driver made of a mapper whose pairs are added up: see `driver.fusion`."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Self

from mapreduce.stages import Mapper

#: Takes the mapper, a record, the table's totals, what to call with a new key and its value, what to call with
#: keys whose values are 1, and KeyError.
Adder = Callable[
    [Any, Any, dict[Any, Any], Callable[[Any, Any], None], Callable[[Iterable[Any]], None], type[KeyError]], None
]


class FusedMap(NamedTuple):
    """Code for `map` that adds where the original yields.

    Attributes:
        original: the code of the mapper's `map`, marshalled; equal minor versions of Python read each other's.
        fused: the code to run in its place.
    """

    original: bytes
    fused: bytes

    @classmethod
    def of(cls, original: CodeType, fused: CodeType) -> Self:
        """Of code objects."""
        return cls(marshal.dumps(original), marshal.dumps(fused))

    def adder(self, mapper: Mapper[Any, Any, Any]) -> Adder | None:
        """The function for a mapper here; None if its `map` is another one than the driver's."""
        function: Any = type(mapper).map
        if function.__code__ != marshal.loads(self.original):  # noqa: S302 - it came with the stages, authenticated
            return None
        code = marshal.loads(self.fused)  # noqa: S302 - as above
        adder: Any = FunctionType(code, function.__globals__)
        found: Adder = adder
        return found
