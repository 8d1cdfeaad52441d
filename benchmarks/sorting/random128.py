"""The sort benchmark's random numbers: 128 bits, linear congruential, with jumps to any place.

`x[n + 1] = a * x[n] + c` modulo 2**128 from `x[0] = 0`; record `i` of the benchmark has the number
`x[i + 1]`. `n` steps are an affine function of the same kind, composed of powers in O(log n).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # The upper and the lower halves of numbers.
    Halves = tuple[NDArray[np.uint64], NDArray[np.uint64]]

MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
INCREMENT = 0x4A696D47726179524950202020202001
#: Numbers that are made at once, at most.
LONGEST = 8192 + 16

_WHOLE = 2**128 - 1
_HALF = 2**64 - 1
_QUARTER = np.uint64(2**32 - 1)
_32 = np.uint64(32)


def jump(steps: int) -> tuple[int, int]:
    """The factor and the summand of that many steps at once."""
    factor, summand = 1, 0
    power, shift = MULTIPLIER, INCREMENT
    while steps:
        if steps & 1:
            factor, summand = factor * power & _WHOLE, summand * power + shift & _WHOLE
        power, shift = power * power & _WHOLE, (power + 1) * shift & _WHOLE
        steps >>= 1
    return factor, summand


def number(record: int) -> int:
    """The number of a record, from 0."""
    return jump(record + 1)[1]


def numbers(record: int, count: int) -> Halves:
    """The numbers of `count` records from `record` on.

    Raises:
        ValueError: they are more than LONGEST.
    """
    if count > LONGEST:
        raise ValueError(f"{count} numbers are more than {LONGEST}, the most at once")
    factors, summands = _jumps()
    high, low = _multiply((factors[0][:count], factors[1][:count]), number(record))
    return _add((high, low), (summands[0][:count], summands[1][:count]))


@cache
def _jumps() -> tuple[Halves, Halves]:
    """The factors and summands of 0 to LONGEST - 1 steps."""
    factors, summands = _halves([1]), _halves([0])
    while (done := len(factors[0])) < LONGEST:
        factor, summand = jump(done)
        more = _add(_multiply(summands, factor), _halves([summand]))
        summands = _join(summands, more)
        factors = _join(factors, _multiply(factors, factor))
    return factors, summands


def _halves(values: list[int]) -> Halves:
    return np.array([value >> 64 for value in values], np.uint64), np.array([v & _HALF for v in values], np.uint64)


def _join(one: Halves, other: Halves) -> Halves:
    return np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))


def _add(one: Halves, other: Halves) -> Halves:
    low = one[1] + other[1]
    high = one[0] + other[0]
    high += low < one[1]
    return high, low


def _multiply(values: Halves, factor: int) -> Halves:
    """The products modulo 2**128: the lower halves by quarters, so that no digit of them is lost."""
    high, low = values
    factor_high, factor_low = np.uint64(factor >> 64), np.uint64(factor & _HALF)
    upper, lower = factor_low >> _32, factor_low & _QUARTER
    low_upper, low_lower = low >> _32, low & _QUARTER
    middle = low_lower * lower
    middle >>= _32
    middle += low_upper * lower
    other = low_lower * upper
    other += middle & _QUARTER
    product = low_upper * upper
    product += middle >> _32
    product += other >> _32
    product += high * factor_low
    product += low * factor_high
    return product, low * factor_low
