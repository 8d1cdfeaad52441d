"""The beginning of a run: a job is planned, and its code shipped; or another driver's plan is taken up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driver.course import Course, Leg, known_course
from driver.inputs import InputFile, Inputs, find_inputs
from driver.means import Means
from driver.output import refuse_overlap
from driver.packaging import Package, package
from driver.plan import segment_rows
from driver.pulse import cancellation, outline
from driver.sampling import is_fitted
from driver.settings import refuse_local
from driver.splits import plan_splits, width
from mapreduce.batches import ARRAYS
from mapreduce.errors import ConfigError, JobCancelled
from mapreduce.formats import InputFormat, Segment, input_format
from mapreduce.job import Job
from worker.layout import cancel_key, driver_key

AnyJob = Job[Any, Any, Any, Any, Any]

# Bytes of input for each reduce task, where nobody chose their number.
_BYTES_PER_PARTITION = 256_000_000


def begin(
    means: Means, jobs: Sequence[AnyJob], inputs: Inputs, output: str | None, partitions: int | None
) -> tuple[Course, Package]:
    """Plan a job, and ship its code: behind this, any driver can bring it to its end.

    Args:
        means: of the run.
        jobs: the chain.
        inputs: as `Driver.run` takes them.
        output: URL of the output folder.
        partitions: of each job with a reducer, if whoever runs them said so.
    """
    files = find_inputs(inputs, means.access)
    size = sum(file.size for file in files)
    reads = _format(jobs[0], files)
    means.check(size, shuffles=any(job.reducer is not None for job in jobs))
    if means.executor.remote:
        for what, urls in (("input", [file.url for file in files]), ("output", [output] if output else [])):
            for url in urls:
                refuse_local(what, url)
    if output is not None:
        refuse_overlap(output, [file.url for file in files])
        means.open_output(output)
    splits = _splits(means, jobs[0], files, reads, size)
    means.warm(len(splits))
    counts = [_partitions(means, job, partitions, size) for job in jobs]
    code = package(list(jobs))
    title = " | ".join(job.title for job in jobs)
    means.open_notebook(title, output)
    means.written += [driver_key(means.job), cancel_key(means.job)]
    means.pulse.begin(title, outline(len(splits), counts))
    legs = _ship(means, jobs, code, counts)
    means.ship.description(
        jobs,
        files=len(files),
        size=size,
        splits=len(splits),
        partitions=counts,
        output=output,
        libraries=legs[0].shipped["libraries"],
    )
    course = Course(
        job=means.job,
        title=title,
        legs=legs,
        rows=segment_rows(splits),
        size=size,
        share=means.executor.share,
        output=output or "",
    )
    means.notebook.write(secret=means.seal.secret.hex(), course=course.to_json(), drivers=1)
    if trouble := means.notebook.trouble:
        means.warn(f"the job cannot be resumed if its driver dies, since its notebook cannot be written: {trouble}")
    means.started(course, code.modules)
    return course, code


def take_up(means: Means) -> Course:
    """The course of a job that another driver has begun.

    Raises:
        JobError: it cannot be resumed; the message says why, and what to do.
    """
    course = known_course(means.notebook.fields)
    means.check_storage()
    if asked := cancellation(means.inner, means.job):
        raise JobCancelled(
            f"job {means.job} was cancelled by {asked}: run it again; `mapreduce clean` removes what it left"
        )
    means.check(course.size, shuffles=any(leg.partitions for leg in course.legs))
    if course.output:
        means.open_output(course.output)
    means.notebook.write(drivers=means.earlier + 1)
    means.pulse.begin(course.title, outline(len(course.rows), [leg.partitions for leg in course.legs]))
    means.warm(len(course.rows))
    means.started(course, ())
    return course


def _format(job: AnyJob, files: Sequence[InputFile]) -> InputFormat[Any]:
    """The format of the input, which the files have, as far as names and sizes tell."""
    reads = input_format(job.input_format)
    if job.batched and not reads.batched:
        raise ConfigError(f"{reads!r} gives no batches; a batch mapper needs FixedInput, text, or columns")
    for file in files:
        reads.check(file.url, file.size)
    return reads


def _splits(
    means: Means, job: AnyJob, files: Sequence[InputFile], reads: InputFormat[Any], size: int
) -> list[list[Segment]]:
    split_size = means.settings.split_size
    if _sorts_arrays(job):  # what a map task makes of its split stays in memory
        split_size = min(split_size, means.memory // 4)
    return plan_splits(files, reads, split_size, width(size, means.executor.share, means.settings.workers))


def _partitions(means: Means, job: AnyJob, given: int | None, size: int) -> int:
    """How many partitions the shuffle of `job` has; 0 without a reducer."""
    if job.reducer is None:
        return 0
    chosen = given or job.partitions or means.settings.partitions
    if chosen:
        return chosen
    workers = width(size, means.executor.share, means.settings.workers)
    # A partition of arrays is sorted as one, so it should fit well into memory.
    share = min(_BYTES_PER_PARTITION, means.memory // 8) if _sorts_arrays(job) else _BYTES_PER_PARTITION
    return workers * max(1, -(-size // (share * workers)))


def _sorts_arrays(job: AnyJob) -> bool:
    """Whether arrays are shuffled, as they are."""
    return isinstance(job.reducer, ARRAYS)


def _ship(means: Means, jobs: Sequence[AnyJob], code: Package, counts: Sequence[int]) -> list[Leg]:
    """Put code, side files and libraries; returns the legs that use them."""
    ship, executor = means.ship, means.executor
    side_files = [ship.files(job) for job in jobs]
    codes, bundle = ship.code(code, bundled=not executor.in_process)
    libraries = ship.libraries(means.settings.requirements, executor.surroundings())
    legs = []
    for number, partitions in enumerate(counts):
        last = number == len(counts) - 1
        shipped = {
            "code": codes[number],
            "bundle": bundle,
            "files": side_files[number],
            "libraries": libraries,
            "output": means.output.url if means.output is not None and last else "",
        }
        fitted = bool(partitions) and is_fitted(jobs[number].partitioner)
        legs.append(Leg(partitions=partitions, shipped=shipped, fitted=fitted))
    return legs
