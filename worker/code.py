"""User code in a worker: the stages, unpickled, and the modules that they need."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mapreduce.errors import CodeError, StoreError
from mapreduce.formats import InputFormat, OutputFormat
from mapreduce.objectstore import ObjectStore
from mapreduce.partition import Partitioner
from mapreduce.seal import Seal
from mapreduce.stages import Fold, Mapper, Reducer
from worker.fused import FusedMap
from worker.libraries import install
from worker.payload import PYTHON, Payload


class Stages(NamedTuple):
    """What is shipped of a job: the objects that its attempts work with."""

    mapper: Mapper[Any, Any, Any] | None
    combiner: Callable[[Iterable[Any]], Any] | None
    reducer: Reducer[Any, Any, Any, Any] | Fold[Any, Any, Any, Any, Any] | None
    partitioner: Partitioner
    input_format: InputFormat[Any]
    output_format: OutputFormat
    fused: FusedMap | None = None


class _Warm:
    """What this process keeps between attempts: caches by content, never state."""

    home: Path | None = None
    code: tuple[str, bytes] = ("", b"")
    bundle: str = ""
    path: str = ""


def load_stages(payload: Payload, store: ObjectStore, seal: Seal) -> Stages:
    """The stages of the payload's job: new objects for each attempt.

    Raises:
        CodeError: another version of Python pickled them, or they do not load here.
        AuthenticationError: they are not what the driver of this job wrote.
    """
    if payload.python != PYTHON:
        raise CodeError(
            f"the driver runs Python {payload.python}, this worker Python {PYTHON}: code can be shipped only between"
            " equal minor versions; install the driver's version for the workers, or the reverse"
        )
    install(payload.libraries, store, _shared())
    _install(payload.bundle, store, seal)
    key, code = _Warm.code
    if key != payload.code:
        code = seal.unwrap(payload.code, store.get(payload.code))
        _Warm.code = (payload.code, code)
    try:
        stages: Stages = pickle.loads(code)
    except Exception as error:
        raise CodeError(
            f"the job's code does not load in the worker: {type(error).__name__}: {error}; a module that it needs is"
            " neither installed for the workers nor beside the script"
        ) from error
    return stages


def side_files(payload: Payload, store: ObjectStore) -> dict[str, Path]:
    """Local copies of the job's side files, by name; fetched once in the life of the process.

    Raises:
        StoreError: a file is not what the driver put there, or does not fit on the disk.
    """
    found = {}
    for name, key in payload.files.items():
        digest = key.rpartition("/")[2]
        path = _home() / "files" / digest
        if not path.exists():
            _fetch(store, key, digest, path)
        found[name] = path
    return found


def _fetch(store: ObjectStore, key: str, digest: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{threading.get_ident()}")  # jobs in threads may want the same file
    seen = hashlib.sha256()
    try:
        with store.open(key) as stream, temporary.open("wb") as copy:
            while data := stream.read(1 << 20):
                seen.update(data)
                copy.write(data)
        # The digest is the file's name in the payload, so it needs no tag of its own.
        if seen.hexdigest() != digest:
            raise StoreError(f"the side file {key} is not what the driver put there")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"cannot copy the side file {key} to {path.parent}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _install(key: str, store: ObjectStore, seal: Seal) -> None:
    """Make the modules of a bundle importable, those of no other, and those of any bundle before it unknown."""
    if _Warm.bundle == key:
        return
    if _Warm.path:
        for name in [name for name, module in sys.modules.items() if _lies_in(module, _Warm.path)]:
            del sys.modules[name]
        sys.path.remove(_Warm.path)
        for path in [path for path in sys.path_importer_cache if path.startswith(_Warm.path)]:
            del sys.path_importer_cache[path]
        _Warm.path = _Warm.bundle = ""
        _Warm.code = ("", b"")
    if not key:
        return
    folder = _home() / "code" / key.rpartition("/")[2]
    if not folder.exists():
        _unpack(seal.unwrap(key, store.get(key)), folder)
    sys.path.insert(0, str(folder))
    _Warm.path, _Warm.bundle = str(folder), key


def _lies_in(module: object, folder: str) -> bool:
    """Whether a module, or one of the folders of a package without a file, lies below `folder`."""
    fields = getattr(module, "__dict__", {})
    places = (fields.get("__file__"), *(fields.get("__path__") or ()))
    return any(isinstance(place, str) and place.startswith(folder + os.sep) for place in places)


def _unpack(archive: bytes, folder: Path) -> None:
    import io
    import zipfile

    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            bundle.extractall(temporary)
    except OSError as error:
        raise CodeError(f"cannot unpack the job's modules to {folder.parent}: {error.strerror}") from error
    temporary.rename(folder)


def _shared() -> Path:
    """The folder for what this process and those beside it cache together."""
    given = os.environ.get("MAPREDUCE_WORKER_HOME")
    return Path(given) if given else _home()


def _home() -> Path:
    """The folder of this process for what it caches."""
    if _Warm.home is None:
        # A parent that removes it after us gives it; else it is ours to remove.
        given = os.environ.get("MAPREDUCE_WORKER_HOME")
        if given:
            _Warm.home = Path(given) / str(os.getpid())
            _Warm.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            import atexit

            _Warm.home = Path(tempfile.mkdtemp(prefix="mapreduce-worker-"))
            atexit.register(shutil.rmtree, _Warm.home, ignore_errors=True)
    return _Warm.home
