"""Asynchronous events: delivered in the background, again after a failure, and then on record in S3."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from driver.lambda_local.errors import THROTTLED, Refusal
from driver.lambda_local.faults import Fault
from driver.lambda_local.functions import Function
from driver.lambda_local.invocation import Invocation, Outcome
from driver.lambda_local.pool import Pool
from driver.lambda_local.remote import Remote

#: What holds without an EventInvokeConfig.
RETRIES = 2
MAX_AGE = 21_600

_log = logging.getLogger(__name__)


@dataclass
class _Event:
    invocation: Invocation
    accepted: float
    attempts: int = 0

    @property
    def config(self) -> dict[str, Any]:
        return self.invocation.function.events or {}

    def left(self, now: float) -> float:
        """Seconds until it is too old."""
        return self.accepted + float(self.config.get("MaximumEventAgeInSeconds", MAX_AGE)) - now


class Events:
    """The queue of events.

    Args:
        pool: runs them.
        remote: where the records of failures go.
        delays: seconds before the second attempt, and before the third.
        clock: tells, in seconds, how old events are.
    """

    def __init__(self, pool: Pool, remote: Remote, delays: Sequence[float], clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._remote = remote
        self._delays = delays
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, invocation: Invocation, fault: Fault | None) -> None:
        """Accept an event; `fault` is what goes wrong on the way."""
        for _ in range(fault.copies if fault is not None and fault.do == "duplicate" else 1):
            delay = fault if fault is not None and fault.do == "delay" else None
            task = asyncio.create_task(self._deliver(_Event(invocation, self._clock()), delay))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Forget all events."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, event: _Event, delay: Fault | None) -> None:
        if delay is not None:
            await held(self._pool, event.invocation.function, delay)
        retries = event.config.get("MaximumRetryAttempts", RETRIES)
        outcome: Outcome | None = None
        while event.attempts <= retries:
            if event.attempts:
                await asyncio.sleep(self._delays[min(event.attempts, len(self._delays)) - 1])
            attempted = await self._attempt(event)
            if attempted is None:
                await self._record(event, outcome, "EventAgeExceeded")
                return
            outcome = attempted
            if not outcome.failed:
                return
        await self._record(event, outcome, "RetriesExhausted")

    async def _attempt(self, event: _Event) -> Outcome | None:
        """Run the event once there is room; None: it got too old."""
        while (left := event.left(self._clock())) > 0:
            try:
                outcome = await self._pool.run(event.invocation)
            except Refusal as refusal:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        if refusal.status == THROTTLED:
                            await self._pool.turn(event.invocation.function)
                        else:
                            await asyncio.sleep(self._delays[-1])
                continue
            event.attempts += 1
            return outcome
        return None

    async def _record(self, event: _Event, outcome: Outcome | None, condition: str) -> None:
        """Tell the destination of failed events."""
        destination = event.config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if not destination:
            return
        bucket = destination.rpartition(":")[2]
        now = datetime.now(UTC)
        key = f"aws/lambda/async/{event.invocation.function.name}/{now:%Y/%m/%d}/{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        try:
            record = json.dumps(record_of(event.invocation, event.attempts, outcome, condition, now)).encode()
            await asyncio.to_thread(self._remote.put, bucket, key, record)
        except Exception:
            _log.exception("the record of failed event %s did not reach %s", event.invocation.id, destination)


def record_of(
    invocation: Invocation, attempts: int, outcome: Outcome | None, condition: str, now: datetime
) -> dict[str, Any]:
    """The record of a failed event, as AWS writes it."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.id,
            "functionArn": f"{invocation.function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(invocation.payload),
    }
    if outcome is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        record["responsePayload"] = json.loads(outcome.payload)
    return record


async def held(pool: Pool, function: Function, delay: Fault) -> None:
    """Wait as a fault `delay` says."""
    if delay.until:
        await pool.ended(function, delay.until)
    await asyncio.sleep(delay.seconds)
