"""Installing wheels for another platform into a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from driver.deploy.errors import DeployError
from driver.deploy.platforms import Platform


def install(pins: Mapping[str, str], platform: Platform, folder: str) -> None:
    """Install exactly these distributions, built for `platform`, into `folder`, by pip or else by uv.

    Raises:
        DeployError: there is neither, or a distribution has no wheel for the platform.
    """
    wanted = [f"{name}=={version}" for name, version in sorted(pins.items())]
    done = subprocess.run(
        [*_installer(platform), "--no-deps", "--target", folder, *wanted],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if "error" in line.lower()) or done.stderr
        raise DeployError(
            f"the libraries of the function could not be installed for Python {platform.python} on {platform.arch}"
            f" (glibc of {platform.tags[0]}): {said.strip()[-1500:]}"
        )


def _installer(platform: Platform) -> list[str]:
    """The beginning of a command that installs wheels for `platform`."""
    only = ["--quiet", "--only-binary=:all:", f"--python-version={platform.python}"]
    if find_spec("pip") is not None:
        tags = [f"--platform={tag}" for tag in platform.tags]
        how = [
            "--no-input",
            "--no-compile",
            "--no-warn-conflicts",
            "--disable-pip-version-check",
            "--implementation=cp",
        ]
        return [sys.executable, "-m", "pip", "install", *only, *how, *tags]
    uv = shutil.which("uv")
    if uv is None:
        raise DeployError(f"building the function's package needs pip in {sys.executable}, or uv: install one of them")
    return [uv, "pip", "install", *only, f"--python={sys.executable}", f"--python-platform={_uv_name(platform)}"]


def _uv_name(platform: Platform) -> str:
    newest = platform.tags[0].removeprefix("manylinux_").removesuffix(f"_{platform.machine}")
    return f"{platform.machine}-manylinux_{newest}"
