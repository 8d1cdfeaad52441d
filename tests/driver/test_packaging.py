"""What goes to the workers, and what cannot."""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
import sys
import threading
import types
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import driver.packaging
from driver.modules import find_modules
from driver.packaging import Package, package
from mapreduce import CodeError, FoldBy, Job, Mapper, Reducer
from tests.driver.conftest import Project
from worker.code import Stages

LOCK = threading.Lock()


class Each(Mapper[str, str, int]):
    """Holds what it is given."""

    def __init__(self, held: Any = None) -> None:
        self.held = held

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        yield record, 1


def ship(mapper: Mapper[Any, Any, Any], **fields: Any) -> Package:
    return package([Job(mapper=mapper, **fields)])


def by_value(source: str, **names: Any) -> dict[str, Any]:
    """What `source` defines in a module that exists here alone, as a notebook's does."""
    module = types.ModuleType("__main__")
    vars(module).update(names)
    exec(source, vars(module))
    return vars(module)


def test_stages() -> None:
    """What is pickled is what workers load: the job's parts, each job by itself."""
    jobs = [Job(mapper=Each(1), combiner=sum, reducer=FoldFree()), Job(mapper=Each(2), output_format="jsonl")]
    stages = [pickle.loads(code) for code in package(list(jobs)).stages]
    assert [type(one) for one in stages] == [Stages, Stages]
    assert [one.mapper.held for one in stages] == [1, 2]
    assert (stages[0].combiner, stages[1].reducer) == (sum, None)
    assert stages[1].output_format == jobs[1].output_format


class FoldFree(Reducer[str, int, str, int]):
    """Adds."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


def test_bundle(project: Project) -> None:
    """The user's modules are an archive, told by their names."""
    project({"main.py": "import one, pack", "one.py": "x = 1", "pack/__init__.py": "", "pack/é.txt": "z"})
    found = ship(Each())
    assert found.modules == ("one", "pack")
    with zipfile.ZipFile(io.BytesIO(found.bundle)) as archive:
        assert archive.namelist() == ["one.py", "pack/__init__.py", "pack/é.txt"]
        assert archive.read("one.py") == b"x = 1"


def test_no_bundle(project: Project) -> None:
    """Without modules there is no archive."""
    project({"main.py": ""})
    assert ship(Each()).bundle == b""


def test_bundle_is_deterministic(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files are the same archive, whenever they were written and found; others are another."""
    folder = project({"main.py": "import one, two", "two.py": "", "one.py": "x = 1"})
    first = ship(Each()).bundle
    os.utime(folder / "one.py", (1, 1))
    assert ship(Each()).bundle == first
    found = find_modules()
    backwards = found._replace(files=dict(reversed(found.files.items())))
    with monkeypatch.context() as patch:
        patch.setattr(driver.packaging, "find_modules", lambda: backwards)
        assert ship(Each()).bundle == first
    (folder / "one.py").write_text("x = 2")
    assert ship(Each()).bundle != first


def test_too_large(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that are too many bytes are an error that names the largest file."""
    monkeypatch.setattr(driver.packaging, "_MOST", 2_000_000)
    folder = project({"main.py": "import pack", "pack/__init__.py": "", "pack/small.txt": "x"})
    (folder / "pack" / "model.bin").write_bytes(bytes(3_000_000))
    with pytest.raises(CodeError, match=r"\(pack\) have 3 MB, more than the 2 MB .*pack/model.bin \(3 MB\)"):
        ship(Each())


def test_unreadable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that cannot be read is an error that names it."""
    project({"main.py": "import one", "one.py": ""})

    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "one.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CodeError, match=r"cannot read .*/one.py, to ship it: Permission denied"):
        ship(Each())


def closure(held: object) -> Callable[[], object]:
    return lambda: held


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (Each, "mapper.held"),
        (lambda held: Each({"a": [1, (held,)]}), "mapper.held['a'][1][0]"),
        (lambda held: Each(Each(held)), "mapper.held.held"),
        (lambda held: Each(closure(held)), "mapper.held -> variable held"),
        (lambda held: Each(by_value("def f(): return x", x=held)["f"]), "mapper.held -> global x"),
        (lambda held: Each(by_value("class C:\n    y = x", x=held)["C"]), "mapper.held.y"),
        (lambda held: Each(by_value("class C:\n    y = x", x=held)["C"]()), "mapper.held -> class C.y"),
    ],
    ids=["attribute", "containers", "nested", "closure", "global", "class", "class of an instance"],
)
def test_unpicklable(make: Callable[[object], Mapper[Any, Any, Any]], path: str) -> None:
    """What cannot be shipped is named by the way that leads to it, with its type and a remedy."""
    with pytest.raises(CodeError) as caught:
        ship(make(LOCK))
    text = str(caught.value)
    assert text.startswith(f"{path} cannot be shipped to the workers: it is a _thread.lock")
    assert "make it in setup()" in text


def test_unpicklable_connection() -> None:
    """A database connection is the usual culprit."""
    with sqlite3.connect(":memory:") as connection, pytest.raises(CodeError, match=r"^mapper.held .*a sqlite3.Conn"):
        ship(Each(connection))
    connection.close()


@pytest.mark.parametrize("field", ["combiner", "partitioner", "reducer"])
def test_unpicklable_stages(field: str) -> None:
    """Each part of a job is named."""
    function = closure(LOCK)
    fields: dict[str, Any] = {"reducer": FoldFree(), field: function}
    if field == "reducer":
        fields["reducer"] = FoldBy(function)  # type: ignore[arg-type]
    way = "reducer.function" if field == "reducer" else field
    with pytest.raises(CodeError, match=rf"^{way} -> variable held cannot be shipped"):
        ship(Each(), **fields)


def test_self_reference() -> None:
    """A culprit in a ring of objects is found."""
    one = Each()
    one.held = {"me": one, "lock": LOCK}
    with pytest.raises(CodeError, match=r"^mapper.held\['lock'\] cannot"):
        ship(one)


def odd_module(name: str) -> types.ModuleType:
    """A module with a function, which no search path leads to."""
    module = types.ModuleType(name)
    module.__file__ = f"/nowhere/{name}.py"
    exec("def make(): return 7", vars(module))
    sys.modules[name] = module
    return module


def test_registry_is_left_alone(project: Project) -> None:
    """What the user has registered with cloudpickle stays, and what a package registers does not."""
    project({"main.py": ""})
    odd_module("by_us")
    cloudpickle.register_pickle_by_value(odd_module("by_user"))
    try:
        ship(Each())
        assert cloudpickle.list_registry_pickle_by_value() == {"by_user"}
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules.pop("by_user"))
        del sys.modules["by_us"]


class First:
    """Has another thread ship something while it is itself being pickled."""

    def __init__(self, start: Callable[[First], Future[Package]]) -> None:
        self.start = start
        self.other: Future[Package] | None = None
        self.other_began = threading.Event()
        self.ended = threading.Event()

    def __reduce__(self) -> tuple[Any, ...]:
        self.other = self.start(self)
        self.other_began.wait(0.1)  # it should not: not before we have ended
        return int, ()


class Second:
    """Is pickled, as a call of a function, when the first has been shipped."""

    def __init__(self, first: First, function: Callable[[], int]) -> None:
        self.first = first
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        self.first.other_began.set()
        assert self.first.ended.wait(60)
        return self.function, ()


def test_threads(project: Project) -> None:
    """Modules go by value whoever else ships something at that time."""
    project({"main.py": ""})
    make = odd_module("by_us").make
    with ThreadPoolExecutor(1) as pool:
        first = First(lambda first: pool.submit(ship, Each(Second(first, make))))
        ship(Each(first))
        first.ended.set()
        assert first.other is not None
        [code] = first.other.result(60).stages
    del sys.modules["by_us"]
    assert pickle.loads(code).mapper.held == 7
