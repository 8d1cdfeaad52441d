"""Columns of Apache Arrow: known without importing it, taken from any library, and encoded for blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mapreduce.errors import ConfigError

if TYPE_CHECKING:
    from mapreduce.columns import Buffer

# The type that others of the same Python values become: the first that all of its kernels take, and any length.
_PLAIN = {"string_view": "large_string", "binary_view": "large_binary"}


def load_pyarrow() -> Any:
    """The module pyarrow.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ConfigError(
            f"Arrow needs pyarrow, for the driver and for its workers ({error}): pip install 'bsp-mapreduce[arrow]'"
        ) from error
    return pa


def is_arrow(column: object) -> bool:
    """Whether `column` is of Arrow: of pyarrow, or of any library that exports its data through Arrow's C interface."""
    return hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_c_stream__")


def arrow_array(column: Any) -> Any:
    """A column as one `pyarrow.Array`: no copy of what is one array already; dictionaries are decoded.

    Args:
        column: an array of Arrow, or one in chunks; several columns, which become one of structs; an array of
            NumPy, whose rows of uint8 become bytes of one width; or a list.

    Raises:
        ConfigError: pyarrow is not installed.
        TypeError: its type can be neither taken apart nor joined.
    """
    pa = load_pyarrow()
    if hasattr(column, "__arrow_c_array__"):
        found = column if isinstance(column, pa.Array) else pa.array(column)
    elif hasattr(column, "__arrow_c_stream__"):
        chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array(column)
        found = chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
    elif getattr(column, "ndim", 1) == 2 and column.dtype == "u1":
        width = column.shape[1]
        found = pa.Array.from_buffers(pa.binary(width), len(column), [None, pa.py_buffer(column.tobytes())])
    else:
        found = pa.array(column)
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_union(found.type) or pa.types.is_run_end_encoded(found.type):
        raise TypeError(f"columns of Arrow's type {found.type} cannot be shuffled: cast them to a plain type")
    plain = _PLAIN.get(str(found.type))
    return found if plain is None else found.cast(plain)


def encode_arrow(array: Any) -> Buffer:
    """An array as a stream in Arrow's IPC format; of a slice, what it covers alone."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    batch = pa.record_batch([array], names=[""])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue())


def decode_arrow(buffer: Buffer) -> Any:
    """The array that `encode_arrow` encoded; it shares the buffer's memory."""
    pa = load_pyarrow()
    with pa.ipc.open_stream(pa.py_buffer(buffer)) as reader:
        return reader.read_next_batch().column(0)
