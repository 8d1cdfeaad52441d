"""Pickling of the user's code: cloudpickle, and the names of source files, which it leaves out.

Without them an error in a worker could not say where in the user's script it arose.
"""

from __future__ import annotations

import io
from types import CodeType
from typing import Any

from worker.code import code_of_file


def dumps(value: object) -> bytes:
    """`value`, pickled, with what of it lies in the script or a module that is shipped by value.

    Raises:
        Exception: what pickle raises for an object that it cannot pickle.
    """
    import cloudpickle

    table = cloudpickle.Pickler.dispatch_table

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle comes without types
        # pickle looks at the class, never at an instance.
        dispatch_table = table.new_child({CodeType: lambda code: _reduce(table[CodeType], code)})

    file = io.BytesIO()
    Pickler(file, protocol=5).dump(value)
    return file.getvalue()


def _reduce(reduce: Any, code: CodeType) -> tuple[Any, ...]:
    """How a code object is pickled: as cloudpickle does it, and its file."""
    make, arguments = reduce(code)
    return code_of_file, (make, arguments, code.co_filename)
