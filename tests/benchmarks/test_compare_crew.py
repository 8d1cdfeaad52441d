"""Processes that begin together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from benchmarks.compare.crew import Crew, Done, elapsed, share
from benchmarks.process import with_ours


@dataclass
class Note:
    """Notes when it was ready, and which process it was in."""

    fail: str = ""

    def prepare(self) -> None:
        """Be ready."""
        if self.fail == "prepare":
            raise ValueError("not ready")
        self.ready = time.perf_counter()

    def act(self) -> None:
        """Use the processor."""
        if self.fail == "act":
            raise ValueError("not done")
        began = time.process_time()
        while time.process_time() < began + 0.02:
            pass

    def result(self) -> tuple[float, int]:
        """When, and where."""
        return self.ready, os.getpid()


@pytest.mark.process
def test_processes_begin_together() -> None:
    """Each piece of work has a process of its own, and none begins before all are ready."""
    with Crew(3) as crew:
        for _ in range(2):
            done = crew.run([Note(), Note(), Note()])
            assert len({one.result[1] for one in done} - {os.getpid()}) == 3
            assert max(one.result[0] for one in done) <= min(one.began for one in done)
            assert all(one.cpu >= 0.02 and one.ended >= one.began + 0.02 for one in done)


@pytest.mark.process
@pytest.mark.parametrize("fail", ["prepare", "act"])
def test_failure(fail: str) -> None:
    """What failed is told, and nobody waits for it."""
    with Crew(2) as crew, pytest.raises(ValueError, match="not ready" if fail == "prepare" else "not done"):
        crew.run([Note(), Note(fail)])


def test_alone() -> None:
    """One works in this process."""
    with Crew(1) as crew:
        [done] = crew.run([Note()])
        assert done.result[1] == os.getpid()
        with pytest.raises(ValueError, match="not ready"):
            crew.run([Note("prepare")])


def test_elapsed() -> None:
    """From the first beginning to the last end."""
    assert elapsed([Done(2.0, 3.0, 0, None), Done(1.0, 2.5, 0, None)]) == 2.0


def test_share() -> None:
    """All is dealt out, to some more than to others."""
    assert [list(some) for some in share(5, 2)] == [[0, 2, 4], [1, 3]]
    assert [list(some) for some in share(1, 2)] == [[0], []]


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_nobody_stays(tmp_path: Path) -> None:
    """The processes end with the one that began them, even when it is killed."""
    code = """
import sys
from benchmarks.compare.crew import Crew
from tests.benchmarks.test_compare_crew import Note

if __name__ == "__main__":
    with Crew(2) as crew:
        print(*(one.result[1] for one in crew.run([Note(), Note()])), flush=True)
        sys.stdin.read()
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    environ = with_ours()
    root = Path(__file__).parent.parent.parent
    environ["PYTHONPATH"] += os.pathsep + str(root)
    parent = subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environ},
        cwd=tmp_path,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        children = [psutil.Process(int(number)) for number in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
