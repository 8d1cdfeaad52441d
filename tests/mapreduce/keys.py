"""Keys of all kinds, and strategies that draw them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from hypothesis import strategies as st


class Color(enum.Enum):
    """Members are equal to themselves alone."""

    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    GREEN = 2


class Size(enum.IntEnum):
    """Members are equal to their ints."""

    ONE = 1
    TWO = 2


class Name(enum.StrEnum):
    """Members are equal to their str."""

    A = "a"


class Right(enum.Flag):
    """Members can be combined."""

    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    """Equal to a tuple of its fields."""

    first: Any
    second: Any


@dataclass(frozen=True)
class Point:
    """Equal to a point of equal fields."""

    x: Any
    y: Any = None
    note: str = field(default="", compare=False)


@dataclass(frozen=True)
class Place:
    """As Point, but another class."""

    x: Any
    y: Any = None


class Stable:
    """Says itself what it is equal to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return type(other) is Stable and other.name.lower() == self.name.lower()

    def __hash__(self) -> int:
        return hash(self.name.lower())

    def __stable_key__(self) -> str:
        return self.name.lower()


class Text(str):
    """A str in all that matters."""

    __slots__ = ()


class Shouted(str):
    """A str with an equality of its own."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.upper() == other.upper()

    def __hash__(self) -> int:
        return hash(self.upper())


class Summer(tzinfo):
    """A zone in which every time comes twice, the second time an hour later."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1 if moment is not None and moment.fold else 2)

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return "summer"


SUMMER = Summer()


def number_forms(value: Fraction) -> list[Any]:
    """`value` in all types that can hold it exactly."""
    forms: list[Any] = [value]
    if value.denominator & (value.denominator - 1) == 0:
        real = float(value)
        forms += [real, complex(real), complex(real, -0.0), Decimal(real), Decimal(real) * Decimal("1.000")]
        forms += [np.float64(real), np.float32(real), np.float16(real), np.complex64(real)]
    if value.denominator == 1:
        forms += [int(value), np.int64(value), np.int8(value)]
        if value >= 0:
            forms += [np.uint8(value), np.uint64(value)]
        if value in {0, 1}:
            forms += [bool(value), np.bool_(value), -0.0 if value == 0 else 1.0]
    return forms


SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=4)
NUMBERS = st.one_of(
    SMALL.flatmap(lambda value: st.sampled_from(number_forms(value))),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.decimals(-(10**9), 10**9, places=3),
    st.sampled_from([10**40, -(10**40), 2**61 - 1, Decimal("Infinity"), float("-inf"), Decimal("0E+99999"), Size.ONE]),
)
TEXTS = st.one_of(
    st.text(st.characters()),
    st.text(st.sampled_from("a\0\ud800\udfff\uffff\U00010000")),
    st.sampled_from(["a", Name.A, Text("a"), np.str_("a"), b"a", np.bytes_(b"a"), "s", b"s", "n1", "1"]),
)
MOMENTS = st.builds(
    lambda hours, offset: datetime(2024, 3, 1, tzinfo=timezone(timedelta(hours=offset))) + timedelta(hours=hours),
    st.integers(-3, 3),
    st.integers(-3, 3),
)
TIMES = st.one_of(
    MOMENTS,
    MOMENTS.map(lambda moment: moment.replace(tzinfo=None)),
    MOMENTS.map(datetime.timetz),
    MOMENTS.map(datetime.time),
    MOMENTS.map(datetime.date),
    st.datetimes(),
    st.timedeltas(),
    st.builds(datetime.replace, st.just(datetime(2024, 3, 1, 2, tzinfo=SUMMER)), fold=st.integers(0, 1)),
)
OTHERS = st.sampled_from(
    [None, ..., *Color, *Right, Right(0), Right.READ | Right.WRITE, UUID(int=1)]
) | st.sampled_from([PurePosixPath("a/./b"), Path("a/b"), Stable("A"), Stable("a"), Stable("b")])


@st.composite
def atoms(draw: st.DrawFn) -> Any:
    """Keys that consist of no others; a function, so that hypothesis writes its name, not all of this."""
    return draw(st.one_of(NUMBERS, NUMBERS, TEXTS, TIMES, OTHERS))


KEYS = st.recursive(
    atoms(),
    lambda parts: st.one_of(
        st.tuples(parts),
        st.tuples(parts, parts),
        st.builds(Pair, parts, parts),
        st.builds(Point, parts, st.just(None), st.sampled_from(["", "noted"])),
        st.builds(Place, parts),
        st.frozensets(parts, max_size=3),
    ),
    max_leaves=4,
)
