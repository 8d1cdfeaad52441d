from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driver.lambda_local.measure import folder_bytes, memory_of, peak_memory

MB = 1 << 20

_FORK = f"""
import os, sys
kept = b"x" * {100 * MB}
if os.fork():
    print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.process
def test_memory_is_that_of_all_processes_and_shared_pages_count_once_where_it_matters() -> None:
    command = [sys.executable, "-c", _FORK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        pid = process.pid
        assert 200 * MB < memory_of([pid], {pid: 1000 * MB})[pid] < 300 * MB
        assert 100 * MB < memory_of([pid], {pid: 150 * MB})[pid] < 150 * MB
        assert 100 * MB < peak_memory(pid) < 150 * MB
        process.communicate(b"")
    assert memory_of([pid], {pid: MB}) == {pid: 0}


def test_files_count_wherever_they_are_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    before = folder_bytes(str(tmp_path))
    with (tmp_path / "below" / "deeper" / "file").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, MB)
    os.symlink("/usr", tmp_path / "link")
    assert MB <= folder_bytes(str(tmp_path)) - before < 2 * MB
    assert folder_bytes(str(tmp_path / "nothing")) == 0
