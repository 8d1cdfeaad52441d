"""Libraries that a job brings along: fetched and unpacked once for all processes beside each other.

A process keeps to the first bundle that it loads, since native code cannot be unloaded. A local worker
serves one driver, whose requirements are a setting, and on a function each job has a process of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapreduce.errors import CodeError, StoreError
from mapreduce.objectstore import ObjectStore


class _Loaded:
    """Which bundle this process has loaded, by its key."""

    key = ""


def install(key: str, store: ObjectStore, home: Path) -> None:
    """Make the libraries of a bundle importable.

    Args:
        key: of the bundle, which ends in the SHA-256 of its content; "" for none.
        store: that holds it.
        home: folder that the processes of this machine, or of this sandbox, share.

    Raises:
        CodeError: this process has loaded other libraries, or there is no room for these.
        StoreError: the bundle is not there, or is not what the driver put there.
    """
    if key == _Loaded.key:
        return
    if _Loaded.key:
        raise CodeError(f"this process has loaded the libraries {_Loaded.key}, and cannot exchange them for {key!r}")
    digest = key.rpartition("/")[2]
    folder = home / "libraries" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f"{digest}.lock"):
        if not folder.exists():
            try:
                _unpack(store, key, digest, folder)
            except OSError as error:
                raise CodeError(
                    f"cannot unpack the libraries to {folder.parent}: {error.strerror}; give the function a larger"
                    " /tmp, or leave out what the job does not need"
                ) from error
    sys.path.insert(0, str(folder))
    _Loaded.key = key


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unpack(store: ObjectStore, key: str, digest: str, folder: Path) -> None:
    archive, temporary = folder.with_name(f".{digest}.zip"), folder.with_name(f".{digest}")
    shutil.rmtree(temporary, ignore_errors=True)
    seen = hashlib.sha256()
    try:
        with store.open(key) as stream, archive.open("wb") as copy:
            while data := stream.read(1 << 20):
                seen.update(data)
                copy.write(data)
        # The digest came with the payload, so nothing is loaded that the driver did not mean.
        if seen.hexdigest() != digest:
            raise StoreError(f"the libraries {store.url}/{key} are not what the driver put there")
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(temporary)
    finally:
        archive.unlink(missing_ok=True)
    os.rename(temporary, folder)
