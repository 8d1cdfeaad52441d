"""The payload of an attempt: all that a worker is told, a small JSON document."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from shuffle.base import AttemptId

#: The Python that runs here, as "3.11".
PYTHON = "{}.{}".format(*sys.version_info)


#: What the tasks of a round do.
Kind = Literal["sample", "map", "merge", "reduce"]


class Range(NamedTuple):
    """Bytes `start` to `end` of the object `key`."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What an attempt is told.

    Attributes:
        attempt: which attempt it is.
        kind: whether its task samples (places of some splits), maps (a split), merges (pieces of some map tasks), or
            reduces (a partition).
        secret: the job's secret, hexadecimal; it travels here and nowhere else.
        storage: URL of the object store of control keys.
        shuffle: URL of the shuffle store; "" for a map-only task.
        output: URL of the folder for output parts; "" for output that stays with the job.
        partitions: number of partitions of the shuffle; 0 for a map-only task.
        code: key of the pickled stages.
        bundle: key of the zipped user modules; "" for none.
        files: side files: name -> key.
        row: where the task's own input is described.
        memory: bytes of memory that the worker's process may use.
        access: how the stores are reached, with their secrets; it travels like `secret`.
        python: the driver's Python, as "3.11": code objects are for one minor version.
        libraries: key of the zipped libraries that the code needs; "" for none.
    """

    attempt: AttemptId
    kind: Kind
    secret: str = field(repr=False)
    storage: str
    shuffle: str
    output: str
    partitions: int
    code: str
    bundle: str
    files: dict[str, str]
    row: Range
    memory: int
    access: dict[str, Any] = field(default_factory=dict, repr=False)
    python: str = PYTHON
    libraries: str = ""

    def to_json(self) -> bytes:
        """The payload as JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Payload:
        """The payload that `to_json` wrote."""
        return cls.from_fields(json.loads(data))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Payload:
        """The payload of which this is the JSON, decoded."""
        return cls(**{**fields, "attempt": AttemptId(*fields["attempt"]), "row": Range(*fields["row"])})

    def __repr__(self) -> str:
        return f"Payload({self.kind} {self.attempt})"  # the secret is not for logs
