"""Executors: how attempts are started."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from driver.executors.base import Executor

if TYPE_CHECKING:
    from driver.settings import Settings

__all__ = ["EXECUTORS", "Executor", "find_executor", "make_executor", "open_executor"]

#: name -> "module:Class"; imported at first use.
EXECUTORS = {
    "inline": "driver.executors.inline:InlineExecutor",
    "lambda": "driver.executors.lambda_:LambdaExecutor",
    "local": "driver.executors.local:LocalExecutor",
}


def find_executor(name: str) -> type[Executor]:
    """The class of that name, which must be one of EXECUTORS."""
    module, _, cls = EXECUTORS[name].partition(":")
    found: type[Executor] = getattr(import_module(module), cls)
    return found


def open_executor(name: str, workers: int, timeout: float | None) -> Executor:
    """An executor on this machine, of that name."""
    return find_executor(name)(workers, timeout)  # type: ignore[call-arg]  # as those are made


def make_executor(settings: Settings) -> Executor:
    """The executor that the settings say."""
    return find_executor(settings.executor).of(settings)
