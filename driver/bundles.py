"""Bundles: the libraries of a job's requirements as one zip archive, built for where its workers run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from driver.deploy.platforms import platform_of
from mapreduce.errors import CodeError
from mapreduce.sizes import format_size

# Part of a bundle's name, so that another way of building does not find what this one built.
_FORMAT = 1
# What every file of the archive has: the oldest date that zip knows, and the rights that it needs.
_DATE = (1980, 1, 1, 0, 0, 0)
_FILE, _PROGRAM = 0o100644 << 16, 0o100755 << 16
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
        CodeError: pip is missing, or finds no wheels for what is required; the message has what it said.
    """
    if find_spec("pip") is None:
        raise CodeError(f"requirements: building a bundle needs pip in {sys.executable}: install it there")
    with tempfile.TemporaryDirectory(prefix="mapreduce-bundle-") as name:
        folder = Path(name)
        listed = folder / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        options = _options(machine)
        resolved = _resolve(listed, options, folder)
        what = json.dumps([_FORMAT, sys.version_info[:2], machine or sys.platform, resolved])
        path = (cache or _cache()) / f"{hashlib.sha256(what.encode()).hexdigest()}.zip"
        if not path.exists():
            _pip(["install", "--no-compile", "--target", str(folder / "libraries"), *options, "-r", str(listed)])
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}-{os.getpid()}")
            try:
                _archive(folder / "libraries", temporary)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with zipfile.ZipFile(path) as bundle:
        unpacked = sum(entry.file_size for entry in bundle.infolist())
    return Bundle(path, digest, path.stat().st_size, unpacked)


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


def _options(machine: str) -> list[str]:
    """Of pip: which wheels fit."""
    if not machine:
        return ["--only-binary=:all:"]
    platform = platform_of("arm64" if machine in ("aarch64", "arm64") else "x86_64")
    python = [f"--python-version={platform.python}", "--implementation=cp"]
    return ["--only-binary=:all:", *python, *(f"--platform={tag}" for tag in platform.tags)]


def _resolve(listed: Path, options: list[str], folder: Path) -> list[list[str]]:
    """Name, version and digest of every distribution that the requirements lead to."""
    report = folder / "report.json"
    target = ["--target", str(folder / "nowhere")]
    _pip(["install", "--dry-run", "--ignore-installed", "--report", str(report), *target, *options, "-r", str(listed)])
    found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return sorted(
        [
            one["metadata"]["name"],
            one["metadata"]["version"],
            one["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", one["download_info"]["url"]),
        ]
        for one in found
    )


def _pip(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if "ERROR" in line) or done.stderr
        raise CodeError(f"requirements: the libraries cannot be bundled: {said.strip()[-1500:]}")


def _archive(folder: Path, path: Path) -> None:
    """Write a zip archive that depends on names, contents and rights alone."""
    left_out = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            if file.suffix == ".pyc" or (file.name in left_out and file.parent.suffix == ".dist-info"):
                continue
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DATE)
            entry.create_system = 3
            entry.external_attr = _PROGRAM if file.stat().st_mode & 0o100 else _FILE
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w") as copy:
                while data := source.read(1 << 20):
                    copy.write(data)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mapreduce" / "bundles"
