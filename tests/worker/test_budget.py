"""When a worker spills, and how often it looks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.budget import Budget, Pace, peak_bytes, release, resident_bytes

MB = 1_000_000


class Resident:
    """Resident bytes that a test sets."""

    def __init__(self, size: int = 0) -> None:
        self.size = size

    def __call__(self) -> int:
        return self.size


def test_the_limit_leaves_room_below_the_memory() -> None:
    """A worker spills when half of what its process may add is used."""
    resident = Resident(100 * MB)
    budget = Budget(500 * MB, resident)
    assert budget.limit == 300 * MB
    for size, over in ((100, False), (300, False), (301, True), (299, False)):
        resident.size = size * MB
        assert budget.over() is over


def test_a_shared_process_is_not_counted() -> None:
    """What the driver's own process holds before an attempt does not count against it."""
    budget = Budget(500 * MB, Resident(4000 * MB), own_process=False)
    assert budget.limit == 4250 * MB


@pytest.mark.parametrize("memory", [1, 10 * MB, 99 * MB])
def test_some_room_is_always_left(memory: int) -> None:
    """A process that is larger than the memory it was given can still work, in small pieces."""
    budget = Budget(memory, Resident(100 * MB))
    assert 100 * MB < budget.limit <= 105 * MB
    assert budget.block >= 1 << 16
    assert 0 < budget.run_block <= budget.block


@given(memory=st.integers(1, 1 << 45))
def test_blocks_fit_into_the_memory(memory: int) -> None:
    """Many blocks at once are a small part of the room, and no block is larger than a megabyte or so."""
    budget = Budget(memory, Resident())
    room = max(memory, 8 << 20)
    assert 16 * budget.block <= room // 4 + (16 << 16)
    assert 32 * budget.run_block <= room // 20 + (32 << 14)
    assert budget.run_block <= budget.block <= 1 << 20


@given(sizes=st.lists(st.integers(0, 10**9), min_size=1), most=st.integers(1, 10_000))
def test_a_pace_stays_within_bounds(sizes: list[int], most: int) -> None:
    """Whatever memory does, at least one item and at most the given number are taken at a time."""
    resident = Resident()
    pace = Pace(Budget(100 * MB, resident), most)
    assert 1 <= pace.step <= min(16, most)
    for size in sizes:
        resident.size = size
        assert pace.over() is (size > 50 * MB)
        assert 1 <= pace.step <= most


def test_a_pace_follows_the_size_of_items() -> None:
    """It speeds up over small items and slows down at large ones, so that a step adds little memory."""
    resident = Resident()
    budget = Budget(320 * MB, resident)
    pace = Pace(budget, 8192)
    assert budget.growth == 10 * MB
    for _ in range(10):
        pace.over()
    assert pace.step == 8192
    resident.size += 8192 * 20_000  # each item has 20 KB now
    pace.over()
    assert pace.step == 500
    for _ in range(5):
        resident.size += pace.step * 20_000
        pace.over()
        assert pace.step == 500
    resident.size += 500 * 100 * MB
    pace.over()
    assert pace.step == 1


def test_resident_memory_is_measured() -> None:
    """What is allocated shows, and what is freed goes back to the system."""
    before = resident_bytes()
    data = b"1" * (64 * MB)
    assert resident_bytes() - before > 60 * MB
    assert peak_bytes() >= resident_bytes() - MB
    del data
    release()
    assert resident_bytes() - before < 10 * MB


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own count is right")
def test_the_peak_is_the_processs_own() -> None:
    """A worker that a large driver starts does not report the driver's memory as its own."""
    data = b"1" * (300 * MB)
    code = "from worker.budget import peak_bytes; print(peak_bytes())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert len(data) > 2 * int(shown)
