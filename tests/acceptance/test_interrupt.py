"""Ctrl-C ends everything: no process, no half output, no temporary file stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable

import psutil
import pytest

from tests.acceptance.conftest import CLI, Python

pytestmark = pytest.mark.process

JOB = """
    import os, subprocess, threading
    from mapreduce import FoldBy, Job, Mapper

    class Stuck(Mapper):
        def setup(self):
            self.process = None

        def map(self, line):
            yield line, 1
            child = subprocess.Popen(["sleep", "1000"])
            with open("started", "w") as pipe:
                pipe.write(f"{os.getpid()} {child.pid}\\n")
            threading.Event().wait()

    job = Job(mapper=Stuck(), reducer=FoldBy(max))

    if __name__ == "__main__":
        from driver import Driver
        Driver(workers=2, storage="storage").run(job, "in.txt", "out")
"""
COMMAND = (*CLI, "run", "my_job.py", "in.txt", "--output", "out", "--storage", "storage", "--workers", "2")


@pytest.fixture
def stuck(python: Python) -> Callable[..., tuple[subprocess.Popen[str], set[psutil.Process]]]:
    """Starts a job, and waits until two mappers and what they have started are in the middle of their work."""
    python.write({"my_job.py": JOB})
    os.mkfifo(python.folder / "started")

    def start(*arguments: str) -> tuple[subprocess.Popen[str], set[psutil.Process]]:
        process = python.start(*arguments)
        pids: set[int] = set()
        while len(pids) < 4:  # each of them opens the pipe, or both one after the other
            pids.update(map(int, (python.folder / "started").read_text().split()))
        return process, {psutil.Process(pid) for pid in pids}

    return start


Stuck = Callable[..., tuple[subprocess.Popen[str], set[psutil.Process]]]


def runs(process: psutil.Process) -> bool:
    """Whether a process is more than an entry in a table that nobody has asked for."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def check_nothing_left(python: Python, workers: set[psutil.Process]) -> None:
    assert not any(map(runs, workers))
    assert list((python.folder / "storage").iterdir()) == []
    assert list((python.folder / "out").iterdir()) == []
    assert list(python.temporary.iterdir()) == []


def interrupt_driver(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def interrupt_group(process: subprocess.Popen[str]) -> None:
    """As a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("interrupt", [interrupt_driver, interrupt_group])
def test_command(python: Python, stuck: Stuck, interrupt: Callable[[subprocess.Popen[str]], None]) -> None:
    """The command line says so in a line, and exits as shells expect."""
    process, workers = stuck(*COMMAND)
    interrupt(process)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    check_nothing_left(python, workers)


def test_script(python: Python, stuck: Stuck) -> None:
    """A script gets its KeyboardInterrupt."""
    process, workers = stuck("my_job.py")
    interrupt_group(process)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert output == ""
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    check_nothing_left(python, workers)


def test_killed_driver(python: Python, stuck: Stuck) -> None:
    """Workers end when their driver is killed, and so can do nothing about it."""
    process, workers = stuck("my_job.py")
    process.kill()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not any(map(runs, alive))
    assert list(python.temporary.iterdir()) == []
    assert not [path for path in (python.folder / "out").rglob("part-*") if path.is_file()]
