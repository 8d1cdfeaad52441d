"""The code package: a zip archive of mapreduce, shuffle and worker with what they need, always the same bytes.

Two numbers name it. The fingerprint is made of what goes in (our sources, the pinned versions, the platform),
so it is known without building; the digest is that of the archive, and names the object that Lambda gets.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import mapreduce
from driver.archives import write_zip
from driver.deploy.errors import DeployError
from driver.deploy.pins import NEEDED, pins
from driver.deploy.platforms import Platform
from driver.wheels import WheelError, files, install
from mapreduce.sizes import format_size

#: Packages of ours that a function needs.
OURS = ("mapreduce", "shuffle", "worker")
#: Bytes that a package may have unpacked. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT = 250 << 20

_HOME = Path(mapreduce.__file__).absolute().parent.parent
# What no function needs. zstandard brings its library twice; the one for cffi is half of its size.
_LEFT_OUT = (
    "*.pyc",
    "*.pyi",
    "*.dist-info/sboms/*",
    "bin/*",
    "zstandard/*cffi*",
    # contracts as tests, which import pytest
    "mapreduce/objectstore/testing/*",
    "shuffle/testing.py",
)


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

    @property
    def sha256(self) -> str:
        """The digest, as AWS's services write it."""
        return base64_digest(self.digest)


def base64_digest(digest: str) -> str:
    """A digest in base64, from hexadecimal."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def fingerprint(platform: Platform, libraries: Sequence[str] = ()) -> str:
    """A digest of all that decides what a package holds, without building it.

    Raises:
        DeployError: something that it needs is not installed.
    """
    sources = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in _sources()}
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
        wanted = [f"{name}=={version}" for name, version in pins([*NEEDED, *libraries], platform).items()]
        try:
            install(["--no-deps", *wanted], platform, Path(folder))
        except WheelError as error:
            raise DeployError(
                f"the libraries of the function could not be installed for Python {platform.python} on"
                f" {platform.arch} (glibc of {platform.tags[0]}): {error}"
            ) from None
        packed = {name: path for name, path in {**files(Path(folder)), **dict(_sources())}.items() if _is_packed(name)}
        unpacked = sum(path.stat().st_size for path in packed.values())
        if unpacked > UNPACKED_LIMIT:
            raise DeployError(
                f"the code package has {format_size(unpacked)} unpacked, and Lambda takes"
                f" {format_size(UNPACKED_LIMIT)}: take libraries out, or deploy an image (--image)"
            )
        buffer = BytesIO()
        write_zip(buffer, packed, 9)
    data = buffer.getvalue()
    return Package(data, hashlib.sha256(data).hexdigest(), unpacked)


def _sources() -> Iterator[tuple[str, Path]]:
    """Names in the archive, and paths, of our own files."""
    for package in OURS:
        for path in (_HOME / package).rglob("*"):
            name = path.relative_to(_HOME).as_posix()
            if path.is_file() and _is_packed(name):
                yield name, path


def _is_packed(name: str) -> bool:
    return not any(fnmatch(name, pattern) for pattern in _LEFT_OUT)
