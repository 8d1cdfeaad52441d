"""The code package: always the same bytes, small, and all that functions need."""

from __future__ import annotations

import ast
import io
import os
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import mapreduce
from driver.deploy import package
from driver.deploy.errors import DeployError
from driver.deploy.package import OURS, build, fingerprint
from driver.deploy.pins import NEEDED, pins
from driver.deploy.platforms import Platform, platform_of
from mapreduce import ConfigError
from tests.driver.deploy.packages import built

HOME = Path(mapreduce.__file__).parent.parent
ARM = platform_of("arm64")
# What Lambda's runtime has; what jobs with arrays or columns bring themselves; what only type checkers read.
ELSEWHERE = {"boto3", "botocore", "numpy", "pyarrow", "typing_extensions"}


def wheel(folder: Path, name: str, requires: str = "", tag: str = "py3-none-any") -> str:
    """A wheel of a little library."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": f"name = {name!r}\n",
        f"{name}/tests/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as file:
        for entry, text in files.items():
            file.writestr(entry, text)
    return str(path)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two libraries, of which `upper` needs `lower`, are installed here; pip has their wheels and no network."""
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    wheels.mkdir()
    for path in (wheel(wheels, "upper", "lower; sys_platform == 'linux'"), wheel(wheels, "lower")):
        zipfile.ZipFile(path).extractall(installed)
    monkeypatch.setattr(sys, "path", [str(installed), *sys.path])
    monkeypatch.setattr(package, "NEEDED", ())
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def names(data: bytes) -> list[str]:
    """The files of an archive."""
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


@pytest.mark.process
def test_same_bytes(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built twice, in different folders and with other masks for new files, a package has the same digest."""
    one = build(ARM, ["upper"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = os.umask(0o077)
    try:
        two = build(ARM, ["upper"])
    finally:
        os.umask(before)
    assert one.digest == two.digest
    assert one.data == two.data


@pytest.mark.process
def test_holds_what_is_needed(offline: Path) -> None:
    """Our packages and the libraries with theirs are in it; nothing compiled, recorded or for tests of ours."""
    found = names(build(ARM, ["upper"]).data)
    assert {"mapreduce/__init__.py", "shuffle/__init__.py", "worker/handler.py"} <= set(found)
    assert {"upper/__init__.py", "lower/__init__.py", "lower-1.0.dist-info/METADATA"} <= set(found)
    tops = {name.partition("/")[0] for name in found}
    assert tops == {*OURS, "upper", "lower", "upper-1.0.dist-info", "lower-1.0.dist-info"}
    assert not [name for name in found if "__pycache__" in name or name.endswith((".pyc", "RECORD", "INSTALLER"))]
    assert not [name for name in found if "testing" in name]
    assert found == sorted(found)


@pytest.mark.process
def test_wrong_platform(offline: Path) -> None:
    """A library without a wheel for the functions' processor is named."""
    (offline / "lower-1.0-py3-none-any.whl").unlink()
    wheel(offline, "lower", tag="py3-none-manylinux_2_17_x86_64")
    with pytest.raises(DeployError, match=r"on arm64 .*lower==1\.0"):
        build(ARM, ["lower"])
    assert "lower/__init__.py" in names(build(platform_of("x86_64"), ["lower"]).data)


@pytest.mark.process
def test_too_large(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lambda would not take is refused before it is uploaded."""
    monkeypatch.setattr(package, "UNPACKED_LIMIT", 1000)
    with pytest.raises(DeployError, match="deploy an image"):
        build(ARM, ["upper"])


def test_not_installed() -> None:
    """A library that is not installed here, or in another version, is not guessed."""
    with pytest.raises(DeployError, match="no-such-library is not installed here"):
        pins(["no-such-library"], ARM)
    with pytest.raises(DeployError, match=r"click>=99 is required in the function, and \S+ is installed here"):
        pins(["click>=99"], ARM)


def test_pins_follow_requirements() -> None:
    """Libraries, and those that they need there, have the versions that they have here."""
    found = pins(NEEDED, ARM)
    assert found["hiredis"] == version("hiredis")
    assert found["obstore"] == version("obstore")
    assert "pytest" not in found


def test_fingerprint(offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fingerprint changes with what goes in: platform, libraries, our sources; and with nothing else."""
    one = fingerprint(ARM)
    assert fingerprint(ARM) == one
    assert (
        len({one, fingerprint(platform_of("x86_64")), fingerprint(ARM, ["upper"]), fingerprint(Platform(12, "arm64"))})
        > 2
    )
    for name in OURS:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(package, "_HOME", tmp_path)
    (tmp_path / "worker/handler.py").write_text("one")
    first = fingerprint(ARM)
    (tmp_path / "worker/handler.py").write_text("two")
    assert fingerprint(ARM) != first


def test_python_that_lambda_lacks() -> None:
    """A Python without a runtime is refused, with those that there are."""
    with pytest.raises(ConfigError, match=r"no runtime for Python 3\.99: .* 3\.11, 3\.12"):
        platform_of("arm64", 99)


def test_glibc_of_the_runtime() -> None:
    """Wheels for a newer C library than that of the runtime are not taken."""
    assert "manylinux_2_26_aarch64" in Platform(11, "arm64").tags
    assert "manylinux_2_27_aarch64" not in Platform(11, "arm64").tags
    assert "manylinux_2_34_x86_64" in Platform(12, "x86_64").tags
    assert "manylinux2014_x86_64" in Platform(11, "x86_64").tags


def test_imports_are_packaged() -> None:
    """What mapreduce, shuffle and worker import is in the package, or known to be elsewhere."""
    imported = set()
    for name in OURS:
        for path in (HOME / name).rglob("*.py"):
            if "testing" in path.as_posix():
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    imported.add(str(node.module).partition(".")[0])
    needed = {requirement.partition("[")[0] for requirement in NEEDED}
    assert imported - set(sys.stdlib_module_names) - set(OURS) - ELSEWHERE == needed


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
def test_size(arch: str) -> None:
    """The real package is below 20 MB, and has native code for the functions' processor alone."""
    made = built(platform_of(arch))
    assert len(made.data) < 20_000_000
    machine = {"arm64": 0xB7, "x86_64": 0x3E}[arch]
    with zipfile.ZipFile(io.BytesIO(made.data)) as file:
        libraries = [name for name in file.namelist() if name.endswith(".so")]
        assert {file.read(name)[18] for name in libraries} == {machine}  # e_machine of ELF
    assert {"blake3", "obstore", "hiredis", "zstandard", "psutil"} <= {name.partition("/")[0] for name in libraries}
