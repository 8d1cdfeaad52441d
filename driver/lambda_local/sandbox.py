"""A sandbox: a process that runs invocations of one function, one after the other.

The process is the official runtime client in the folder of the function's code. It asks for its next
invocation and posts the answer: see `runtime_api`. Whatever ends it before its answer, the process's end
is what settles the invocation, and the reason of whoever killed it tells how.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from driver.lambda_local.deaths import Cause, death
from driver.lambda_local.errors import conflict
from driver.lambda_local.faults import Fault
from driver.lambda_local.functions import Function
from driver.lambda_local.invocation import MB, PAYLOAD, Invocation, Outcome, failure, report
from driver.lambda_local.measure import folder_bytes, peak_memory
from driver.lambda_local.places import Places
from driver.lambda_local.runtime_api import RuntimeAPI


class Sandbox:
    """A process, its Runtime API, its /tmp and its log stream.

    Args:
        function: what it runs, as it is now.
        places: where and how.
        gone: called when the process has ended and everything of it is tidied up.
        init_timeout: seconds that the process may take until it asks for its first invocation.

    Attributes:
        revision: of the function.
        memory: bytes of memory that it may use.
        peak: bytes of memory that it has been seen to use.
        tmp: the folder that stands for /tmp.
        tmp_size: bytes of files that it may hold.
        pid: of the process, which leads a session of its own.
        dead: whether the process has ended.
    """

    def __init__(
        self, function: Function, places: Places, gone: Callable[[Sandbox], None], init_timeout: float
    ) -> None:
        name = uuid.uuid4().hex
        self.function = function
        self.revision = function.revision
        self.memory = function.memory * MB
        self.peak = 0
        self.tmp = places.tmp(name)
        self.tmp_size = function.tmp * MB
        self.pid = 0
        self.dead = False
        self._places = places
        self._gone = gone
        self._timeouts = {"init": init_timeout, "timeout": function.timeout}
        self._log = places.logs.stream(function.name, name)
        self._api = RuntimeAPI(self)
        self._inbox: asyncio.Queue[Invocation | None] = asyncio.Queue()
        self._invocation: Invocation | None = None
        self._fault: Fault | None = None
        self._answer: asyncio.Future[Outcome] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._cause: Cause = ""
        self._init_error: Outcome | None = None
        self._init_seconds: float | None = None
        self._began = time.monotonic()
        self._rest = b""

    @property
    def busy(self) -> bool:
        """Whether an invocation is not settled yet."""
        return self._invocation is not None

    async def start(self) -> None:
        """Start the process; returns before it is ready."""
        self._loop = asyncio.get_running_loop()
        address = await self._api.start()
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._places.command(self.function),
                cwd=self.function.code.folder,
                env=self._places.environment(self.function, address, self._log.name, self.tmp),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._output)
            await self._api.close()
            raise
        finally:
            os.close(output)
        self.pid = self._process.pid
        self._places.reaper.note(self.pid)
        self._loop.add_reader(self._output, self._read)
        self._kill_after(self._timeouts["init"], "init")
        self._ending = asyncio.create_task(self._end())

    async def invoke(self, invocation: Invocation, fault: Fault | None) -> Outcome:
        """Run an invocation, in which `fault` happens; it always has an outcome."""
        self._invocation, self._fault = invocation, fault
        self._answer = self._loop.create_future()
        self._log.begin(invocation.id)
        try:
            if self.dead:
                self._answer.set_result(self._death())
            self._inbox.put_nowait(invocation)
            outcome = await self._settle(await self._answer)
        finally:
            self._log.end()
            self._invocation = None
        return outcome._replace(log=self._log.tail())

    async def next(self) -> tuple[Invocation, int]:
        """What the process is to run next, and until when, in ms since 1970.

        Raises:
            Refusal: it has ended.
        """
        if self._init_seconds is None:
            self._init_seconds = time.monotonic() - self._began
            self._cancel_timers()
        invocation = await self._inbox.get()
        if invocation is None:
            raise conflict("the process has ended that asked for it")
        self._began = time.monotonic()
        self._log.write(f"START RequestId: {invocation.id} Version: $LATEST")
        if self._fault is not None and self._fault.point == "start":
            self.kill("fault")
            raise conflict("killed, as the faults say")
        self._kill_after(self._timeouts["timeout"], "timeout")
        if self._fault is not None and not self._fault.point:
            self._kill_after(self._fault.seconds, "fault")
        return invocation, int((time.time() + self._timeouts["timeout"]) * 1000)

    def answer(self, request: str, outcome: Outcome) -> None:
        """Take the process's answer to invocation `request`.

        Raises:
            Refusal: the process does not run it, or is being killed.
        """
        self._read()
        if self._fault is not None and self._fault.point == "response":
            self.kill("fault")
        running = self._invocation is not None and self._invocation.id == request
        if not running or self._answer is None or self._answer.done() or self._cause:
            raise conflict(f"{request} does not run here, or not any more")
        if len(outcome.payload) > PAYLOAD:
            message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD} bytes)."
            outcome = failure("Function.ResponseSizeTooLarge", message, "error")
        self._answer.set_result(outcome)

    def init_failed(self, outcome: Outcome) -> None:
        """The function's code could not be loaded; `outcome` tells why."""
        self._init_error = outcome

    def kill(self, cause: Cause) -> None:
        """End the process and all that it started."""
        if not self.dead:
            self._cause = self._cause or cause
            with suppress(ProcessLookupError, PermissionError):  # it is ending already
                os.killpg(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End the process, and take leave of it."""
        self.kill("closed")
        await self._ending

    async def _end(self) -> None:
        await self._process.wait()
        self.dead = True
        with suppress(ProcessLookupError, PermissionError):  # what it started and did not end
            os.killpg(self.pid, signal.SIGKILL)
        self._cancel_timers()
        self._read()
        self._loop.remove_reader(self._output)
        os.close(self._output)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._death())
        self._inbox.put_nowait(None)  # for a request that still waits
        await self._api.close()
        self._places.reaper.forget(self.pid)
        self._places.discard(self.tmp)
        self._gone(self)

    def _death(self) -> Outcome:
        """What came of the invocation whose process ended."""
        assert self._invocation is not None
        if self._init_error is not None and not self._cause:
            return self._init_error
        seconds = self._timeouts.get(self._cause, 0.0)
        outcome, lines = death(self._cause, self._process.returncode or 0, self._invocation.id, seconds)
        for line in lines:
            self._log.write(line)
        return outcome

    async def _settle(self, outcome: Outcome) -> Outcome:
        """Look at what the invocation used, and write the report."""
        assert self._invocation is not None
        self._cancel_timers()
        seconds = time.monotonic() - self._began if self._init_seconds is not None else 0.0
        init, self._init_seconds = self._init_seconds or 0.0, 0.0
        if not self.dead:
            self.peak = max(self.peak, peak_memory(self.pid))
            if self.peak > self.memory:
                self.kill("memory")
            elif await asyncio.to_thread(folder_bytes, self.tmp) > self.tmp_size:
                self.kill("tmp")
            if self._cause:
                await asyncio.shield(self._ending)
                outcome = self._death()
        request, used = self._invocation.id, min(self.peak, self.memory)
        self._log.write(f"END RequestId: {request}")
        self._log.write(report(request, outcome.status, seconds=seconds, init=init, used=used, memory=self.memory))
        return outcome

    def _read(self) -> None:
        """Take what the process has written to its standard output and error."""
        chunks = [self._rest]
        with suppress(OSError):  # there is no more now, or it is closed
            while chunk := os.read(self._output, 65_536):
                chunks.append(chunk)
        *lines, self._rest = b"".join(chunks).split(b"\n")
        if self.dead and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        point = self._fault.point if self._fault is not None else ""
        for line in lines:
            text = line.decode(errors="replace")
            self._log.write(text)
            if point and point not in {"start", "response"} and point in text:
                self.kill("fault")

    def _kill_after(self, seconds: float, cause: Cause) -> None:
        if not self.dead:
            self._timers.append(self._loop.call_later(seconds, self.kill, cause))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
