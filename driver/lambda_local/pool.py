"""The sandboxes: warm ones are used again, and no more run at once than may."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable

from driver.lambda_local.errors import Refusal, throttled
from driver.lambda_local.faults import Faults
from driver.lambda_local.functions import Function
from driver.lambda_local.invocation import Invocation, Outcome
from driver.lambda_local.measure import folder_bytes, memory_of
from driver.lambda_local.sandbox import Sandbox

# Looks at /tmp take longer than those at the memory.
_TMP_EVERY = 10

_log = logging.getLogger(__name__)


class Pool:
    """Runs invocations in sandboxes.

    Args:
        new: makes a sandbox; is given what to call when it has ended.
        faults: what goes wrong in sandboxes.
        limit: how many invocations may run at once, of all functions.
        idle: seconds after which a sandbox that nobody uses is ended.
        watch: seconds between two looks at the sandboxes' memory.
    """

    def __init__(
        self,
        new: Callable[[Function, Callable[[Sandbox], None]], Sandbox],
        faults: Faults,
        *,
        limit: int,
        idle: float,
        watch: float,
    ) -> None:
        self.limit = limit
        self._new = new
        self._faults = faults
        self._idle_seconds = idle
        self._watch_seconds = watch
        self._running: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._warm: dict[str, list[tuple[Sandbox, float]]] = defaultdict(list)
        self._all: set[Sandbox] = set()
        self._turns: deque[tuple[Function, asyncio.Future[None]]] = deque()
        self._marks: list[tuple[str, int, asyncio.Future[None]]] = []

    @property
    def pids(self) -> list[int]:
        """Of the sandboxes' processes."""
        return [sandbox.pid for sandbox in self._all]

    async def run(self, invocation: Invocation) -> Outcome:
        """Run an invocation.

        Raises:
            Refusal: too many run already.
        """
        function = invocation.function
        refusal = self._refusal(function)
        if refusal is not None:
            raise refusal
        self._running[function.name] += 1
        try:
            sandbox = self._take(function) or await self._start(function)
            fault = self._faults.at_sandbox(function.name, invocation.payload)
            outcome = await sandbox.invoke(invocation, fault)
            if sandbox.revision != function.revision:
                sandbox.kill("closed")
            elif not sandbox.dead:
                self._warm[function.name].append((sandbox, time.monotonic()))
            return outcome
        finally:
            self._running[function.name] -= 1
            self._ended[function.name] += 1
            self.wake(function.name)

    async def turn(self, function: Function) -> None:
        """Wait until an invocation of this function may have ended that stood in the way of another."""
        turn = asyncio.get_running_loop().create_future()
        self._turns.append((function, turn))
        await turn

    async def ended(self, function: Function, more: int) -> None:
        """Wait until so many more invocations of a function have ended."""
        mark = asyncio.get_running_loop().create_future()
        self._marks.append((function.name, self._ended[function.name] + more, mark))
        await mark

    def retire(self, function: Function) -> None:
        """End the warm sandboxes of a function: it has changed. Busy ones end after their invocation."""
        for sandbox, _ in self._warm.pop(function.name, []):
            sandbox.kill("closed")

    async def close(self) -> None:
        """End all sandboxes."""
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._all)))

    async def watch(self) -> None:
        """Hold the sandboxes to their limits, and end those that nobody uses; it never returns."""
        for count in range(1 << 62):
            began = time.monotonic()
            try:
                await self._look(files=count % _TMP_EVERY == 0)
            except Exception:  # the limits must go on to hold
                _log.exception("could not look at the sandboxes")
            self._expire()
            # However many there are, watching them takes a tenth of one processor at most.
            await asyncio.sleep(max(self._watch_seconds, 9 * (time.monotonic() - began)))

    async def _look(self, *, files: bool) -> None:
        busy = {sandbox.pid: sandbox for sandbox in self._all if sandbox.busy and not sandbox.dead}
        if not busy:
            return
        limits = {pid: sandbox.memory for pid, sandbox in busy.items()}
        for pid, used in (await asyncio.to_thread(memory_of, busy, limits)).items():
            busy[pid].peak = max(busy[pid].peak, used)
            if used > limits[pid]:
                busy[pid].kill("memory")
        if files:
            sizes = await asyncio.to_thread(lambda: {pid: folder_bytes(one.tmp) for pid, one in busy.items()})
            for pid, size in sizes.items():
                if size > busy[pid].tmp_size:
                    busy[pid].kill("tmp")

    def _expire(self) -> None:
        oldest = time.monotonic() - self._idle_seconds
        for name, warm in self._warm.items():
            for sandbox, since in warm:
                if since < oldest:
                    sandbox.kill("closed")
            self._warm[name] = [(sandbox, since) for sandbox, since in warm if since >= oldest]

    def _refusal(self, function: Function) -> Refusal | None:
        running = self._running[function.name]
        if function.reserved is not None and running >= function.reserved:
            return throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        if self._running.total() >= self.limit:
            return throttled("ConcurrentInvocationLimitExceeded")
        return None

    def _take(self, function: Function) -> Sandbox | None:
        """The warm sandbox that was used last."""
        warm = self._warm[function.name]
        while warm:
            sandbox, _ = warm.pop()
            if not sandbox.dead:
                return sandbox
        return None

    async def _start(self, function: Function) -> Sandbox:
        if self._running.total() + sum(map(len, self._warm.values())) > self.limit:
            # What is warm for another function, and the longest, makes room.
            _, name = min((warm[0][1], name) for name, warm in self._warm.items() if warm)
            self._warm[name].pop(0)[0].kill("closed")
        sandbox = self._new(function, self._gone)
        try:
            await sandbox.start()
        except OSError as error:
            raise Refusal("ServiceException", 500, f"No sandbox could be started: {error}") from None
        self._all.add(sandbox)
        return sandbox

    def _gone(self, sandbox: Sandbox) -> None:
        self._all.discard(sandbox)
        name = sandbox.function.name
        self._warm[name] = [one for one in self._warm[name] if one[0] is not sandbox]

    def wake(self, name: str) -> None:
        """Have those go on who waited for what happened to this function."""
        room, woken = self.limit - self._running.total(), Counter[str]()
        passed = []
        while room > woken.total() and self._turns:
            function, turn = self._turns.popleft()
            reserved = self.limit if function.reserved is None else function.reserved
            if self._running[function.name] + woken[function.name] >= reserved:
                passed.append((function, turn))
            elif not turn.done():  # else nobody waits any more
                turn.set_result(None)
                woken[function.name] += 1
        self._turns.extendleft(reversed(passed))
        due = [mark for mark in self._marks if mark[0] == name and mark[1] <= self._ended[name]]
        for mark in due:
            self._marks.remove(mark)
            if not mark[2].done():
                mark[2].set_result(None)
