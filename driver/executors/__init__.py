"""Executors: how attempts are started."""

from __future__ import annotations

from importlib import import_module

from driver.executors.base import Executor

__all__ = ["EXECUTORS", "Executor", "open_executor"]

#: name -> "module:Class"; imported at first use.
EXECUTORS = {
    "inline": "driver.executors.inline:InlineExecutor",
    "local": "driver.executors.local:LocalExecutor",
}


def open_executor(name: str, workers: int, timeout: float | None) -> Executor:
    """The executor of that name, which must be one of EXECUTORS."""
    module, _, cls = EXECUTORS[name].partition(":")
    executor: Executor = getattr(import_module(module), cls)(workers, timeout)
    return executor
