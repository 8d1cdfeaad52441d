"""The identity of a key: one byte string for all keys that are equal in Python.

`canonical` is what makes equal keys meet, whatever worker emitted them: 1, 1.0 and True have one
encoding, a str has the same in every process (its built-in hash has not), and keys of any mixture of
types have one total order. Partitioners hash it; the external sort orders by it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import sys
from collections.abc import Callable, Hashable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath, PurePosixPath
from typing import Any
from uuid import UUID

from mapreduce.errors import KeyTypeError

_HINT = (
    "use str, bytes, numbers, None, dates, enums, or tuples and frozensets of them, or give the class a"
    " method __stable_key__(self) that returns one of these, equal for equal keys"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
# The exponent of 10 up to which a Decimal is written as an exact ratio; beyond it the ratio alone
# would fill the memory.
_DECIMAL_DIGITS = 10_000


def canonical(key: Hashable) -> bytes:
    """The encoding of `key`: equal for keys that are equal in Python, different otherwise.

    Raises:
        KeyTypeError: the type of `key`, or of a part of it, has no encoding; the message names it.
    """
    encode = _BY_TYPE.get(type(key))
    return encode(key) if encode is not None else _by_kind(key)


def encode_text(text: str) -> bytes:
    """UTF-8, lone surrogates included; its byte order is the order of the str."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _text(key: str) -> bytes:
    return b"s" + encode_text(key)


def _raw(key: bytes) -> bytes:
    return b"b" + key


def _integer(key: int) -> bytes:
    return b"n%x" % key  # hexadecimal: decimal digits of huge integers take quadratic time


def _real(key: float) -> bytes:
    if key.is_integer():
        return b"n%x" % int(key)
    if math.isnan(key):
        raise KeyTypeError("a NaN cannot be a key: it is not equal to itself; map it to None or to a str first")
    if key in (float("inf"), float("-inf")):
        return b"n+inf" if key > 0 else b"n-inf"
    return _ratio(*key.as_integer_ratio())


def _ratio(numerator: int, denominator: int) -> bytes:
    return b"n%x" % numerator if denominator == 1 else b"n%x/%x" % (numerator, denominator)


def _decimal(key: Decimal) -> bytes:
    if not key.is_finite():
        return _real(float(key)) if not key.is_snan() else _real(float("nan"))
    if key and abs(key.adjusted()) > _DECIMAL_DIGITS:
        raise KeyTypeError(f"a Decimal of {key.adjusted()} digits is too large for a key")
    return _ratio(*key.as_integer_ratio()) if key else b"n0"


def _complex(key: complex) -> bytes:
    if key.imag == 0:
        return _real(key.real)
    return b"c" + _join((_real(key.real), _real(key.imag)))


def _join(parts: Any) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _tuple(key: tuple[Any, ...]) -> bytes:
    return b"t" + _join(map(canonical, key))


def _frozenset(key: frozenset[Any]) -> bytes:
    return b"f" + _join(sorted(map(canonical, key)))


def _datetime(key: datetime.datetime) -> bytes:
    offset = key.replace(fold=0).utcoffset()  # in one zone, == and hash() ignore the fold
    local = (key.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    return b"dn%d" % local if offset is None else b"da%d" % (local - offset // _MICROSECOND)


def _time(key: datetime.time) -> bytes:
    local = ((key.hour * 60 + key.minute) * 60 + key.second) * 1_000_000 + key.microsecond
    offset = key.replace(fold=0).utcoffset()
    return b"hn%d" % local if offset is None else b"ha%d" % (local - offset // _MICROSECOND)


def _enum(key: enum.Enum) -> bytes:
    return b"e" + _join((_class_name(key), canonical(key.name if key.name is not None else key.value)))


def _class_name(key: object) -> bytes:
    return encode_text(f"{type(key).__module__}.{type(key).__qualname__}")


_BY_TYPE: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: _integer,
    bool: _integer,
    float: _real,
    bytes: _raw,
    type(None): lambda _: b"0",
    type(...): lambda _: b"1",
    tuple: _tuple,
    frozenset: _frozenset,
    complex: _complex,
    Decimal: _decimal,
    Fraction: lambda key: _ratio(key.numerator, key.denominator),
    datetime.datetime: _datetime,
    datetime.date: lambda key: b"dd%d" % key.toordinal(),
    datetime.time: _time,
    datetime.timedelta: lambda key: b"dt%d" % (key // _MICROSECOND),
    UUID: lambda key: b"u" + key.bytes,
    PurePosixPath: lambda key: b"p" + encode_text(str(key)),
}
_BASES: tuple[type, ...] = (
    *(str, bytes, int, float, tuple, frozenset, complex, Decimal, Fraction),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, UUID),
)


def _by_kind(key: Any) -> bytes:
    """The encoding of a key whose type is not one of the plain ones."""
    cls: Any = type(key)
    if hasattr(cls, "__stable_key__"):
        return b"k" + _join((_class_name(key), canonical(key.__stable_key__())))
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(key, numpy.generic):
        return _numpy_scalar(key)
    for base in _BASES:
        if isinstance(key, base):
            if cls.__eq__ is not base.__eq__:
                break  # a subclass with an equality of its own
            return _BY_TYPE[base](key)
    if isinstance(key, enum.Enum) and cls.__eq__ is object.__eq__:
        return _enum(key)
    if isinstance(key, PurePosixPath) and cls.__eq__ is PurePath.__eq__:
        return _BY_TYPE[PurePosixPath](key)
    if _is_plain_dataclass(cls):
        fields = [getattr(key, field.name) for field in dataclasses.fields(key) if field.compare]
        return b"k" + _join((_class_name(key), *map(canonical, fields)))
    raise KeyTypeError(f"a key of type {cls.__module__}.{cls.__qualname__} has no stable hash; {_HINT}")


def _numpy_scalar(key: Any) -> bytes:
    plain = key.item()
    # Not times, kinds "m" and "M": their item() may be an int that has lost its unit.
    if type(plain) in (str, bytes, int, bool, float, complex) and key.dtype.kind in "biufcSU":
        return canonical(plain)
    raise KeyTypeError(f"a key of type numpy.{type(key).__name__} has no stable hash; {_HINT}")


def _is_plain_dataclass(cls: type) -> bool:
    """Whether `cls` is a frozen dataclass whose equality dataclasses itself wrote."""
    params = getattr(cls, "__dataclass_params__", None)
    if params is None or not (params.frozen and params.eq):
        return False
    code = getattr(cls.__eq__, "__code__", None)
    return code is None or code.co_filename == "<string>"
