"""The code package: a zip archive of mapreduce, shuffle and worker with what they need, always the same bytes.

Two numbers name it. The fingerprint is made of what goes in (our sources, the pinned versions, the platform),
so it is known without building; the digest is that of the archive, and names the object that Lambda gets.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from io import BytesIO
from typing import NamedTuple

import mapreduce
from driver.deploy.errors import DeployError
from driver.deploy.pins import NEEDED, pins
from driver.deploy.platforms import Platform
from driver.deploy.wheels import install
from mapreduce.sizes import format_size

#: Packages of ours that a function needs.
OURS = ("mapreduce", "shuffle", "worker")
#: Bytes that a package may have unpacked. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT = 250 << 20

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(mapreduce.__file__)))
# What no function needs, or what differs from one installation to the next. zstandard brings its library
# twice; the one for cffi is half of its size.
_LEFT_OUT = (
    "*.pyc",
    "*.pyi",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
    "*.dist-info/sboms/*",
    "bin/*",
    "zstandard/*cffi*",
    # contracts as tests, which import pytest
    "mapreduce/objectstore/testing/*",
    "shuffle/testing.py",
)
# What every file of the archive has: the oldest date that zip knows, and read permission for all.
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


class Package(NamedTuple):
    """A code package.

    Attributes:
        data: the archive.
        digest: SHA-256 of `data`, hexadecimal.
        unpacked: bytes of its files.
    """

    data: bytes
    digest: str
    unpacked: int


def fingerprint(platform: Platform, libraries: Sequence[str] = ()) -> str:
    """A digest of all that decides what a package holds, without building it.

    Raises:
        DeployError: something that it needs is not installed.
    """
    sources = {name: hashlib.sha256(_read(path)).hexdigest() for name, path in _sources()}
    inputs = {"platform": platform, "pins": pins([*NEEDED, *libraries], platform), "sources": sources}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def build(platform: Platform, libraries: Sequence[str] = ()) -> Package:
    """Make the package.

    Args:
        platform: that functions run on.
        libraries: requirements that it holds beside the worker's own.

    Raises:
        DeployError: something that it needs is not installed, has no wheel for the platform, or is too large.
    """
    with tempfile.TemporaryDirectory(prefix="mapreduce-package-") as folder:
        install(pins([*NEEDED, *libraries], platform), platform, folder)
        files = dict(_files(folder, folder))
        files.update(_sources())
        contents = {name: _read(path) for name, path in sorted(files.items())}
    unpacked = sum(map(len, contents.values()))
    if unpacked > UNPACKED_LIMIT:
        raise DeployError(
            f"the code package has {format_size(unpacked)} unpacked, and Lambda takes {format_size(UNPACKED_LIMIT)}:"
            " take libraries out, or deploy an image (--image)"
        )
    data = archive(contents)
    return Package(data, hashlib.sha256(data).hexdigest(), unpacked)


def archive(contents: dict[str, bytes]) -> bytes:
    """A zip archive that depends on names and contents alone."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, data in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = _MODE
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, data, compresslevel=9)
    return buffer.getvalue()


def _sources() -> Iterator[tuple[str, str]]:
    """Names in the archive, and paths, of our own files."""
    for package in OURS:
        yield from _files(os.path.join(_HOME, package), _HOME)


def _files(folder: str, home: str) -> Iterator[tuple[str, str]]:
    """Names below `home`, and paths, of what a function needs of a folder."""
    for parent, _, names in os.walk(folder):
        for file in names:
            path = os.path.join(parent, file)
            name = os.path.relpath(path, home).replace(os.sep, "/")
            if not any(fnmatch(name, pattern) for pattern in _LEFT_OUT):
                yield name, path


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
