"""A user's file with the name of one of our packages is told so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mapreduce

HOME = Path(mapreduce.__file__).parent.parent

pytestmark = pytest.mark.process


def imported(*path: Path) -> subprocess.CompletedProcess[str]:
    """What a process prints that imports mapreduce with `path` first on sys.path."""
    script = f"import sys; sys.path[:0] = {[*map(str, path)]!r}; import mapreduce; print('imported')"
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    return subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["driver", "shuffle", "worker"])
@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
def test_shadowed(tmp_path: Path, name: str, form: str) -> None:
    """A module or package of the user's is named, with what to do."""
    file = tmp_path / form.format(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise SystemExit('must not run')")
    result = imported(tmp_path)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {file} hides the package {name!r} of mapreduce (in {HOME}): rename that")


def test_shadowed_in_a_folder_of_ours(tmp_path: Path) -> None:
    """A driver.py in a folder right beside our packages is no package of ours."""
    home = tmp_path / "home"
    (home / "examples").mkdir(parents=True)
    for name in ("mapreduce", "driver", "shuffle", "worker"):
        (home / name).symlink_to(HOME / name)
    (home / "examples/driver.py").touch()
    assert imported(home).stdout == "imported\n"
    result = imported(home / "examples", home)
    assert f"ImportError: {home}/examples/driver.py hides the package 'driver'" in result.stderr


def test_not_shadowed(tmp_path: Path) -> None:
    """Folders without code, and files of other names, are no hindrance."""
    (tmp_path / "worker").mkdir()
    (tmp_path / "shuffle.txt").touch()
    (tmp_path / "drivers.py").touch()
    result = imported(tmp_path)
    assert (result.stdout, result.stderr) == ("imported\n", "")


def imported_from(*names: str, home: Path) -> str:
    """What a process complains of that imports mapreduce from a folder with these packages of ours alone."""
    for name in names:
        (home / name).symlink_to(HOME / name)
    script = f"import sys; sys.path[:] = [{str(home)!r}, *sys.path]; import mapreduce"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-P", "-S", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    return result.stderr


def test_missing(tmp_path: Path) -> None:
    """A copy of ours that lacks a package says which."""
    errors = imported_from("mapreduce", "worker", home=tmp_path)
    assert f"ImportError: the package 'shuffle' is missing beside {tmp_path}: install mapreduce again" in errors


def test_without_a_driver(tmp_path: Path) -> None:
    """A function needs no driver, and has none."""
    assert imported_from("mapreduce", "shuffle", "worker", home=tmp_path) == ""
