"""Code injection: what of the user's code goes to the workers."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from driver.fusion import fuse
from driver.modules import UserModules, find_modules
from driver.pickling import dumps
from mapreduce.errors import CodeError
from mapreduce.formats import input_format, output_format
from mapreduce.job import Job
from mapreduce.stages import Mapper
from worker.code import Stages
from worker.tables import adds_up

# Bytes of the user's modules that one job may ship.
_MOST = 50_000_000
# Held while modules are registered with cloudpickle, which has one registry for all threads.
_BY_VALUE = threading.Lock()


class Package(NamedTuple):
    """The code of a chain of jobs.

    Attributes:
        stages: for each job its stages, pickled.
        bundle: a zip archive of the user's modules; b"" where there are none.
        modules: the names of the top-level modules and packages in the bundle.
        by_value: modules whose classes and functions are pickled by value.
    """

    stages: list[bytes]
    bundle: bytes
    modules: tuple[str, ...]
    by_value: list[ModuleType]

    def again(self, stages: Stages) -> bytes:
        """Stages that differ from those of the chain, pickled; raises what `package` does."""
        with _by_value(self.by_value):
            return _pickle(stages)


def package(jobs: list[Job[Any, Any, Any, Any, Any]]) -> Package:
    """Pickle the stages of `jobs`, and pack the user's modules that they need.

    Classes of the script itself (`__main__`, a notebook, `python -c`) go by value; the user's modules
    and packages beside the script go as files; installed libraries do not go at all.

    Raises:
        CodeError: something cannot be pickled, or the modules are too large; the message names it.
    """
    found = find_modules()
    with _by_value(found.unfindable):
        stages = [_pickle(stages_of(job)) for job in jobs]
    try:
        bundle = _archive(found) if found.files else b""
    except OSError as error:
        raise CodeError(f"cannot read {error.filename}, to ship it: {error.strerror}") from error
    return Package(stages, bundle, found.names, found.unfindable)


def stages_of(job: Job[Any, Any, Any, Any, Any]) -> Stages:
    """What is shipped of a job."""
    formats = input_format(job.input_format), output_format(job.output_format)
    fused = fuse(job.mapper) if isinstance(job.mapper, Mapper) and adds_up(job.combiner, job.reducer) else None
    return Stages(job.mapper, job.combiner, job.reducer, job.partitioner, *formats, fused, job.order, job.sort_values)


def _pickle(stages: Stages) -> bytes:
    try:
        return dumps(stages)
    except Exception as error:
        raise CodeError(_culprit(stages, error)) from error


@contextlib.contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    """Let cloudpickle take these modules' classes and functions by value."""
    import cloudpickle

    with _BY_VALUE:
        known = cloudpickle.list_registry_pickle_by_value()
        names = {module.__name__ for module in modules} - known
        for name in names & sys.modules.keys():
            cloudpickle.register_pickle_by_value(sys.modules[name])
        try:
            yield
        finally:
            for name in names & sys.modules.keys():
                cloudpickle.unregister_pickle_by_value(sys.modules[name])


def _culprit(stages: Stages, error: Exception) -> str:
    """Which stage, and which part of it, cannot be pickled."""
    for name, stage in zip(Stages._fields, stages, strict=True):
        if (trouble := _trouble(stage)) is not None:
            path, part = _descend(name, stage, {id(stage)})
            return (
                f"{path} cannot be shipped to the workers: it is a {type(part).__module__}.{type(part).__qualname__}"
                f" ({type(trouble).__name__}: {trouble}); make it in setup(), in the worker, instead"
            )
    return f"the job cannot be shipped to the workers: {type(error).__name__}: {error}"


def _trouble(value: object) -> Exception | None:
    try:
        dumps(value)
    except Exception as error:
        return error
    return None


def _descend(path: str, value: Any, seen: set[int]) -> tuple[str, Any]:
    """The deepest part of `value` that cannot be pickled either, and the way to it."""
    for step, part in _parts(value):
        if id(part) not in seen and not isinstance(part, ModuleType) and _trouble(part) is not None:
            seen.add(id(part))
            return _descend(f"{path}{step}", part, seen)
    return path, value


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{number}]", part) for number, part in enumerate(value))
    code = getattr(value, "__code__", None)
    if code is not None:
        cells = getattr(value, "__closure__", None) or ()
        for name, cell in zip(code.co_freevars, cells, strict=True):
            with contextlib.suppress(ValueError):  # an empty cell
                yield f" -> variable {name}", cell.cell_contents
        for name in code.co_names:
            if name in value.__globals__:
                yield f" -> global {name}", value.__globals__[name]
    elif isinstance(value, type):
        yield from ((f".{name}", part) for name, part in vars(value).items() if not name.startswith("__"))
    else:
        yield from ((f".{name}", part) for name, part in getattr(value, "__dict__", {}).items())
        if type(value).__module__ == "__main__":
            yield f" -> class {type(value).__qualname__}", type(value)


def _archive(found: UserModules) -> bytes:
    """A zip archive that is the same, byte for byte, for the same files."""
    import io

    from driver.archives import write_zip

    total = sum(path.stat().st_size for path in found.files.values())
    if total > _MOST:
        name, path = max(found.files.items(), key=lambda item: item[1].stat().st_size)
        raise CodeError(
            f"the modules beside the script ({', '.join(found.names)}) have {total / 1e6:.0f} MB, more than the"
            f" {_MOST / 1e6:.0f} MB that a job may ship; the largest file is {name} ({path.stat().st_size / 1e6:.0f}"
            " MB): ship data as side files, or keep it out of the packages"
        )
    data = io.BytesIO()
    write_zip(data, {name: path.read_bytes() for name, path in found.files.items()}, 1)
    return data.getvalue()
