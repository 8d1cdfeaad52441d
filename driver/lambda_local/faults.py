"""Faults by script: what goes wrong, with which invocation.

A script is a list of rules, in Python `Fault(...)`, in JSON objects with the same names. There is no clock
in it: a rule counts the invocations that it matches, and happens to those from number `first` on, `times`
times. At the door each request counts once, for the faults

- `drop`: an event is accepted and never delivered; a request that waits is never answered;
- `delay`: it is delivered when `until` more invocations of the function have ended, or after `seconds`;
- `duplicate`: an event is delivered `copies` times;
- `throttle`, `error`: the answer is 429, or 500;
- `hang`: the function runs, and the request is never answered.

At the sandbox each delivery counts, also an event's second attempt, for the fault

- `kill`: the sandbox is killed `seconds` after it got the invocation, or when it has reached a `point`:
  "start" (the handler never sees it), "response" (all is done, and the answer is lost), or whatever text the
  function prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from mapreduce.errors import ConfigError

Deed = Literal["drop", "delay", "duplicate", "throttle", "error", "hang", "kill"]


@dataclass(kw_only=True)
class Fault:
    """A rule.

    Attributes:
        do: what happens.
        function: the function's name; "": any.
        payload: JSON that the payload has in it: of objects some members, all else equal; None: any.
        contains: text that stands in the payload.
        when: for rules in Python: takes the payload, tells whether it is meant.
        first: number of the first matching invocation that it happens to, from 1.
        times: to how many it happens; 0: to all that come.
        seconds: see above.
        until: see above.
        copies: see above.
        point: see above.
        seen: how many matching invocations there were.
        done: to how many it happened.
    """

    do: Deed
    function: str = ""
    payload: Any = None
    contains: str = ""
    when: Callable[[Any], bool] | None = None
    first: int = 1
    times: int = 1
    seconds: float = 0.0
    until: int = 0
    copies: int = 2
    point: str = ""
    seen: int = 0
    done: int = 0

    def happens(self, function: str, payload: bytes) -> bool:
        """Count an invocation; returns whether the fault happens to it."""
        if not self._matches(function, payload):
            return False
        self.seen += 1
        if self.seen < self.first or (self.times and self.done >= self.times):
            return False
        self.done += 1
        return True

    def _matches(self, function: str, payload: bytes) -> bool:
        if (self.function and self.function != function) or self.contains.encode() not in payload:
            return False
        if self.payload is None and self.when is None:
            return True
        value = json.loads(payload)
        return _within(self.payload, value) and (self.when is None or self.when(value))


class Faults:
    """The rules in force. Of several that happen to the same invocation the first one added does."""

    def __init__(self, rules: Iterable[Fault] = ()) -> None:
        self.rules = list(rules)

    def add(self, *rules: Fault) -> None:
        """Add rules."""
        self.rules.extend(rules)

    def clear(self) -> None:
        """Forget all rules."""
        self.rules.clear()

    def at_door(self, function: str, payload: bytes) -> Fault | None:
        """What goes wrong with this request."""
        return self._first(function, payload, lambda rule: rule.do != "kill")

    def at_sandbox(self, function: str, payload: bytes) -> Fault | None:
        """What goes wrong with this delivery."""
        return self._first(function, payload, lambda rule: rule.do == "kill")

    def described(self) -> list[dict[str, Any]]:
        """The rules as JSON, with their counts."""
        names = [one.name for one in fields(Fault) if one.name != "when"]
        return [{name: getattr(rule, name) for name in names} for rule in list(self.rules)]

    def _first(self, function: str, payload: bytes, here: Callable[[Fault], bool]) -> Fault | None:
        happening = [rule for rule in list(self.rules) if here(rule) and rule.happens(function, payload)]
        return happening[0] if happening else None


def parse_faults(text: str | bytes, origin: str) -> list[Fault]:
    """The rules of a script in JSON.

    Raises:
        ConfigError: it is none; `origin` tells whose.
    """
    try:
        script = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{origin}: a script of faults is a list of JSON objects: {error}") from None
    if not isinstance(script, list) or not all(isinstance(rule, dict) for rule in script):
        raise ConfigError(f"{origin}: a script of faults is a list of JSON objects")
    known = {one.name: one.type for one in fields(Fault) if one.name not in {"when", "seen", "done"}}
    for rule in script:
        if unknown := sorted(set(rule) - set(known)):
            raise ConfigError(f"{origin}: a fault has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
        if rule.get("do") not in get_args(Deed):
            raise ConfigError(f"{origin}: {rule.get('do')!r} is none of {', '.join(get_args(Deed))}")
        for name in ("first", "times", "seconds", "until", "copies"):
            if name in rule and (isinstance(rule[name], bool) or not isinstance(rule[name], (int, float))):
                raise ConfigError(f"{origin}: {name} is a number, not {rule[name]!r}")
        if rule.get("first", 1) < 1:
            raise ConfigError(f"{origin}: first is 1 or more: invocations are counted from 1")
    return [Fault(**rule) for rule in script]


def _within(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _within(one, value[name]) for name, one in wanted.items()
        )
    return wanted is None or bool(wanted == value)
