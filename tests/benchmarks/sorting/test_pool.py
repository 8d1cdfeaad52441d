"""Processes that work through a list."""

from __future__ import annotations

import os
import signal

import pytest

from benchmarks.sorting.pool import check_workers, work
from mapreduce import MapReduceError


def test_one_worker_is_this_process() -> None:
    """Nothing is started for one worker, for one task, or for none."""
    assert list(work(eval, ["__import__('os').getpid()"] * 2, 1)) == [os.getpid()] * 2
    assert list(work(eval, ["__import__('os').getpid()"], 8)) == [os.getpid()]
    assert list(work(abs, [], 8)) == []


@pytest.mark.process
def test_order() -> None:
    """Results come in the order of the tasks."""
    assert list(work(abs, range(-9, 0), 2)) == list(range(9, 0, -1))


@pytest.mark.process
def test_errors() -> None:
    """A task's error is the caller's."""
    with pytest.raises(ValueError, match="invalid literal"):
        list(work(int, ["1", "x", "2"], 2))


@pytest.mark.process
def test_a_killed_process() -> None:
    """It ends the work, with a sentence."""
    with pytest.raises(MapReduceError, match="ended before its work was done"):
        list(work(signal.raise_signal, [signal.SIGKILL] * 2, 2))


@pytest.mark.process
def test_interrupts_are_left_to_the_caller() -> None:
    """Ctrl-C reaches the workers too, and must not make each of them complain."""
    assert list(work(signal.raise_signal, [signal.SIGINT] * 2, 2)) == [None, None]


def test_default_is_the_processors() -> None:
    """One for each that this process may use."""
    assert check_workers(None) == len(os.sched_getaffinity(0))
    assert check_workers(7) == 7
