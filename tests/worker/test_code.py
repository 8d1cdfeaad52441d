"""User code in a worker: authenticated, loaded, and gone with its job."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mapreduce import AuthenticationError, CodeError, Mapper, StoreError
from mapreduce.objectstore import FolderStore
from mapreduce.seal import Seal
from tests.worker.build import Laid
from worker import code
from worker.code import load_stages, side_files
from worker.layout import file_key


@pytest.fixture(autouse=True)
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker that has run nothing yet."""
    monkeypatch.setenv("MAPREDUCE_WORKER_HOME", str(tmp_path / "home"))
    for name, value in {"home": None, "code": ("", b""), "bundle": "", "path": ""}.items():
        monkeypatch.setattr(code._Warm, name, value)
    path = list(sys.path)
    yield
    code._install("", FolderStore(tmp_path), Seal.fresh())
    assert sys.path == path


def bundle(**files: str) -> bytes:
    """A bundle of modules; "a__b" is b in the folder a."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/", 1) + ".py", text)
    return data.getvalue()


class Import(Mapper):
    """Yields what an expression gives, the modules having been imported."""

    def __init__(self, expression: str, *modules: str) -> None:
        self.expression = expression
        self.modules = modules

    def map(self, record: Any) -> Iterator[tuple[Any, Any]]:
        names = {}
        for module in self.modules:
            try:
                names[module.partition(".")[0]] = __import__(module)
            except ImportError:
                yield module, "absent"
        if names:
            yield self.expression, eval(self.expression, names)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_code_runs() -> None:
    """Modules of a bundle can be imported by the stages, folders without __init__ too."""
    laid = Laid(
        [[1]],
        mapper=Import("helper.answer + parts.one.two", "helper", "parts.one"),
        bundle=bundle(helper="answer = 40", parts__one="import helper\ntwo = helper.answer / 20"),
    )
    assert laid.run() == [("helper.answer + parts.one.two", 42)]


def test_stages_are_new_in_each_attempt() -> None:
    """What one attempt leaves in its stages no other attempt sees."""
    laid = Laid([[1]], mapper=Import("1", "os"))
    seal = laid.seal
    first = load_stages(laid.payload("map"), laid.storage, seal)
    gets = laid.storage.requests.snapshot()["get"]
    second = load_stages(laid.payload("map", 0, 1), laid.storage, seal)
    assert first.mapper is not second.mapper
    assert laid.storage.requests.snapshot()["get"] == gets  # the code itself is fetched once


CONTENT = {
    "module": bundle(helper="answer = 'one'"),
    "other": bundle(helper="answer = 'two'"),
    "package": bundle(helper____init__="from helper.inner import answer", helper__inner="answer = 'three'"),
    "namespace": bundle(helper__inner="answer = 'four'"),
    "none": b"",
}
EXPECTED = {
    "module": [("helper.answer", "one")],
    "other": [("helper.answer", "two")],
    "package": [("helper.answer", "three")],
    "namespace": [("helper.inner.answer", "four")],
    "none": [("helper", "absent")],
}


@pytest.mark.parametrize("second", CONTENT)
@pytest.mark.parametrize("first", CONTENT)
def test_nothing_of_one_job_leaks_into_the_next(first: str, second: str) -> None:
    """A worker that ran one job's modules runs another's of the same name, or none, as a new worker would."""
    before = set(sys.modules)
    for name in (first, second, first):
        inner = name == "namespace"
        mapper = Import("helper.inner.answer" if inner else "helper.answer", "helper.inner" if inner else "helper")
        assert Laid([[1]], mapper=mapper, bundle=CONTENT[name]).run() == EXPECTED[name]
    code._install("", FolderStore("/"), Seal.fresh())
    assert not {name for name in set(sys.modules) - before if name.startswith("helper")}


def test_state_of_modules_is_gone_with_the_job() -> None:
    """A job with the same modules, byte for byte, finds their globals as they were written."""
    for _ in range(2):
        laid = Laid(
            [[1]],
            mapper=Import("helper.seen.append(1) or len(helper.seen)", "helper"),
            bundle=bundle(helper="seen = []"),
        )
        assert laid.run() == [("helper.seen.append(1) or len(helper.seen)", 1)]


def test_another_python_is_refused() -> None:
    """Code of another minor version is not loaded; the error names both versions."""
    laid = Laid([[1]], mapper=Import("1", "os"))
    assert laid.map(python="3.7") == "failed"
    failure = laid.failure(0)
    assert failure.kind == "CodeError"
    assert failure.reason.startswith("the driver runs Python 3.7, this worker Python 3.")


def test_code_that_does_not_load() -> None:
    """A module that the worker lacks is an error that names it and says what is wrong."""
    laid = Laid([[1]])
    laid.code = laid.put_code(b"cno_such_module\nThing\n.")
    with pytest.raises(CodeError, match=r"does not load in the worker: ModuleNotFoundError: .*no_such_module"):
        load_stages(laid.payload("map"), laid.storage, laid.seal)


@pytest.mark.parametrize("what", ["code", "bundle", "row"])
@pytest.mark.parametrize("how", ["bare", "flipped", "foreign", "elsewhere"])
def test_what_others_wrote_is_not_loaded(what: str, how: str, tmp_path: Path) -> None:
    """Code, modules and plan rows without this job's tag, or with that of another place, are refused unread."""
    trap = tmp_path / "trap"
    evil = pickle.dumps(Trap(trap)) if what != "bundle" else bundle(helper=f"import os; os.mkdir({str(trap)!r})")
    laid = Laid([[1]], mapper=Import("helper.x", "helper"), bundle=bundle(helper="x = 1"))
    keys = {"code": laid.code, "bundle": laid.bundle, "row": laid.payload("map").row.key}
    key = keys[what]
    context = f"{key}/0" if what == "row" else key
    sealed = laid.storage.get(key)
    evil = {
        "bare": evil,
        "flipped": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "foreign": Seal.fresh().wrap(context, evil),
        "elsewhere": laid.seal.wrap(f"{context}-other", evil),
    }[how]
    laid.storage.put(key, evil)
    row = laid.payload("map").row._replace(end=len(evil)) if what == "row" else laid.payload("map").row
    assert laid.map(row=row) == "failed"
    assert laid.failure(0).kind == "AuthenticationError"
    assert context in laid.failure(0).reason
    assert not trap.exists()
    assert laid.names(f"jobs/{laid.name}/rounds/0/done") == set()


def test_rows_of_other_tasks_are_refused() -> None:
    """A task does not read another task's row, though the same job wrote it."""
    laid = Laid([[1], [2]])
    with pytest.raises(AuthenticationError):
        laid.seal.unwrap("another/0", laid.storage.get(laid.code))
    assert laid.map(0, row=laid.payload("map", 1).row) == "failed"
    assert laid.failure(0).kind == "AuthenticationError"


def put_file(laid: Laid, data: bytes) -> str:
    """Put a side file into the storage; returns its key."""
    key = file_key(laid.name, hashlib.sha256(data).hexdigest())
    laid.storage.put(key, data)
    return key


def test_side_files() -> None:
    """Side files have the names of the job and the bytes of the store, and are fetched once in a worker's life."""
    laid = Laid([[1]])
    data = {"a.txt": b"text", "é/b": os.urandom(3_000_000), "again": b"text"}
    files = {name: put_file(laid, content) for name, content in data.items()}
    found = side_files(laid.payload("map", files=files), laid.storage)
    assert {name: path.read_bytes() for name, path in found.items()} == data
    gets = laid.storage.requests.snapshot()["get"]
    assert gets == 2
    other = Laid([[1]], storage=laid.storage.url)
    assert side_files(other.payload("map", files=files), laid.storage) == found
    assert laid.storage.requests.snapshot()["get"] == gets


def test_side_files_are_verified(tmp_path: Path) -> None:
    """A side file that is not what the driver put there is an error, and does not stay."""
    laid = Laid([[1]])
    key = put_file(laid, b"good")
    laid.storage.put(key, b"evil")
    payload = laid.payload("map", files={"a": key})
    for _ in range(2):
        with pytest.raises(StoreError, match=f"{key} is not what the driver put there"):
            side_files(payload, laid.storage)
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    laid.storage.put(key, b"good")
    assert side_files(payload, laid.storage)["a"].read_bytes() == b"good"


def test_jobs_in_threads_share_side_files() -> None:
    """Attempts in threads that fetch one file at once all get it whole."""
    laid = Laid([[1]])
    key = put_file(laid, os.urandom(2_500_000))
    start = threading.Barrier(4)

    def fetch(_: int) -> bytes:
        start.wait(30)
        return side_files(laid.payload("map", files={"a": key}), laid.storage)["a"].read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(fetch, range(4))) == {laid.storage.get(key)}
