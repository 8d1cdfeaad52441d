"""The cases of `handler_cases`, in a process of their own.

The handler forks. From a process of tests, which has threads of many libraries by then, a child may wait
forever for a lock that one of these threads held; a sandbox has no such threads.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.process
@pytest.mark.slow
def test_handler() -> None:
    """All of them pass."""
    cases = Path(__file__).with_name("handler_cases.py")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:xdist", "-p", "no:cacheprovider", str(cases)]
    # Where a case hangs, what it was about is among what it wrote.
    done = subprocess.run(["timeout", "200", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
