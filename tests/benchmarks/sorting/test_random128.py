"""The sort benchmark's random numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sorting.random128 import INCREMENT, LONGEST, MULTIPLIER, jump, number, numbers

RECORDS = st.integers(0, 2**128 - 1)


def step(value: int) -> int:
    """The number after `value`, by the definition."""
    return (MULTIPLIER * value + INCREMENT) % 2**128


def whole(record: int, count: int) -> list[int]:
    """Numbers from their halves."""
    high, low = numbers(record, count)
    return [int(upper) << 64 | int(lower) for upper, lower in zip(high, low, strict=True)]


def test_first_numbers() -> None:
    """Record 0 has the number after 0, whose bytes are a name."""
    assert number(0) == INCREMENT
    assert number(0).to_bytes(16, "big")[:10] == b"JimGrayRIP"
    assert number(1) == step(INCREMENT)


@given(steps=st.integers(0, 300))
def test_jump_is_steps(steps: int) -> None:
    """A jump does what single steps do."""
    value = 12345
    factor, summand = jump(steps)
    expected = value
    for _ in range(steps):
        expected = step(expected)
    assert (factor * value + summand) % 2**128 == expected


@given(one=RECORDS, other=RECORDS)
def test_jumps_add_up(one: int, other: int) -> None:
    """Two jumps are one of both lengths."""
    factor, summand = jump(other)
    assert (factor * number(one) + summand) % 2**128 == number(one + other)


@given(record=RECORDS, count=st.integers(0, 40))
def test_numbers_are_steps(record: int, count: int) -> None:
    """Each number follows from the one before; the first is where the jump leads."""
    expected = [number(record)]
    while len(expected) < count:
        expected.append(step(expected[-1]))
    assert whole(record, count) == expected[:count]


def test_longest() -> None:
    """As many at once as are promised, and no more."""
    assert whole(2**100 + 7, LONGEST)[-1] == number(2**100 + 7 + LONGEST - 1)
    with pytest.raises(ValueError, match="the most at once"):
        numbers(0, LONGEST + 1)


def test_period() -> None:
    """After 2**128 steps the numbers begin anew."""
    assert number(2**128 - 1) == 0
    assert number(2**128) == number(0)
