"""Jobs out of files, for the command line."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TypeGuard

from mapreduce.errors import CodeError, ConfigError, MapReduceError
from mapreduce.job import Job

AnyJob = Job[Any, Any, Any, Any, Any]

# Not the file's own name: workers get the file's classes by value, as they do those of __main__.
_MODULE = "__mapreduce_job__"


def load_job(place: str) -> AnyJob | Sequence[AnyJob]:
    """The job that `place` names: FILE.py with one Job in it, or FILE.py:NAME of a Job or a list of Jobs.

    Raises:
        ConfigError: there is no such file, or not exactly one such job in it.
        CodeError: the file does not run.
    """
    path, name = (place, "") if os.path.isfile(place) else _cut(place)
    if not os.path.isfile(path):
        raise ConfigError(f"there is no file {path!r}")
    module = _execute(os.path.abspath(path))
    jobs = {key: value for key, value in vars(module).items() if isinstance(value, Job)}
    if name:
        return _named(path, name, vars(module), jobs)
    distinct = list({id(job): job for job in jobs.values()}.values())
    if len(distinct) != 1:
        raise ConfigError(f"{path} {_how_many(path, len(distinct), [*jobs, *_chains(vars(module))])}")
    return distinct[0]


def _how_many(path: str, distinct: int, names: Sequence[str]) -> str:
    """What to do where a file holds not one job, but several, or chains alone, of these names, or nothing."""
    if not names:
        return "holds no Job; make one at its top level: job = Job(...)"
    what = f"{distinct} jobs: say which" if distinct else "lists of Jobs alone: say which is to run"
    return f"holds {what}, {path}:NAME with NAME one of {', '.join(names)}"


def _chains(names: dict[str, Any]) -> list[str]:
    return [name for name, value in names.items() if _is_chain(value)]


def _is_chain(value: object) -> TypeGuard[Sequence[AnyJob]]:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Job) for one in value)


def _cut(place: str) -> tuple[str, str]:
    path, _, name = place.rpartition(":")
    return (path, name) if path else (place, "")


def _named(path: str, name: str, names: dict[str, Any], jobs: dict[str, AnyJob]) -> AnyJob | Sequence[AnyJob]:
    value = names.get(name)
    if isinstance(value, Job):
        return value
    if _is_chain(value):
        return value
    known = [*jobs, *_chains(names)]
    raise ConfigError(f"{path} has no Job, or list of Jobs, {name!r}; it has {', '.join(known) or 'none'}")


def _execute(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.insert(0, os.path.dirname(path))
    try:
        spec.loader.exec_module(module)
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise CodeError(f"{path}{line}: {type(error).__name__}: {error}") from error
    return module
