"""Which modules are the user's own, and so must go to the workers with a job."""

from __future__ import annotations

import ast
import functools
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import mapreduce

_OURS = {"mapreduce", "driver", "shuffle", "worker", "benchmarks"}
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(mapreduce.__file__)))
_CODE = (".py", ".so", ".pyd")


class UserModules(NamedTuple):
    """The user's modules that are imported, and those that they import.

    Attributes:
        files: name in the archive -> file.
        names: top-level modules and packages in `files`.
        unfindable: imported modules that no search path leads to: they must go by value.
    """

    files: dict[str, Path]
    names: tuple[str, ...]
    unfindable: list[ModuleType]


def find_modules() -> UserModules:
    """Look through what this process has imported, and follow the imports of the user's files.

    The user's modules are those that the script's folder, or another folder of the search path that
    is neither the standard library's nor of installed libraries, holds. Imports inside functions are
    followed too; modules that are imported by computed names alone are not seen before they are.
    """
    roots = _roots()
    users = functools.cache(lambda top: _find(top, roots))
    beside_ours = functools.cache(lambda top: PathFinder.find_spec(top, [_HOME]) is not None)
    tops: set[str] = set()
    queue: list[Path] = []
    unfindable = []
    main = sys.modules.get("__main__")
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        top = name.partition(".")[0]
        if not isinstance(file, str) or top in _OURS or _of_a_library(file):
            continue
        if module is main or name == "__mp_main__":
            queue.append(Path(file))
        elif users(top):
            tops.add(top)
        elif not _under(os.path.abspath(file), [_HOME]) or not beside_ours(top):
            unfindable.append(module)
            queue.append(Path(file))
    files: dict[str, Path] = {}
    pending = sorted(tops)
    seen = set(pending)
    while pending or queue:
        for path in queue:
            pending += [top for top in _imports(path) if top not in seen and users(top)]
            seen.update(pending)
        queue.clear()
        if pending:
            added = dict(_files(pending.pop(), roots))
            files.update(added)
            queue += [path for path in added.values() if path.suffix == ".py"]
    return UserModules(files, tuple(sorted({name.partition("/")[0].partition(".")[0] for name in files})), unfindable)


def _roots() -> list[str]:
    """The folders of the search path whose modules are the user's."""
    folders = [os.path.abspath(entry or os.getcwd()) for entry in sys.path]
    return [
        folder
        for folder in dict.fromkeys(folders)
        if os.path.isdir(folder) and folder != _HOME and not _installed(folder)
    ]


def _library_folders() -> list[str]:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.add(site.getusersitepackages())
    return [os.path.abspath(folder) for folder in folders if folder]


_LIBRARIES = _library_folders()


@functools.cache  # thousands of modules, looked through by every job
def _of_a_library(file: str) -> bool:
    return _installed(os.path.abspath(file))


def _installed(path: str) -> bool:
    parts = path.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts or _under(path, _LIBRARIES)


def _under(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def _find(top: str, roots: list[str]) -> bool:
    """Whether `top` comes from one of `roots`, not from a library before them on the search path."""
    if top in _OURS or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return False
    first = PathFinder.find_spec(top)
    if first is not None and first.origin is not None and _installed(os.path.abspath(first.origin)):
        return False
    return PathFinder.find_spec(top, roots) is not None


def _files(top: str, roots: list[str]) -> Iterator[tuple[str, Path]]:
    """The files of the module or package `top`, with their names in the archive."""
    spec = PathFinder.find_spec(top, roots)
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        path = Path(str(spec.origin))
        yield path.name, path
        return
    data = spec.origin is not None  # a folder without __init__.py may be no package at all: code alone
    for folder in spec.submodule_search_locations:
        base = Path(folder)
        for parent, folders, names in os.walk(base):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            for name in names:
                path = Path(parent, name)
                if path.is_file() and (path.suffix in _CODE or (data and path.suffix != ".pyc")):
                    yield (Path(top) / path.relative_to(base)).as_posix(), path


def _imports(path: Path) -> set[str]:
    """The top-level names that a source file imports anywhere in it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found
