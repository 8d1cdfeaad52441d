"""What differs between two templates, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

_LONGEST = 60


class Change(NamedTuple):
    """What becomes of a resource.

    Attributes:
        action: what is done.
        resource: its name in the template.
        kind: its type, without "AWS::".
        details: the properties concerned: name, before and after.
    """

    action: Literal["add", "change", "remove"]
    resource: str
    kind: str
    details: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.action} {self.resource} ({self.kind})"]
        lines += [f"    {name}: {before} -> {after}" for name, before, after in self.details]
        return "\n".join(lines)


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Change]:
    """What makes a stack of template `old`, None for no stack, into one of template `new`."""
    before: Mapping[str, Any] = (old or {}).get("Resources", {})
    after: Mapping[str, Any] = new["Resources"]
    found = []
    for name in dict.fromkeys([*after, *before]):
        if name not in before:
            found.append(Change("add", name, _kind(after[name])))
        elif name not in after:
            found.append(Change("remove", name, _kind(before[name])))
        elif before[name] != after[name]:
            found.append(Change("change", name, _kind(after[name]), tuple(_details(before[name], after[name]))))
    return found


def _kind(resource: Mapping[str, Any]) -> str:
    return str(resource["Type"]).removeprefix("AWS::")


def _details(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The values of a resource that differ, with their places in it."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for place in dict.fromkeys([*after, *before]):
        if before.get(place) != after.get(place):
            name = place.removeprefix("Properties.")
            yield name, _short(before.get(place, "nothing")), _short(after.get(place, "nothing"))


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values of nested ones. Lists of statements count by their names, others as a whole."""
    if isinstance(value, dict) and not any(key == "Ref" or key.startswith("Fn::") for key in value):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list) and value and all(isinstance(one, dict) and _name(one) for one in value):
        for one in value:
            yield from _leaves(one, f"{place}.{_name(one)}")
    else:
        yield place, value


def _name(value: Mapping[str, Any]) -> str:
    return str(value.get("Sid") or value.get("PolicyName") or value.get("Id") or "")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
