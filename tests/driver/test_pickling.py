"""Pickling of user code: code objects keep the names of their files."""

import pickle
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from driver.pickling import dumps


def outer() -> Callable[[], list[Callable[[], int]]]:
    def inner() -> list[Callable[[], int]]:
        return [lambda: 1]

    return inner


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def test_code_by_value_knows_its_file() -> None:
    """Tracebacks in a worker name the user's file, for functions inside of functions too."""
    shipped: Any = pickle.loads(dumps(outer()))
    assert shipped.__code__ == outer().__code__
    found = list(codes(shipped.__code__))
    assert len(found) == 2
    assert {code.co_filename for code in found} == {__file__}
    assert shipped()[0]() == 1
