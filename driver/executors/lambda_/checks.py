"""What an executor on AWS Lambda refuses before it starts anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

from driver.executors.lambda_.service import LIMITS
from mapreduce import __version__
from mapreduce.errors import ConfigError, JobError
from worker.payload import PYTHON, Payload
from worker.veil import KEY


def check_function(name: str, told: dict[str, Any]) -> None:
    """Refuse a function that is not of this driver's kind.

    Raises:
        ConfigError: it is of another version, or has no key.
    """
    if told.get("version") != __version__:
        raise ConfigError(
            f"the function {name} has bsp-mapreduce {told.get('version')}, the driver {__version__}: run `mapreduce"
            " deploy` again"
        )
    if told.get("python") != PYTHON:
        raise ConfigError(
            f"the function {name} runs Python {told.get('python')}, this driver {PYTHON}:"
            " code can be shipped only between equal minor versions; run `mapreduce deploy` from this Python"
        )
    if not told.get("key"):
        raise ConfigError(
            f"the function {name} has no key, under which secrets of jobs would travel: run `mapreduce deploy`, or give"
            f" it the variable {KEY} with random text"
        )


def check_size(event: bytes, payload: Payload, invoke: Literal["event", "request"]) -> None:
    """Refuse an event that the service would.

    Raises:
        JobError: it is too large; the message tells what of it is.
    """
    limit = LIMITS[invoke]
    if len(event) <= limit:
        return
    sizes: dict[str, int] = {name: len(json.dumps(value)) for name, value in asdict(payload).items()}
    name = max(sizes, key=sizes.__getitem__)
    remedy = ": ship fewer side files, or one archive of them" if name == "files" else ""
    raise JobError(
        f"the event of {payload.attempt} has {len(event):,} bytes, and AWS Lambda takes {limit:,}; its field {name!r}"
        f" has {sizes[name]:,} of them{remedy}"
    )
