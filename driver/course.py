"""The course of a job: all that is left to do once its code is shipped and its input is planned, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mapreduce
from mapreduce.errors import JobError


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One job of the chain.

    Attributes:
        partitions: of its shuffle; 0 without a reducer.
        shipped: the fields of its payloads that are alike: code, bundle, side files, output.
        fitted: whether a round before the map round samples the keys, for the partitioner to be fitted to.
    """

    partitions: int
    shipped: dict[str, Any]
    fitted: bool = False


@dataclass(frozen=True, kw_only=True)
class Course:
    """What another driver needs, beside the job's secret, to bring the job to the same end.

    Attributes:
        job: id.
        title: what the job is called.
        version: of the framework that planned it: another one might plan its further rounds otherwise.
        legs: the jobs of the chain.
        rows: what each task of the first round reads.
        size: of the input, in bytes.
        share: bytes of input, at least, for each of the attempts that are planned to run at once.
        output: URL of the output folder; "" for none.
    """

    job: str
    title: str
    version: str = mapreduce.__version__
    legs: Sequence[Leg]
    rows: Sequence[Any]
    size: int
    share: int
    output: str

    @property
    def rounds(self) -> int:
        """How many rounds the job has, but for merges that turn out to pay."""
        return sum((2 if leg.partitions else 1) + leg.fitted for leg in self.legs)

    def to_json(self) -> dict[str, Any]:
        """The course as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Course:
        """The course that `to_json` gave.

        Raises:
            JobError: another version of the framework planned it.
        """
        version = fields.get("version")
        if version != mapreduce.__version__:
            raise JobError(
                f"job {fields.get('job')} was started by version {version}, and this is {mapreduce.__version__}: resume"
                " it with that version, or run it again"
            )
        return cls(**{**fields, "legs": [Leg(**leg) for leg in fields["legs"]]})


def known_course(known: dict[str, Any]) -> Course:
    """The course of a job that another driver has begun, from what its notebook says.

    Raises:
        JobError: it cannot be resumed; the message says why, and what to do.
    """
    job = known["job"]
    if ended := known.get("ended"):
        place = f"; its output is in {known['output']}" if ended == "done" and known.get("output") else ""
        raise JobError(f"job {job} has ended ({ended}), and cannot be resumed{place}")
    if "course" not in known:
        raise JobError(
            f"job {job} had not started when its driver ended: run it again; `mapreduce clean` removes what it left"
        )
    return Course.from_json(known["course"])
