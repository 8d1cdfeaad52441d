"""Equal keys have one encoding, unequal keys have two, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import KeyTypeError
from mapreduce.keys import canonical
from tests.mapreduce.keys import (
    KEYS,
    SMALL,
    SUMMER,
    TEXTS,
    Color,
    Name,
    Pair,
    Place,
    Point,
    Shouted,
    Size,
    Stable,
    number_forms,
)


def same(one: Any, other: Any) -> bool:
    """Whether the two are one key in a dict."""
    return hash(one) == hash(other) and bool(one == other)


@given(st.lists(KEYS, min_size=2, max_size=12))
def test_one_encoding_for_equal_keys_only(keys: list[Any]) -> None:
    """Of any two keys: they are equal in Python if, and only if, their encodings are."""
    for one, other in combinations_with_replacement(keys, 2):
        assert (canonical(one) == canonical(other)) == same(one, other), (one, other)


@given(SMALL, st.sampled_from([lambda x: x, lambda x: (x, "a"), lambda x: frozenset([x, None]), Point]))
def test_numbers_of_all_types(value: Fraction, wrap: Any) -> None:
    """One number is one key, whatever its type, and in whatever it is held."""
    assert {canonical(wrap(form)) for form in number_forms(value)} == {canonical(wrap(value))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime(2024, 3, 1, 12, tzinfo=UTC), datetime(2024, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
        (time(12, tzinfo=UTC), time(14, tzinfo=timezone(timedelta(hours=2)))),
        (timedelta(1), timedelta(hours=24)),
        (Decimal("1.10"), Fraction(11, 10)),
        (Decimal("0E+99999"), False),
        (10**400, Decimal(10) ** 400),
        (Pair("a", 1), ("a", True)),
        (Size.TWO, 2.0),
        (Name.A, np.str_("a")),
        (frozenset([1, "a"]), frozenset(["a", 1.0])),
        (Color.RED, Color.CRIMSON),
        (Path("a/./b"), PurePosixPath("a/b")),
        (Point(1, (2,)), Point(1.0, (2 + 0j,))),
        (Stable("A"), Stable("a")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_equal_keys(one: Any, other: Any) -> None:
    """Keys that look different are one."""
    assert same(one, other)
    assert canonical(one) == canonical(other)


@given(TEXTS.filter(lambda text: isinstance(text, str)), TEXTS.filter(lambda text: isinstance(text, str)))
def test_order_of_str(one: str, other: str) -> None:
    """The order of str is that of their encodings, lone surrogates included."""
    assert (str(one) < str(other)) == (canonical(one) < canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", 1),
        ("a", b"a"),
        ("", ()),
        ("", None),
        ((), frozenset()),
        (("a", "b"), ("ab",)),
        (("a", "b"), ("a,sb",)),
        (("a", "b"), ("asb",)),
        ((1, 2), (b"", "n2")),
        ((("a", "b"), "c"), (("a", "b", "c"),)),
        # whose text depends on the process
        pytest.param(frozenset(["a", "b"]), frozenset(["asb"]), id="frozensets"),
        (("a", "b"), ("a\0\0\0\2sb",)),
        ((("a",), "b"), ("a", ("b",))),
        ((1, 2), "12"),
        (0.1, Decimal("0.1")),
        (0.1, np.float32(0.1)),
        (2**53, 2**53 + 1),
        (float("inf"), float("-inf")),
        (1j, 1),
        (Color.RED, "RED"),
        (Color.RED, Color.GREEN),
        (Point(1), Place(1)),
        (Point(1), Point(1, 2)),
        (Point(1), ("Point", 1)),
        (date(2024, 1, 1), datetime(2024, 1, 1)),  # noqa: DTZ001 - naive
        (datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 - naive
        (time(1), time(1, tzinfo=UTC)),
        (timedelta(1), 1),
        (UUID(int=1), UUID(int=1).bytes),
        (PurePosixPath("a"), "a"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
    ids=ascii,
)
def test_unequal_keys(one: Any, other: Any) -> None:
    """Keys that look alike are two."""
    assert not same(one, other)
    assert canonical(one) != canonical(other)


def test_fields_that_do_not_compare() -> None:
    """A dataclass is what its compared fields are."""
    assert canonical(Point(1, note="a")) == canonical(Point(True, note="b"))


def test_repeated_times() -> None:
    """The two of a repeated local time are equal in Python, so they are one key."""
    first, second = (datetime(2024, 10, 27, 2, tzinfo=SUMMER, fold=fold) for fold in (0, 1))
    assert same(first, second)
    assert canonical(first) == canonical(second)


SOURCE = """[
    "a", "\\ud800", b"a", 1, -255, 10**30, 0.1, -0.0, 1e300, 2.5 + 1j, None, ..., ("a", (1, None)), ("x",),
    frozenset({"a", "b", "c", "d", "e", ("f", 1)}), Decimal("1.10"), Fraction(1, 3), UUID(int=7),
    datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=5))), date(2024, 3, 1), time(1, 2), timedelta(3, 4, 5),
]"""
IMPORTS = """
import sys
from datetime import *
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from mapreduce.keys import canonical
"""


@pytest.mark.process
def test_every_process_encodes_alike() -> None:
    """The hash seed of a process makes no difference."""
    script = f"{IMPORTS}\nfor key in {SOURCE}: print(canonical(key).hex())"
    outputs = {
        subprocess.check_output([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, text=True)
        for seed in ("0", "1", "2", "random")
    }
    names: dict[str, Any] = {}
    exec(IMPORTS, names)
    assert outputs == {"".join(canonical(key).hex() + "\n" for key in eval(SOURCE, names))}


class Plain:
    """Hashable by identity, which no other process shares."""


@dataclass(frozen=True)
class Loose:
    """A frozen dataclass with an equality of its own."""

    x: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@dataclass(unsafe_hash=True)
class Mutable:
    """A dataclass that is not frozen."""

    x: int


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Plain(), "Plain"),
        (Loose(1), "Loose"),
        (Mutable(1), "Mutable"),
        (Shouted("a"), "Shouted"),
        (object(), "builtins.object"),
        ([1], "builtins.list"),
        ({}, "builtins.dict"),
        ({1}, "builtins.set"),
        (bytearray(b"a"), "builtins.bytearray"),
        (range(3), "builtins.range"),
        (int, "builtins.type"),
        (np.zeros(2), "numpy.ndarray"),
        (np.datetime64("2024-01-01"), "numpy.datetime64"),
        (np.timedelta64(5, "ns"), "numpy.timedelta64"),
        (np.longdouble(1), "numpy.longdouble"),
        (np.void(b"ab"), "numpy.void"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(
    "wrap",
    [lambda key: key, lambda key: ("a", (key,)), Point],
    ids=["itself", "in a tuple", "in a dataclass"],
)
def test_keys_without_identity(key: Any, name: str, wrap: Any) -> None:
    """A key of no stable hash is refused by the name of its type, also as a part, and told the remedy."""
    with pytest.raises(KeyTypeError, match=f"a key of type .*{name}.* has no stable hash; .*__stable_key__"):
        canonical(wrap(key))


@pytest.mark.parametrize(
    "nan", [float("nan"), np.float32("nan"), Decimal("NaN"), Decimal("sNaN"), complex(1, float("nan"))], ids=repr
)
def test_nan(nan: Any) -> None:
    """A NaN equals nothing, so nothing would meet."""
    with pytest.raises(KeyTypeError, match="a NaN cannot be a key"):
        canonical(nan)
    with pytest.raises(KeyTypeError, match="a NaN cannot be a key"):
        canonical(("a", nan))


@pytest.mark.parametrize("key", [Decimal("1E+999999"), Decimal("-1E-999999")], ids=str)
def test_huge_decimals(key: Decimal) -> None:
    """A Decimal whose exact ratio would fill the memory is refused."""
    with pytest.raises(KeyTypeError, match=r"Decimal of -?999999 digits is too large"):
        canonical(key)
