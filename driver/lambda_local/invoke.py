"""Invoke: what a request to run a function is checked for, and what it is answered."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from driver.lambda_local.errors import Refusal, invalid, throttled
from driver.lambda_local.events import Events, held
from driver.lambda_local.faults import Fault, Faults
from driver.lambda_local.functions import LATEST, Functions
from driver.lambda_local.invocation import EVENT_PAYLOAD, PAYLOAD, Invocation, Outcome, new_request_id
from driver.lambda_local.pool import Pool


class Invoke:
    """The door through which all invocations come."""

    def __init__(self, functions: Functions, pool: Pool, events: Events, faults: Faults) -> None:
        self._functions = functions
        self._pool = pool
        self._events = events
        self._faults = faults
        self._tasks: set[asyncio.Task[Outcome]] = set()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        function = self._functions.get(request.match_info["name"], request.query.get("Qualifier"))
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        payload = await request.read() or b"{}"
        check(kind, payload)
        headers = {"X-Amz-Executed-Version": LATEST, "x-amzn-RequestId": new_request_id()}
        if kind == "DryRun":
            return web.Response(status=204, headers=headers)
        fault = self._faults.at_door(function.name, payload)
        if fault is not None:
            await _refuse(fault, kind)
        context = base64.b64decode(request.headers.get("X-Amz-Client-Context", "")).decode()
        invocation = Invocation(function, payload, context, headers["x-amzn-RequestId"])
        if kind == "Event":
            if fault is None or fault.do != "drop":
                self._events.put(invocation, fault)
            answer = web.Response(status=202, headers=headers)
        else:
            # A task of its own: a client that goes away does not end the function.
            outcome = await asyncio.shield(self._task(self._run(invocation, fault)))
            if outcome.failed:
                headers["X-Amz-Function-Error"] = "Unhandled"
            if request.headers.get("X-Amz-Log-Type") == "Tail":
                headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log).decode()
            answer = web.Response(body=outcome.payload, headers=headers, content_type="application/json")
        if fault is not None and fault.do == "hang":
            await _never()
        return answer

    async def close(self) -> None:
        """Forget all requests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, invocation: Invocation, fault: Fault | None) -> Outcome:
        if fault is not None and fault.do == "delay":
            await held(self._pool, invocation.function, fault)
        return await self._pool.run(invocation)

    def _task(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def check(kind: str, payload: bytes) -> None:
    """Refuse what AWS refuses: an unknown type of invocation, a payload that is too large or no JSON."""
    limits = {"RequestResponse": PAYLOAD, "Event": EVENT_PAYLOAD, "DryRun": PAYLOAD}
    if kind not in limits:
        raise invalid(f"{kind} is no invocation type; there are {', '.join(limits)}.")
    if len(payload) > limits[kind]:
        message = f"Request must be smaller than {limits[kind]} bytes for the InvokeFunction operation"
        raise Refusal("RequestTooLargeException", 413, message)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise Refusal("InvalidRequestContentException", 400, message) from None


async def _refuse(fault: Fault, kind: str) -> None:
    """Do what a fault does before a function runs."""
    if fault.do == "throttle":
        raise throttled("ConcurrentInvocationLimitExceeded")
    if fault.do == "error":
        raise Refusal("ServiceException", 500, "An error occurred, as the faults say.")
    if fault.do == "drop" and kind != "Event":
        await _never()


async def _never() -> None:
    await asyncio.get_running_loop().create_future()
