"""Columns: how one sequence of Python objects becomes buffers, and back.

A column of one plain type is stored as that type (text joined, numbers as 64-bit words), a NumPy
array as its bytes, an array of Arrow in Arrow's IPC format, anything else by pickle protocol 5 with large
buffers kept out of band. A kind is one letter, so that a block says itself how its columns are read.
"""

from __future__ import annotations

import io
import math
import pickle
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mapreduce.keys import encode_text

Buffer = bytes | bytearray | memoryview

# Separators tried for joined text: control characters that real keys hardly ever hold.
_SEPARATORS = ("\x1f", "\n", "\x00")
# Out-of-band buffers below this stay in the pickle: each costs a header entry of its own.
_OUT_OF_BAND = 4096


class Column(NamedTuple):
    """An encoded column: its kind, what the kind needs to know, and its buffers."""

    kind: str
    detail: Any
    buffers: list[Buffer]


def encode_column(values: Sequence[Any]) -> Column:
    """Encode a list, tuple, or array of NumPy or pyarrow; what cannot be pickled raises TypeError."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(values, numpy.ndarray):
        return _encode_array(values)
    if hasattr(values, "__arrow_c_array__"):
        from mapreduce.arrow.columns import encode_arrow

        return Column("a", None, [encode_arrow(values)])
    types = set(map(type, values))
    if types == {str}:
        column = _encode_text(values)
    elif types == {int}:
        column = _encode_words("q", values)
    elif types == {float}:
        column = _encode_words("d", values)
    elif types == {bytes}:
        column = Column("b", None, [array("Q", map(len, values)).tobytes(), b"".join(values)])
    else:
        column = None
    return column if column is not None else _encode_pickle(values)


def decode_column(column: Column, count: int) -> Sequence[Any]:
    """The `count` values of `column`: a list, or an array of NumPy or pyarrow that shares the buffer's memory."""
    return _DECODERS[column.kind](column.detail, column.buffers, count)


def encode_view(keys: Any, values: Any) -> Column | None:
    """The column of an array that is a view into each item of the array `values`; None where `keys` is none."""
    offset = view_offset(keys, values)
    return None if offset is None else Column("v", [offset, _describe(keys.dtype), list(keys.shape[1:])], [])


def describe_array(values: Any, count: int) -> list[Any]:
    """Kind, detail and sizes of the column of an array of `count` items like those of `values`."""
    size = count * values.dtype.itemsize * math.prod(values.shape[1:])
    return ["n", [_describe(values.dtype), [count, *values.shape[1:]]], [size]]


def describe_view(keys: Any, values: Any) -> list[Any] | None:
    """Kind, detail and sizes of the column of keys that are a view into `values`; None where they are none."""
    column = encode_view(keys, values)
    return None if column is None else [column.kind, column.detail, []]


def decode_view(column: Column, values: Any) -> Any:
    """The array that `encode_view` described, as a view into `values`."""
    offset, dtype, shape = column.detail
    return view_into(values, offset, _dtype(dtype), shape)


def view_offset(keys: Any, values: Any) -> int | None:
    """Where in each item of `values`, in bytes, the item of `keys` lies; None unless all lie in one place."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(keys, numpy.ndarray) or not isinstance(values, numpy.ndarray):
        return None
    if not len(keys) or len(keys) != len(values) or keys.strides[0] != values.strides[0] or keys.dtype.hasobject:
        return None
    item, whole = keys[:1], values[:1]
    # Not .ctypes, which takes longer than all else here.
    offset = int(keys.__array_interface__["data"][0] - values.__array_interface__["data"][0])
    packed = item.flags.c_contiguous and whole.flags.c_contiguous and whole.nbytes == values.strides[0]
    return offset if packed and 0 <= offset <= whole.nbytes - item.nbytes else None


def view_into(values: Any, offset: int, dtype: Any, shape: Sequence[int]) -> Any:
    """The array whose items, of `dtype` and `shape`, lie `offset` bytes behind the beginning of each of `values`."""
    import numpy as np

    within = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return np.ndarray((len(values), *shape), dtype, values.data, offset, (values.strides[0], *within))


def _encode_text(values: Sequence[str]) -> Column | None:
    for separator in _SEPARATORS:
        text = separator.join(values)
        if text.count(separator) == len(values) - 1:
            return Column("s", separator, [encode_text(text)])
    return None


def _decode_text(separator: str, buffers: list[Buffer], count: int) -> list[str]:
    return str(buffers[0], "utf-8", "surrogatepass").split(separator) if count else []


def _encode_words(code: str, values: Sequence[float]) -> Column | None:
    try:
        return Column(code, sys.byteorder, [array(code, values).tobytes()])
    except OverflowError:  # an int of more than 64 bits
        return None


def _words_decoder(code: str) -> Callable[[Any, list[Buffer], int], list[Any]]:
    def decode(byteorder: str, buffers: list[Buffer], _count: int) -> list[Any]:
        words = array(code)
        words.frombytes(buffers[0])
        if byteorder != sys.byteorder:
            words.byteswap()
        return words.tolist()

    return decode


def _decode_raw(_detail: None, buffers: list[Buffer], _count: int) -> list[bytes]:
    lengths = array("Q")
    lengths.frombytes(buffers[0])
    stream = io.BytesIO(buffers[1])
    return list(map(stream.read, lengths))


def _encode_pickle(values: Sequence[Any]) -> Column:
    values = values if type(values) is list else list(values)
    buffers: list[Buffer] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    try:
        data = pickle.dumps(values, protocol=5, buffer_callback=keep_in_band)
    except Exception:
        # Classes of the user's script exist here by value only, which plain pickle cannot name.
        import cloudpickle

        buffers.clear()
        try:
            data = cloudpickle.dumps(values, protocol=5, buffer_callback=keep_in_band)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise TypeError(f"{_culprit(values)} cannot be sent on, since it cannot be pickled: {error}") from error
    return Column("p", None, [data, *buffers])


def _culprit(values: list[Any]) -> str:
    """Which of `values` cannot be pickled, by its type."""
    import cloudpickle

    for value in values:
        try:
            cloudpickle.dumps(value, protocol=5)
        except Exception:
            return f"a yielded {type(value).__module__}.{type(value).__qualname__}"
    return "what was yielded"


def _decode_pickle(_detail: None, buffers: list[Buffer], _count: int) -> list[Any]:
    # Copies: over the block's own memory, which is read-only, large arrays could not be added to in place.
    values: list[Any] = pickle.loads(buffers[0], buffers=map(bytearray, buffers[1:]))
    return values


def _encode_array(values: Any) -> Column:
    import numpy as np

    if values.dtype.hasobject or not values.dtype.itemsize:
        return _encode_pickle(values.tolist())
    packed = np.ascontiguousarray(values)
    return Column("n", [_describe(packed.dtype), list(values.shape)], [packed.reshape(-1).view(np.uint8).data])


def _decode_array(detail: Any, buffers: list[Buffer], _count: int) -> Any:
    import numpy as np

    dtype, shape = detail
    return np.frombuffer(buffers[0], dtype=_dtype(dtype)).reshape(shape)


def _decode_arrow(_detail: None, buffers: list[Buffer], _count: int) -> Any:
    from mapreduce.arrow.columns import decode_arrow

    return decode_arrow(buffers[0])


def _describe(dtype: Any) -> Any:
    """A NumPy dtype as JSON; the offsets of its fields too, which its own `descr` gives up on."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base), list(shape)]
    if dtype.names is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "formats": [_describe(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
    }


def _dtype(description: Any) -> Any:
    """The NumPy dtype that `_describe` described."""
    import numpy as np

    if isinstance(description, str):
        return np.dtype(description)
    if isinstance(description, list):
        base, shape = description
        return np.dtype((_dtype(base), tuple(shape)))
    fields: Any = {**description, "formats": list(map(_dtype, description["formats"]))}
    return np.dtype(fields)


_DECODERS: dict[str, Callable[[Any, list[Buffer], int], Sequence[Any]]] = {
    "s": _decode_text,
    "q": _words_decoder("q"),
    "d": _words_decoder("d"),
    "b": _decode_raw,
    "p": _decode_pickle,
    "n": _decode_array,
    "a": _decode_arrow,
}
