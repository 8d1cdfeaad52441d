"""A job whose tasks fail as told, and what runs it with and without faults."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from driver import Driver, Event, Result
from driver.events import AttemptFailed
from mapreduce import Job, Mapper, Reducer
from tests.acceptance.conftest import contents

AnyJob = Job[Any, Any, Any, Any, Any]


def fail(fault: str) -> None:
    """Do something bad to the process, or to the attempt."""
    match fault:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "exit well":
            os._exit(0)
        case "sys.exit":
            sys.exit(0)
        case "raise":
            raise ValueError("on purpose")
        case "memory":
            raise MemoryError
        case "hang":
            threading.Event().wait()
        case "system":
            raise SystemError("from C")


class Words(Mapper[str, str, int]):
    """Words; in attempts before `until`, a task of `tasks` fails at its third line."""

    def __init__(self, fault: str = "", tasks: tuple[int, ...] = (0, 3), until: int = 1) -> None:
        self.fault = fault
        self.tasks = tasks
        self.until = until
        self.lines = 0

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        self.lines += 1
        if self.lines == 3 and self.task.attempt < self.until and self.task.index in self.tasks:
            fail(self.fault)
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """Adds; in its first attempt, the second partition's task fails at its third key."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.keys = 0

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.task.count("keys")
        self.keys += 1
        if self.keys == 3 and self.task.attempt == 0 and self.task.index == 1:
            fail(self.fault)
        yield key, sum(values)


def job(mapper: Mapper[str, str, int] | None = None, reducer: Total | None = None) -> AnyJob:
    return Job(mapper=mapper or Words(), reducer=reducer or Total())


class Bench:
    """Runs a job with and without faults on the same input."""

    def __init__(self, text: Path, storage: Path) -> None:
        self.text = text
        self.storage = storage
        self.failed: list[AttemptFailed] = []
        self.out = text.parent / "out"

    def run(
        self, job: AnyJob, callback: Callable[[Event], None] = lambda event: None, **settings: Any
    ) -> Result[Any, Any]:
        """Run in processes, with an output folder."""
        callbacks = [callback, self._note]
        fields = {"workers": 2, "split_size": 1000, "storage": self.storage, **settings}
        with Driver(callbacks=callbacks, **fields) as driver:
            return driver.run(job, self.text, self.out, partitions=3)

    def check(self, result: Result[Any, Any]) -> None:
        """The output, counters and record counts are those of a run in this process."""
        clean = Driver(executor="inline", workers=2, split_size=1000, storage=self.storage)
        expected = clean.run(job(), self.text, self.text.parent / "clean", partitions=3)
        assert contents(self.out) == contents(self.text.parent / "clean")
        assert result.counters == expected.counters == {"lines": 400, "keys": 50}
        assert [one.records_in for one in result.rounds] == [one.records_in for one in expected.rounds]

    def check_empty(self) -> None:
        """Nothing is left in the storage."""
        assert list(self.storage.iterdir()) == []

    def _note(self, event: Event) -> None:
        if isinstance(event, AttemptFailed):
            self.failed.append(event)
