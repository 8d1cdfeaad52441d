"""Libraries of a bundle, in processes that have none yet."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapreduce import CodeError, StoreError
from mapreduce.objectstore import ObjectStore, open_store
from worker.layout import bundle_key
from worker.libraries import install

pytestmark = pytest.mark.process


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store."""
    return open_store(tmp_path / "store")


def put(store: ObjectStore, text: str, digest: str = "") -> str:
    """The key of a bundle with one module of this text."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("library_of_tests.py", f"TEXT = {text!r}\n")
    key = bundle_key(digest or hashlib.sha256(data.getvalue()).hexdigest())
    store.put(key, data.getvalue())
    return key


def elsewhere(act: Callable[[], Any], count: int = 1) -> list[Any]:
    """What an act gives in each of some processes of their own, all at once; or the error."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(count)]

    def do(number: int) -> None:
        try:
            given: Any = act()
        except Exception as error:
            given = error
        pipes[number][1].send(given)

    processes = [context.Process(target=do, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    found = [pipes[number][0].recv() for number in range(count)]
    for process in processes:
        process.join()
    return found


def text() -> str:
    """What the library says."""
    import library_of_tests  # type: ignore[import-not-found]  # a bundle has it

    said: str = library_of_tests.TEXT
    return said


def test_processes_share_one_copy(store: ObjectStore, tmp_path: Path) -> None:
    """Processes that want a bundle at once fetch it once, and all have it."""
    key = put(store, "hello")

    def act() -> tuple[str, int]:
        mine = open_store(tmp_path / "store")
        install(key, mine, tmp_path)
        install(key, mine, tmp_path)
        return text(), mine.requests.snapshot().get("get", 0)

    found = elsewhere(act, 4)
    assert [said for said, _ in found] == ["hello"] * 4
    assert sum(gets for _, gets in found) == 1
    assert "library_of_tests" not in sys.modules


def test_other_bytes_than_the_drivers(store: ObjectStore, tmp_path: Path) -> None:
    """What is not what its name says is not loaded, and not kept."""
    key = put(store, "evil", "0" * 64)
    [error] = elsewhere(lambda: install(key, store, tmp_path))
    assert isinstance(error, StoreError)
    assert "not what the driver put there" in str(error)
    assert [path.suffix for path in (tmp_path / "libraries").iterdir()] == [".lock"]


def test_libraries_are_not_exchanged(store: ObjectStore, tmp_path: Path) -> None:
    """A process that has loaded some refuses others."""
    one, two = put(store, "one"), put(store, "two")

    def act() -> None:
        install(one, store, tmp_path)
        install(two, store, tmp_path)

    [error] = elsewhere(act)
    assert isinstance(error, CodeError)
    assert "cannot exchange" in str(error)
