"""Pickled pairs: any Python objects, for other Python programs."""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from mapreduce.errors import AuthenticationError
from mapreduce.formats.base import OutputFormat


class PickleOutput(OutputFormat):
    """A pickle for each pair, one behind the other: read with `pickle.load` until EOFError.

    Load only what you trust: a pickle can run any code. A job's own result checks each part against
    the digest in its authenticated commit record before it loads anything of it.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_digest"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _digest=hashlib.sha256())  # a copy serves another part

    def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        data = b"".join(map(_dumps, zip(keys, values, strict=True)))
        self._digest.update(data)
        return data

    def detail(self) -> str:
        """SHA-256 of the part, in hexadecimal."""
        return self._digest.hexdigest()

    def decode(self, stream: BinaryIO, detail: str, name: str) -> Iterator[tuple[Any, Any]]:
        # A private copy is checked and then read: a store could answer a second read differently.
        with tempfile.TemporaryFile() as copy:
            digest = hashlib.sha256()
            while data := stream.read(1 << 20):
                digest.update(data)
                copy.write(data)
            if digest.hexdigest() != detail:
                raise AuthenticationError(f"{name} is not what the job wrote; it was not loaded")
            size = copy.tell()
            copy.seek(0)
            while copy.tell() < size:
                yield pickle.load(copy)


def _dumps(pair: tuple[Any, Any]) -> bytes:
    try:
        return pickle.dumps(pair, protocol=5)
    except Exception:
        import cloudpickle  # for classes that exist by value only, as those of the user's script

        data: bytes = cloudpickle.dumps(pair, protocol=5)
        return data
