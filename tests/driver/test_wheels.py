"""Wheels by pip, and by uv where there is no pip: the same files, whichever it is."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from driver import wheels
from driver.deploy.platforms import platform_of
from driver.wheels import WheelError, files, install, resolve
from tests.driver.wheels import required, wheel

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(params=["pip", "uv"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is there of pip and uv."""
    name: str = request.param
    if name == "uv":
        folder = Path(sys.executable).parent
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        if shutil.which("uv") is None:
            pytest.skip("no uv: pip install uv")
        without_pip(monkeypatch)
    return name


def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in an environment that uv made, which has no pip."""

    def find(name: str) -> ModuleSpec | None:
        return None if name == "pip" else find_spec(name)

    monkeypatch.setattr(wheels, "find_spec", find)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Requirements, for which there are wheels for two processors, and a library that any processor runs."""
    folder = tmp_path / "wheels"
    for machine in ("x86_64", "aarch64"):
        wheel(folder, "native_of_tests", "1.0", f"MACHINE = {machine!r}\n", f"py3-none-manylinux2014_{machine}")
    wheel(folder, "greeting_of_tests", "1.0", "")
    path = tmp_path / "requirements.txt"
    path.write_text("\n".join(required(folder, "native-of-tests", "greeting-of-tests>=1")))
    return path


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_for_a_platform(tool: str, listed: Path, tmp_path: Path, machine: str) -> None:
    """What is installed is for the processor that is asked for, and of it the files that count."""
    platform = platform_of({"aarch64": "arm64"}.get(machine, machine))
    resolved = resolve(listed, platform)
    names = [line.partition(" ")[0].replace("_", "-") for line in resolved]
    assert names == ["greeting-of-tests==1.0", "native-of-tests==1.0"]
    assert resolve(listed, platform) == resolved
    install(["-r", str(listed)], platform, tmp_path / "libraries")
    found = files(tmp_path / "libraries")
    assert found["native_of_tests.py"].read_text() == f"MACHINE = {machine!r}\n"
    infos = {
        f"{name}_of_tests-1.0.dist-info/{file}" for name in ("greeting", "native") for file in ("METADATA", "WHEEL")
    }
    assert set(found) == {"native_of_tests.py", "greeting_of_tests.py", *infos}


def test_digests(tool: str, listed: Path, tmp_path: Path) -> None:
    """Another wheel of the same version is another one."""
    before = resolve(listed, platform_of("arm64"))
    wheel(tmp_path / "wheels", "greeting_of_tests", "1.0", "changed = True\n")
    assert resolve(listed, platform_of("arm64")) != before


def test_no_wheel(tool: str, listed: Path, tmp_path: Path) -> None:
    """What there is no wheel for is named."""
    (tmp_path / "wheels" / "native_of_tests-1.0-py3-none-manylinux2014_aarch64.whl").unlink()
    with pytest.raises(WheelError, match=r"native.of.tests"):
        install(["-r", str(listed)], platform_of("arm64"), tmp_path / "libraries")


def test_neither(monkeypatch: pytest.MonkeyPatch, listed: Path) -> None:
    """Without pip and uv it is said what to do."""
    without_pip(monkeypatch)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(WheelError, match=r"needs pip in .*, or uv: install one of them"):
        resolve(listed, None)
