"""What `import mapreduce` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mapreduce
import mapreduce.errors
import mapreduce.formats
import mapreduce.objectstore

MODULES = [mapreduce, mapreduce.errors, mapreduce.formats, mapreduce.objectstore]
# Each costs a worker's start more than it gives, or may not be installed there.
HEAVY = {"boto3", "botocore", "click", "cloudpickle", "numpy", "psutil", "pyarrow", "redis", "rich"}
HEAVY |= {"zstandard"}
# What only a process that starts others needs.
HEAVY |= {"asyncio", "multiprocessing", "subprocess"}


def public(module: ModuleType) -> set[str]:
    """The names of `module` that are not modules, nor private, nor of `__future__`."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_sorted(module: ModuleType) -> None:
    """`__all__` is in order, without repetitions, and each of its names exists."""
    assert module.__all__ == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name)


def test_all_is_what_is_public() -> None:
    """Of `mapreduce` and its errors nothing else is public."""
    assert set(mapreduce.__all__) == public(mapreduce) | {"__version__"}
    assert set(mapreduce.errors.__all__) == public(mapreduce.errors)


def test_all_errors_are_exported() -> None:
    """Every error can be caught by its name in `mapreduce`, and by its base."""
    for name in mapreduce.errors.__all__:
        assert getattr(mapreduce, name) is getattr(mapreduce.errors, name)
        assert issubclass(getattr(mapreduce, name), mapreduce.MapReduceError)
        assert name in (mapreduce.errors.__doc__ or "")


def test_imports_point_one_way() -> None:
    """No package imports one that stands behind it here, inside functions either."""
    packages = ["mapreduce", "shuffle", "worker", "driver", "benchmarks"]
    home = Path(mapreduce.__file__).parents[1]
    for place, package in enumerate(packages):
        files = list((home / package).rglob("*.py"))
        assert len(files) > 1
        for file in files:
            wrong = imported(file) & set(packages[place + 1 :])
            assert not wrong, f"{file} imports {wrong}"


def imported(file: Path) -> set[str]:
    """The packages that a source file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.process
def test_import_is_light() -> None:
    """Importing the model loads no heavy package, and none of our own above it."""
    script = "import sys; before = set(sys.modules); import mapreduce; print(*sorted(set(sys.modules) - before))"
    loaded = {
        name.partition(".")[0] for name in subprocess.check_output([sys.executable, "-c", script], text=True).split()
    }
    assert "mapreduce" in loaded
    assert loaded & HEAVY == set()
    assert loaded & {"driver", "worker", "shuffle", "benchmarks"} == set()


@pytest.mark.process
def test_arrow_is_not_loaded_for_others() -> None:
    """Neither a driver nor a worker, of arrays either, loads pyarrow as long as nobody uses it."""
    modules = "driver, worker.child, worker.batch.mapping, worker.batch.reducing, worker.batch.sampling"
    script = f"import sys, {modules}; print('pyarrow' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == ["False", "True"]
