"""The names of a job's objects in its object store.

jobs/<job>/job.json                         readable description
jobs/<job>/driver                           signs of life of the driver
jobs/<job>/cancel                           somebody wants the job to end
jobs/<job>/cancelled.<driver>               a driver has given up attempts that nobody else can end
jobs/<job>/code/<digest>                    the stages, pickled; modules of the user's, zipped
jobs/<job>/files/<digest>                   side files
jobs/<job>/rounds/<n>/plan.<version>        what each task of the round reads
jobs/<job>/rounds/<n>/done/<task>           commit records: created only if absent
jobs/<job>/rounds/<n>/failed/<task>.<attempt>
jobs/<job>/rounds/<n>/started/<task>.<attempt>  on functions: created only if absent, by who runs the attempt
jobs/<job>/rounds/<n>/out/<task>.<attempt>  output that stays with the job: blocks
bundles/<digest>                            libraries, zipped; shared by jobs
bundles/<digest>.used                       when a job last began that needs them
<output>/_temporary/<job>/<task>.<attempt>  output parts until the job has succeeded
<output>/part-<task>
"""

from __future__ import annotations

import re

# What follows `job_prefix` in names that this page gives, and shuffle stores in folders of the storage.
_OURS = re.compile(
    r"job\.json|driver|cancel|cancelled\.[0-9a-f]+|(code|files)/[0-9a-f]{64}|shuffle/[0-9]+/[0-9]{5,}\.[0-9]+"
    r"|rounds/[0-9]+/(plan\.[0-9]+|done/[0-9]{5,}|(started|failed|out)/[0-9]{5,}\.[0-9]+)"
)
_TEMPORARY = re.compile(r"[0-9]{5,}\.[0-9]+")


def is_ours(job: str, key: str) -> bool:
    """Whether `key` is a name that driver and workers of the job may have given, in its storage or below its output."""
    for prefix, pattern in ((job_prefix(job), _OURS), (temporary_prefix(job), _TEMPORARY)):
        if key.startswith(prefix) and pattern.fullmatch(key[len(prefix) :]):
            return True
    return False


def job_prefix(job: str) -> str:
    """What the names of all objects of a job in its storage begin with."""
    return f"jobs/{job}/"


def job_key(job: str) -> str:
    """The job's description."""
    return f"jobs/{job}/job.json"


def driver_key(job: str) -> str:
    """Who runs the job, and when he was last seen to."""
    return f"jobs/{job}/driver"


def cancel_key(job: str) -> str:
    """There once somebody wants the job to end; drivers and workers look for it."""
    return f"jobs/{job}/cancel"


def cancelled_key(job: str, driver: str) -> str:
    """There once a driver, of which many may have run the job, has given up the attempts that it started."""
    return f"jobs/{job}/cancelled.{driver}"


def code_key(job: str, digest: str) -> str:
    """A piece of code, by the digest of its content."""
    return f"jobs/{job}/code/{digest}"


def file_key(job: str, digest: str) -> str:
    """A side file, by the digest of its content."""
    return f"jobs/{job}/files/{digest}"


def plan_prefix(job: str, round: int) -> str:
    """What the names of all versions of a round's plan begin with."""
    return f"jobs/{job}/rounds/{round}/plan."


def plan_key(job: str, round: int, version: int) -> str:
    """The rows of a round's tasks; a repaired round has a new version."""
    return f"{plan_prefix(job, round)}{version}"


def done_prefix(job: str, round: int) -> str:
    """What the names of all commit records of a round begin with."""
    return f"jobs/{job}/rounds/{round}/done/"


def done_key(job: str, round: int, task: int) -> str:
    """A task's commit record."""
    return f"{done_prefix(job, round)}{task:05d}"


def failed_prefix(job: str, round: int) -> str:
    """What the names of all failure records of a round begin with."""
    return f"jobs/{job}/rounds/{round}/failed/"


def failed_key(job: str, round: int, task: int, attempt: int) -> str:
    """Why an attempt failed."""
    return f"{failed_prefix(job, round)}{task:05d}.{attempt}"


def started_prefix(job: str, round: int) -> str:
    """What the names of all start records of a round begin with."""
    return f"jobs/{job}/rounds/{round}/started/"


def started_key(job: str, round: int, task: int, attempt: int) -> str:
    """Which function's sandbox runs an attempt."""
    return f"{started_prefix(job, round)}{task:05d}.{attempt}"


def bundle_key(digest: str) -> str:
    """A zip archive of libraries, by the digest of its content."""
    return f"bundles/{digest}"


def bundles_prefix() -> str:
    """What the names of all bundles begin with."""
    return "bundles/"


def used_key(digest: str) -> str:
    """When a job last began that needs the libraries of that digest."""
    return f"bundles/{digest}.used"


def out_key(job: str, round: int, task: int, attempt: int) -> str:
    """An attempt's output that stays with the job."""
    return f"jobs/{job}/rounds/{round}/out/{task:05d}.{attempt}"


def temporary_prefix(job: str) -> str:
    """What the names of all parts begin with, below the output folder, before the job has succeeded."""
    return f"_temporary/{job}/"


def temporary_key(job: str, task: int, attempt: int) -> str:
    """An attempt's part below the output folder, before the job has succeeded."""
    return f"{temporary_prefix(job)}{task:05d}.{attempt}"


def part_key(task: int) -> str:
    """A part below the output folder."""
    return f"part-{task:05d}"
