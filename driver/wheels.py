"""Wheels for workers: found and installed into a folder by pip, or else by uv, for the platform that they run on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from driver.deploy.platforms import Platform

# What of an installed distribution differs from one installation to the next, or nobody needs who runs it.
_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}

# What uv is not to add to the names that it finds.
_TERSE = ("--no-header", "--no-annotate")
# The minor versions of glibc 2 that uv knows platforms of.
_UV_KNOWS = (17, 28, *range(31, 41))


class WheelError(Exception):
    """There is neither pip nor uv, or there are no wheels as wanted; the message has what was said."""


def install(wanted: Sequence[str], platform: Platform | None, folder: Path) -> None:
    """Install distributions into a folder.

    Args:
        wanted: arguments of pip and uv: requirements, `-r` and a file, `--no-deps`.
        platform: that they are for; None for this very Python.
        folder: where to.

    Raises:
        WheelError: it cannot be done.
    """
    _run([*_installer("install"), *_options(platform), "--target", str(folder), *wanted], platform)


def resolve(listed: Path, platform: Platform | None) -> list[str]:
    """Name, version and digests of every distribution that requirements lead to, a text for each.

    Args:
        listed: a file of requirements.
        platform: that they are for; None for this very Python.

    Raises:
        WheelError: it cannot be done.
    """
    if not _has_pip():
        told = _run([*_installer("compile"), *_options(platform), "--generate-hashes", *_TERSE, str(listed)], platform)
        return sorted(told.replace("\\\n", " ").splitlines())
    with tempfile.TemporaryDirectory(prefix="mapreduce-wheels-") as folder:
        report = Path(folder, "report.json")
        dry = ["--dry-run", "--ignore-installed", "--report", str(report), "--target", f"{folder}/nowhere"]
        _run([*_installer("install"), *_options(platform), *dry, "-r", str(listed)], platform)
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return sorted(map(_name, found))


def files(folder: Path) -> dict[str, Path]:
    """The installed files that count, by their names."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and path != folder / ".lock"  # uv's
        and not (path.name in _LEFT_OUT and path.parent.suffix == ".dist-info")
    }


def _has_pip() -> bool:
    return find_spec("pip") is not None


def _installer(what: str) -> list[str]:
    """The beginning of a command."""
    if _has_pip():
        quiet = ["--quiet", "--no-input", "--no-warn-conflicts", "--disable-pip-version-check", "--no-compile"]
        return [sys.executable, "-m", "pip", what, *quiet]
    uv = shutil.which("uv")
    if uv is None:
        raise WheelError(f"that needs pip in {sys.executable}, or uv: install one of them")
    return [uv, "pip", what, "--quiet", f"--python={sys.executable}"]


def _options(platform: Platform | None) -> list[str]:
    """Which wheels fit; nothing is ever built from source, which would run its code."""
    only = ["--only-binary=:all:"]
    if platform is None:
        return only
    only.append(f"--python-version={platform.python}")
    if _has_pip():
        return [*only, "--implementation=cp", *(f"--platform={tag}" for tag in platform.tags)]
    return [*only, f"--python-platform={platform.machine}-{_nearest(platform)}"]


def _nearest(platform: Platform) -> str:
    """The newest platform that uv knows and that is not newer than this one."""
    return f"manylinux_2_{max(one for one in _UV_KNOWS if f'manylinux_2_{one}_{platform.machine}' in platform.tags)}"


def _name(one: dict[str, Any]) -> str:
    """What pip tells of a distribution that it would install."""
    download = one["download_info"]
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256", download["url"])
    return f"{one['metadata']['name']}=={one['metadata']['version']} {digest}"


def _run(command: Sequence[str], platform: Platform | None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        # Of pip, which also tells of newer versions of itself; uv's error has several lines.
        said = "\n".join(line for line in done.stderr.splitlines() if "ERROR" in line) or done.stderr
        hint = ""
        if platform is not None and not _has_pip() and not platform.tags[0].startswith(f"{_nearest(platform)}_"):
            hint = f"; uv finds no newer wheels than {_nearest(platform)}, pip does: install pip, or use a newer Python"
        raise WheelError(f"{said.strip()[-1500:]}{hint}")
    return done.stdout
