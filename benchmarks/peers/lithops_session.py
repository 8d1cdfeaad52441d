"""Lithops on this machine."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import lithops


def executor(workers: int) -> Any:
    """An executor of so many processes."""
    here = {"backend": "localhost", "storage": "localhost", "monitoring": "storage", "telemetry": False}
    config = {"lithops": here, "localhost": {"worker_processes": workers}}
    return lithops.FunctionExecutor(config=config, log_level="WARNING")
