from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from driver.lambda_local import LambdaLocal
from tests.driver.lambda_local.calls import SOURCE, Functions, until

pytestmark = pytest.mark.process

_CLI = [sys.executable, "-P", "-c", "from driver.cli import main; main()", "lambda-local"]


@contextmanager
def _command(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Functions]]:
    """The command, running, with `folder` for its temporary files."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        [*_CLI, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environ, "TMPDIR": str(folder)},
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Lambda is served at http://127.0.0.1:"), line + process.stdout.read()
            service = LambdaLocal()
            service.url = line.split()[4].rstrip(",")
            yield process, Functions(service)
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_the_command_ends(tmp_path: Path, how: signal.Signals) -> None:
    with _command(tmp_path) as (process, functions):
        name = functions.create()
        start = "import os, subprocess; answer = [os.getpid(), subprocess.Popen(['sleep', '1000']).pid]"
        pids = functions.call(name, start).value
        functions.send(name, "import time; time.sleep(1000)")
        until(lambda: len(list(tmp_path.glob("lambda-local-*/tmp/*"))) == 1)
        process.send_signal(how)
        process.wait()
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
        until(lambda: not list(tmp_path.iterdir()))
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL}.get(how, 130)


def test_the_command_takes_a_script_of_faults(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"do": "error", "first": 2}]')
    with _command(tmp_path, "--faults", str(script)) as (_, functions):
        name = functions.create()
        assert not functions.call(name).failed
        with pytest.raises(functions.api.exceptions.ServiceException, match="as the faults say"):
            functions.call(name)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"do": "nothing"}]')
    done = subprocess.run([*_CLI, "--faults", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {script}: 'nothing' is none of drop, ")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*_CLI, "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_a_service_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(psutil.Process().children(recursive=True))
    with LambdaLocal() as service:
        functions = Functions(service)
        name = functions.create(SOURCE)
        functions.call(name)
        functions.send(name, "import time; time.sleep(1000)")
        assert list(tmp_path.iterdir())
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not list(tmp_path.iterdir())
