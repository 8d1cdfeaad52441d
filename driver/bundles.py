"""Bundles: the libraries of a job's requirements as one zip archive, built for where its workers run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from driver.archives import unpacked_size, write_zip
from driver.deploy.platforms import platform_of
from driver.wheels import WheelError, files, install, resolve
from mapreduce.errors import CodeError
from mapreduce.sizes import format_size

# Part of a bundle's name, so that another way of building does not find what this one built.
_FORMAT = 2
# Bytes of a bundle, unpacked, where nothing else is known: the largest /tmp that a function may have.
_MOST = 10_240 << 20


class Bundle(NamedTuple):
    """A bundle on this machine.

    Attributes:
        path: of the archive.
        digest: SHA-256 of the archive, hexadecimal.
        size: bytes of the archive.
        unpacked: bytes of its files.
    """

    path: Path
    digest: str
    size: int
    unpacked: int


def make_bundle(requirements: Sequence[str], machine: str = "", cache: Path | None = None) -> Bundle:
    """The bundle of these requirements, which is built if it has not been.

    Args:
        requirements: lines of a requirements file.
        machine: processor of functions on Linux, as `platform.machine()` tells it; "" for this very Python.
        cache: where bundles are kept; by default in the user's cache.

    Raises:
        CodeError: there is neither pip nor uv, or no wheels for what is required; the message has what it said.
    """
    platform = platform_of("arm64" if machine in ("aarch64", "arm64") else "x86_64") if machine else None
    with tempfile.TemporaryDirectory(prefix="mapreduce-bundle-") as name:
        folder = Path(name)
        listed = folder / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        try:
            what = json.dumps([_FORMAT, sys.version_info[:2], machine or sys.platform, resolve(listed, platform)])
            path = (cache or _cache()) / f"{hashlib.sha256(what.encode()).hexdigest()}.zip"
            if not path.exists():
                install(["-r", str(listed)], platform, folder / "libraries")
                _archive(folder / "libraries", path)
        except WheelError as error:
            raise CodeError(f"requirements: the libraries cannot be bundled: {error}") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Bundle(path, digest, path.stat().st_size, unpacked_size(path))


def check_room(bundle: Bundle, room: int | None) -> None:
    """Refuse a bundle for which workers have no room; both the archive and its files lie there for a while.

    Raises:
        CodeError: there are so many bytes of room, and it needs more.
    """
    limit = _MOST if room is None else room
    if bundle.size + bundle.unpacked > limit:
        raise CodeError(
            f"requirements: the libraries have {format_size(bundle.unpacked)}, {format_size(bundle.size)} zipped, and"
            f" workers have room for {format_size(limit)}: give the function a larger /tmp (`mapreduce deploy --tmp`),"
            " leave some out, or deploy an image that has them"
        )


def _archive(folder: Path, path: Path) -> None:
    """Make an archive of a folder; at its path it is whole, or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        write_zip(temporary, files(folder), 6)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mapreduce" / "bundles"
