"""Attempts in processes of this machine: the default.

A thread for each worker process hands it one attempt after the other. Processes live as long as the
executor, and are replaced when they die or must be killed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Collection, Iterable
from typing import BinaryIO

import mapreduce
from driver.executors.base import Ended, Executor
from shuffle.base import AttemptId
from worker.local import read_frame, write_frame
from worker.payload import Payload

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(mapreduce.__file__)))
# -P keeps the working folder and the script's off the path: the user's driver.py must not become ours.
_START = "import sys; sys.path.append(sys.argv[1]); from worker.local import main; main(*map(int, sys.argv[2:]))"

# Seconds that an attempt which has committed may take to end.
_LEAVE = 1.0


class _Process:
    """A worker process and its two pipes."""

    def __init__(self, home: str) -> None:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, _HOME, str(requests), str(answers)],
                stdin=subprocess.DEVNULL,
                pass_fds=(requests, answers),
                # Its own session: Ctrl-C reaches the driver alone, and killing the group reaches what
                # user code has started.
                start_new_session=True,
                env={**os.environ, "MAPREDUCE_WORKER_HOME": home},
            )
        finally:
            os.close(requests)
            os.close(answers)
        self.ended = False
        self._to: BinaryIO = open(self._requests, "wb")  # noqa: SIM115 - closed in `close`
        self._from: BinaryIO = open(self._answers, "rb", buffering=0)  # noqa: SIM115 - as above
        self._poll = select.poll()  # not select(): that fails when the program has many files open
        self._poll.register(self._from, select.POLLIN)

    def run(self, payload: Payload, timeout: float | None) -> str:
        """Have an attempt run; returns "" when the worker answered, else how the worker ended."""
        try:
            write_frame(self._to, payload.to_json())
            if not self._poll.poll(None if timeout is None else timeout * 1000):
                self.kill()
                return f"timed out after {timeout:g} s"
            answer = read_frame(self._from)
        except OSError:
            answer = None
        if answer is None:
            self.ended = True
            return self._died()
        text = answer.decode()
        return text.removeprefix("error: ") if text.startswith("error") else ""

    def kill(self) -> None:
        """End the process and all that it started."""
        self.ended = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()

    def close(self) -> None:
        """End the process and take leave of it."""
        self.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            try:
                pipe.close()
            except OSError:  # what was buffered for a dead process
                continue

    def _died(self) -> str:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its worker closed its pipe and did not end; it was killed"
        if status >= 0:
            return f"its worker exited with status {status} in the middle of the task"
        name = signal.Signals(-status).name
        why = " (as the system does when memory runs out)" if name == "SIGKILL" else ""
        return f"its worker was killed by {name}{why}"


class LocalExecutor(Executor):
    """Runs attempts in up to `workers` processes, each for at most `timeout` seconds."""

    def __init__(self, workers: int, timeout: float | None = None) -> None:
        self._workers = workers
        self._timeout = timeout
        self._waiting: deque[tuple[Payload, Ended]] = deque()
        self._changed = threading.Condition()
        self._processes: dict[int, _Process] = {}
        self._running: dict[int, AttemptId] = {}
        self._settled: set[AttemptId] = set()
        self._cancelled: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._home = ""

    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        with self._changed:
            self._waiting.extend((payload, ended) for payload in payloads)
            self._grow(len(self._waiting) + len(self._running))
            self._changed.notify_all()

    def settled(self, attempts: Iterable[AttemptId]) -> None:
        with self._changed:
            self._settled.update(attempts)

    def warm(self, attempts: int) -> None:
        with self._changed:
            self._grow(attempts)

    def cancel(self, job: str) -> None:
        with self._changed:
            self._cancelled.add(job)
            self._waiting = deque(item for item in self._waiting if item[0].attempt.job != job)
            # An attempt that has committed ends by itself in a moment, and its process is of use to the next job.
            self._kill(job, spared=self._settled)
            self._changed.wait_for(lambda: not self._of(job), _LEAVE)
            self._kill(job)
            self._changed.wait_for(lambda: not self._of(job))
            self._cancelled.discard(job)
            self._settled = {attempt for attempt in self._settled if attempt.job != job}

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._waiting.clear()
            for process in self._processes.values():
                process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)

    def _of(self, job: str) -> list[int]:
        """The threads that run attempts of a job."""
        return [number for number, attempt in self._running.items() if attempt.job == job]

    def _kill(self, job: str, spared: Collection[AttemptId] = ()) -> None:
        """Kill the processes that run attempts of a job, but for some."""
        for number in self._of(job):
            if self._running[number] not in spared and number in self._processes:
                self._processes[number].kill()

    def _grow(self, wanted: int) -> None:
        """Have a thread, and soon a process, for each of so many attempts, up to the limit."""
        if not self._home:
            self._home = tempfile.mkdtemp(prefix="mapreduce-workers-")
        while not self.closed and len(self._threads) < min(self._workers, wanted):
            number = len(self._threads)
            # Daemons: a program that ends without closing its driver must not hang on them.
            thread = threading.Thread(target=self._serve, args=(number,), name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, number: int) -> None:
        try:
            self._spawn(number)
            while (item := self._take(number)) is not None:
                payload, ended = item
                try:
                    how = self._run(number, payload)
                except Exception as error:  # the attempt must end for the driver, whatever happens here
                    how = f"{type(error).__name__}: {error}"
                with self._changed:
                    self._running.pop(number, None)
                    # Under the lock: once `cancel` has returned, nothing of its job may be reported.
                    if not self.closed and payload.attempt.job not in self._cancelled:
                        ended(payload.attempt, how)
                    self._changed.notify_all()
        finally:
            self._end(number)

    def _run(self, number: int, payload: Payload) -> str:
        """Have a process run an attempt; returns "" when it answered, else what happened."""
        process, trouble = self._processes.get(number), ""
        if process is not None and process.ended:  # killed for a job that had no attempt there any more
            self._end(number)
            process = None
        if process is None:
            process, trouble = self._spawn(number)
        if process is None:
            return trouble
        try:
            return process.run(payload, self._timeout)
        finally:
            if process.ended:
                self._end(number)

    def _spawn(self, number: int) -> tuple[_Process | None, str]:
        """A new process for thread `number`, or why there is none."""
        try:
            process = _Process(self._home)
        except OSError as error:
            return None, f"no worker process could be started: {error}"
        with self._changed:
            self._processes[number] = process
            attempt = self._running.get(number)
            if self.closed or (attempt is not None and attempt.job in self._cancelled):
                process.kill()
        return process, ""

    def _end(self, number: int) -> None:
        with self._changed:
            process = self._processes.pop(number, None)
        if process is not None:
            process.close()

    def _take(self, number: int) -> tuple[Payload, Ended] | None:
        """The next attempt for thread `number`, registered as running; None when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._waiting)
            if self.closed:
                return None
            payload, ended = self._waiting.popleft()
            self._running[number] = payload.attempt
            return payload, ended
