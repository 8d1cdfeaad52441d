"""A sandbox: a process that runs invocations of one function, one after the other.

The process is the official runtime client in the folder of the function's code. It asks for its next
invocation and posts the answer: see `runtime_api`. Whatever ends it before its answer, the process's end
is what settles the invocation, and the reason of whoever killed it tells how.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from driver.lambda_local.errors import conflict
from driver.lambda_local.functions import Function
from driver.lambda_local.invocation import PAYLOAD, Invocation, Outcome, failure
from driver.lambda_local.logs import Stream
from driver.lambda_local.measure import folder_bytes, peak_memory
from driver.lambda_local.places import Places
from driver.lambda_local.runtime_api import RuntimeAPI

#: Why a sandbox was killed; "" when it was not.
Cause = Literal["", "timeout", "init", "memory", "tmp", "fault", "closed"]

MB = 1024 * 1024


class Limits(NamedTuple):
    """What bounds every sandbox: seconds that its start may take."""

    init: float = 60.0


class Sandbox:
    """A process, its Runtime API, its /tmp and its log stream.

    Attributes:
        function: what it runs, and `revision` as of when it started.
        pid: of the process, which leads a session of its own.
        busy: whether it has an invocation.
        dead: whether its process has ended.
        tmp: the folder that stands for /tmp.
        peak: bytes of memory that it has been seen to use.
    """

    def __init__(self, function: Function, places: Places, gone: Callable[[Sandbox], None], limits: Limits) -> None:
        self.name = uuid.uuid4().hex
        self.function = function
        self.revision = function.revision
        self.pid = 0
        self.dead = False
        self.peak = 0
        self.tmp = places.tmp(self.name)
        self._code = function.code
        self._memory, self._tmp_limit, self._timeout = function.memory, function.tmp, function.timeout
        self._places = places
        self._gone = gone
        self._limits = limits
        self._cause: Cause = ""
        self._log: Stream = places.logs.stream(function.name, self.name)
        self._api = RuntimeAPI(self)
        self._inbox: asyncio.Queue[Invocation] = asyncio.Queue()
        self._invocation: Invocation | None = None
        self._answer: asyncio.Future[Outcome] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._created = self._began = 0.0
        self._init_seconds: float | None = None
        self._rest = b""

    @property
    def busy(self) -> bool:
        """Whether an invocation is not settled yet."""
        return self._invocation is not None

    async def start(self) -> None:
        """Start the process; returns before it is ready."""
        self._created = time.monotonic()
        address = await self._api.start()
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)  # noqa: FBT003 - it takes no keywords
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._places.command(self.function),
                cwd=self._code.folder,
                env=self._places.environment(self.function, address, self._log.name, self.tmp),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)
        self.pid = self._process.pid
        self._places.reaper.note(self.pid)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._output, self._read)
        self._timers.append(self._loop.call_later(self._limits.init, self.kill, "init"))
        self._ending = asyncio.create_task(self._wait())

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run an invocation; it always has an outcome."""
        self._invocation, self._began = invocation, 0.0
        self._answer = self._loop.create_future()
        self._log.begin(invocation.id)
        if self.dead:
            self._answer.set_result(self._died())
        self._inbox.put_nowait(invocation)
        outcome = await self._answer
        outcome = await self._settle(invocation, outcome)
        self._invocation = None
        return outcome

    async def next(self) -> tuple[Invocation, int]:
        """What the process is to run next, and until when, in ms since 1970."""
        if self._init_seconds is None:
            self._init_seconds = time.monotonic() - self._created
            self._cancel_timers()
        invocation = await self._inbox.get()
        fault = invocation.fault
        self._began = time.monotonic()
        self._log.write(f"START RequestId: {invocation.id} Version: $LATEST")
        if fault is not None and fault.point == "start":
            self.kill("fault")
            await self._ending
            raise conflict("killed, as the faults say")
        self._timers.append(self._loop.call_later(self._timeout, self.kill, "timeout"))
        if fault is not None and not fault.point:
            self._timers.append(self._loop.call_later(fault.seconds, self.kill, "fault"))
        return invocation, round((time.time() + self._timeout) * 1000)

    def answer(self, request: str, outcome: Outcome) -> None:
        """Take the process's answer to invocation `request`.

        Raises:
            Refusal: the process does not run it, or not any more.
        """
        self._read()
        invocation = self._invocation
        if invocation is None or invocation.id != request or self._answer is None or self._cause:
            raise conflict(f"{request} is not the invocation that runs here")
        if invocation.fault is not None and invocation.fault.point == "response":
            self.kill("fault")
            raise conflict("killed, as the faults say")
        if not self._answer.done():
            if len(outcome.payload) > PAYLOAD:
                message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD} bytes)."
                outcome = failure("Function.ResponseSizeTooLarge", message, "error")
            self._answer.set_result(outcome)

    def init_failed(self, outcome: Outcome) -> None:
        """The function's code could not be loaded; `outcome` tells why."""
        self._init_error = outcome

    def kill(self, cause: Cause) -> None:
        """End the process and all that it started."""
        if self.dead:
            return
        self._cause = self._cause or cause
        with suppress(ProcessLookupError, PermissionError):  # it is ending already
            os.killpg(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End the process, and take leave of it."""
        self.kill("closed")
        await self._ending

    _init_error: Outcome | None = None

    async def _wait(self) -> None:
        await self._process.wait()
        self.dead = True
        with suppress(ProcessLookupError, PermissionError):  # what it started and did not end
            os.killpg(self.pid, signal.SIGKILL)
        self._cancel_timers()
        self._read()
        self._loop.remove_reader(self._output)
        os.close(self._output)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._died())
        await self._api.close()
        self._places.reaper.forget(self.pid)
        self._places.discard(self.tmp)
        self._gone(self)

    def _died(self) -> Outcome:
        """What came of an invocation whose process ended without an answer to it."""
        assert self._invocation is not None
        request = self._invocation.id
        if self._cause in {"timeout", "init"}:
            what = "Task" if self._cause == "timeout" else "Init"
            seconds = self._timeout if self._cause == "timeout" else self._limits.init
            message = f"{what} timed out after {seconds:.2f} seconds"
            self._log.write(f"{request} {message}")
            return failure("Sandbox.Timedout", f"RequestId: {request} Error: {message}", "timeout")
        if self._init_error is not None:
            return self._init_error
        code = self._process.returncode or 0
        how = f"signal: {_signal(-code)}" if code < 0 else f"exit status {code}"
        if self._cause == "tmp":
            self._log.write(
                f"lambda-local: /tmp holds more than the {self._tmp_limit} MB that the function has; on AWS"
                " the write itself fails with: No space left on device"
            )
        message = f"RequestId: {request} Error: Runtime exited with error: {how}"
        self._log.write(message)
        kind = "Runtime.OutOfMemory" if self._cause == "memory" else "Runtime.ExitError"
        return failure("Runtime.ExitError", message, f"error\tError Type: {kind}")

    async def _settle(self, invocation: Invocation, outcome: Outcome) -> Outcome:
        """Look at what was used, and write the report."""
        self._cancel_timers()
        seconds = time.monotonic() - self._began if self._began else 0.0
        if not self.dead:
            self.peak = max(self.peak, peak_memory(self.pid))
            over: Cause = "memory" if self.peak > self._memory * MB else ""
            if not over and await asyncio.to_thread(folder_bytes, self.tmp) > self._tmp_limit * MB:
                over = "tmp"
            if over:
                self.kill(over)
                await self._ending
                outcome = self._died()
        self._report(invocation, outcome, seconds)
        self._log.end()
        return outcome._replace(log=self._log.tail())

    def _report(self, invocation: Invocation, outcome: Outcome, seconds: float) -> None:
        init, self._init_seconds = self._init_seconds or 0.0, 0.0
        fields = [
            f"REPORT RequestId: {invocation.id}",
            f"Duration: {seconds * 1000:.2f} ms",
            f"Billed Duration: {math.ceil((seconds + init) * 1000)} ms",
            f"Memory Size: {self._memory} MB",
            f"Max Memory Used: {min(math.ceil(self.peak / MB), self._memory)} MB",
        ]
        if init:
            fields.append(f"Init Duration: {init * 1000:.2f} ms")
        if outcome.status:
            fields.append(f"Status: {outcome.status}")
        self._log.write(f"END RequestId: {invocation.id}")
        self._log.write("\t".join(fields) + "\t")

    def _read(self) -> None:
        """Take what the process has written to its standard output and error."""
        chunks = [self._rest]
        with suppress(BlockingIOError, OSError):
            while chunk := os.read(self._output, 65_536):
                chunks.append(chunk)
        *lines, self._rest = b"".join(chunks).split(b"\n")
        if self.dead and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode(errors="replace")
            self._log.write(text)
            fault = self._invocation.fault if self._invocation else None
            if fault is not None and fault.point and fault.point in text:
                self.kill("fault")

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _signal(number: int) -> str:
    names = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGSEGV: "segmentation fault"}
    return names.get(number, signal.strsignal(number) or str(number)).lower()
