"""The entry of AWS Lambda: what a function's sandbox does with an event of the driver.

An event is a JSON object with one of
    describe: anything; the function tells what it is, and its key;
    attempt: a payload to be run, its secret veiled, with the setting timeout beside it, and the driver, by a
        name of its own;
    warm: seconds for which to hold the sandbox, so that as many events find as many sandboxes;
    start: attempts that this function is to start as further events; see `worker.tree`.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
from typing import Any

from mapreduce import __version__
from worker.child import Child, Died, fork
from worker.guarded import run_guarded
from worker.payload import PYTHON, Payload
from worker.veil import KEY, unveil

# What the runtime itself needs of the function's memory.
_RESERVE = 16 << 20
# Seconds before its function's deadline at which an attempt is interrupted, within a tenth of its time.
_LEAST, _MOST = 0.8, 5.0


class AttemptLost(Exception):
    """An attempt ended, and why could not be written down; the service tells the message to whoever invoked."""


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do what an event says.

    Args:
        event: see above.
        context: of the service: who asks, and how much time is left.

    Returns:
        `outcome`: what came of it; beside it what the function and the sandbox are.

    Raises:
        AttemptLost: an attempt failed, and not even that could be written down.
        ValueError: it is no event of a driver of this version.
    """
    if event.get("version", __version__) != __version__:
        raise ValueError(
            f"the function has bsp-mapreduce {__version__}, the driver {event['version']}: run `mapreduce deploy` again"
        )
    told: dict[str, Any] = {}
    match event:
        case {"describe": _}:
            outcome = _sandbox.warm(0, "")
            told["key"] = _sandbox.key
        case {"attempt": payload}:
            outcome = _sandbox.attempt(payload, event.get("timeout"), event.get("driver", ""), context)
        case {"warm": seconds}:
            outcome = _sandbox.warm(float(seconds), str(event.get("job", "")))
        case {"start": calls}:
            return {**_sandbox.facts(), "outcome": "started", "refused": _sandbox.start(calls, context)}
        case _:
            raise ValueError(f"no event of mapreduce: it has the fields {', '.join(sorted(event)) or '(none)'}")
    told |= {"outcome": outcome, "remaining": context.get_remaining_time_in_millis() / 1000}
    return {**_sandbox.facts(), **told}


class _Sandbox:
    """What lives as long as the sandbox: its child process."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(4)
        self.cold = True
        # What user code may print of its environment, or hand on with it, is not to show the key.
        self.key = os.environ.pop(KEY, "")
        self._home = ""
        self._child: Child | None = None
        self._job = ""

    def facts(self) -> dict[str, Any]:
        """What the driver may want to know of it."""
        return {
            "sandbox": self.id,
            "version": __version__,
            "python": PYTHON,
            "machine": platform.machine(),
            "memory": _memory() - _RESERVE,
            "disk": shutil.disk_usage(tempfile.gettempdir()).free,
        }

    def warm(self, seconds: float, job: str) -> str:
        """Be ready for attempts of a job, and busy for a while."""
        until = time.monotonic() + seconds
        self._serve(job)
        time.sleep(max(0.0, until - time.monotonic()))
        self.cold = False
        return "warm"

    def attempt(self, fields: dict[str, Any], timeout: float | None, driver: str, context: Any) -> str:
        """Run an attempt to its end, whatever that is."""
        memory = _memory() - _RESERVE
        fields = {**fields, "memory": memory, "secret": unveil(fields["secret"], self.key).hex()}
        payload = Payload.from_fields(fields)
        remaining = context.get_remaining_time_in_millis() / 1000
        margin = min(_MOST, max(_LEAST, remaining / 10))
        limit = max(0.1, min(timeout or remaining, remaining - margin))
        by = {"request": context.aws_request_id, "sandbox": self.id, "cold": self.cold, "time": time.time()}
        self.cold = False
        told = {"payload": fields, "limit": limit, "driver": driver, "by": by}
        frame = json.dumps(told).encode()
        child = self._serve(payload.attempt.job)
        _log(f"mapreduce {payload.attempt} start")
        try:
            answer = child.run(frame, limit + margin / 2, memory)
        except Died as death:
            self.end()
            _write_down(payload, death)
            return "failed"
        if answer.startswith("error"):
            raise AttemptLost(answer.removeprefix("error: "))
        return answer

    def start(self, calls: dict[str, Any], context: Any) -> Any:
        """Start attempts as events of their own; returns those that could not be: number and reason."""
        from worker.tree import start

        seconds = context.get_remaining_time_in_millis() / 1000 - _LEAST
        frame = {**calls, "function": context.invoked_function_arn, "seconds": seconds - _LEAST}
        child = Child(self._home_folder(), start)
        try:
            return json.loads(child.run(json.dumps(frame).encode(), seconds, _memory()))
        finally:
            child.close()

    def end(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _serve(self, job: str) -> Child:
        """The child process that serves a job, and served no other."""
        if self._child is not None and (self._job not in ("", job) or self._child.is_gone()):
            self.end()
        if self._child is None:
            self._child = Child(self._home_folder(), run_guarded)
        self._job = job
        return self._child

    def _home_folder(self) -> str:
        self._home = self._home or tempfile.mkdtemp(prefix="mapreduce-worker-")
        return self._home


_sandbox = _Sandbox()


def _log(line: str) -> None:
    """Have a line in the function's log: `mapreduce logs` finds by it whose the lines behind it are."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _memory() -> int:
    """Bytes of the function's memory."""
    return int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) << 20


def _write_down(payload: Payload, death: Died) -> None:
    """Write down how an attempt ended that could not do so itself.

    Another process does it: this one must stay without the threads that clients of stores have.
    """
    if os.waitpid(fork(lambda: _put(payload, death)), 0)[1]:
        raise AttemptLost(str(death))


def _put(payload: Payload, death: Died) -> None:
    from mapreduce.objectstore import Access, open_store
    from worker.attempt import put_failure

    storage = open_store(payload.storage, access=Access(**payload.access))
    put_failure(payload, storage, kind=death.kind, reason=death.reason)
