"""Whole processes, measured."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.process import machine, peak_memory, run_whole, with_ours

pytestmark = pytest.mark.process


def python(code: str) -> list[str]:
    """A command."""
    return [sys.executable, "-c", code]


def test_time_and_processor_time() -> None:
    """The clock tells how long it took, the processor how much was done meanwhile."""
    whole = run_whole(python("import time; time.sleep(0.3)"), timeout=60)
    assert whole.problem == ""
    assert whole.seconds >= 0.3
    assert whole.cpu > 0
    busy = run_whole(python("import time\nwhile time.process_time() < 0.5: pass"), timeout=60)
    assert busy.cpu >= 0.5


def test_folder_and_environment(tmp_path: Path) -> None:
    """The command runs where, and with what, it is told."""
    code = "import os, sys; open('here', 'w').write(os.environ['WORD'])"
    assert run_whole(python(code), timeout=60, folder=str(tmp_path), environ={"WORD": "yes"}).problem == ""
    assert (tmp_path / "here").read_text() == "yes"


def test_failure() -> None:
    """The exit code and the last line of standard error are told."""
    whole = run_whole(python("print('out'); raise ValueError('wrong')"), timeout=60)
    assert whole.problem == "exit code 1 after 0 s: ValueError: wrong"


def test_timeout() -> None:
    """A command that hangs is ended."""
    whole = run_whole(python("import time; time.sleep(100)"), timeout=0.2)
    assert whole.problem.startswith("exit code -9 after 0 s")


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")
def test_orphans_are_ended_and_counted(tmp_path: Path) -> None:
    """What a command leaves behind is not left to the next measurement; its work is the command's."""
    orphan = "import time\nwhile time.process_time() < 0.5: pass\nopen('busy', 'w').close()\ntime.sleep(100)"
    code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {orphan!r}], start_new_session=True)
while not os.path.exists('busy'):
    time.sleep(0.01)
open('child', 'w').write(str(child.pid))
os._exit(0)
"""
    whole = run_whole(python(code), timeout=60, folder=str(tmp_path))
    assert whole.problem == ""
    assert whole.cpu >= 0.5
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


def test_ours_can_be_imported(tmp_path: Path) -> None:
    """From any folder, and with what the path had before."""
    found = with_ours({"PYTHONPATH": "/somewhere"})
    assert found["PYTHONPATH"].endswith(":/somewhere")
    whole = run_whole(python("import benchmarks, mapreduce"), timeout=60, folder=str(tmp_path), environ=with_ours({}))
    assert whole.problem == ""


def test_peak_memory_is_this_process_own() -> None:
    """Memory that was let go counts, a parent's memory does not."""
    before = peak_memory()
    data = bytearray(300_000_000)
    data[::4096] = b"x" * len(data[::4096])
    del data
    assert peak_memory() > before + 200_000_000 or before > 300_000_000
    code = "from benchmarks.process import peak_memory; import sys; sys.exit(peak_memory() > 200_000_000)"
    assert run_whole(python(code), timeout=60, environ=with_ours()).problem == ""


def test_machine() -> None:
    """What the figures depend on is told."""
    assert machine()["python"] == ".".join(map(str, sys.version_info[:3]))
    assert machine()["processors"] >= 1
