"""The inner nodes of an invocation tree: a function that invokes itself, for a driver with thousands of attempts.

A laptop hands over some hundred events in a second; a few functions that each hand over some hundred
are done in that second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Requests at once: more only wait for the processor.
_THREADS = 16


def start(frame: bytes) -> str:
    """Invoke a function for each of some attempts, and do not wait for what comes of it.

    Args:
        frame: JSON: `function` to invoke; `common`, the event of every attempt but for `attempt` and `row` of
            its payload; `attempts`, lists of both; `seconds` that it may take.

    Returns:
        JSON: a list of indexes in `attempts` and reasons, of those that could not be started.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    told = json.loads(frame)
    common = told["common"]
    config = Config(
        connect_timeout=5,
        read_timeout=15,
        max_pool_connections=_THREADS,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    client = boto3.client("lambda", config=config)
    deadline = time.monotonic() + told["seconds"]

    def one(number: int, attempt: Sequence[Any], row: Sequence[Any]) -> tuple[int, str] | None:
        if time.monotonic() > deadline:
            return number, "the function that was to start it had no time left"
        event = {**common, "attempt": {**common["attempt"], "attempt": attempt, "row": row}}
        try:
            client.invoke(FunctionName=told["function"], InvocationType="Event", Payload=json.dumps(event).encode())
        except (BotoCoreError, ClientError) as error:
            return number, f"{type(error).__name__}: {error}"
        return None

    attempts = told["attempts"]
    with ThreadPoolExecutor(_THREADS) as pool:
        refused = pool.map(one, range(len(attempts)), *zip(*attempts, strict=True))
    return json.dumps([item for item in refused if item is not None])
