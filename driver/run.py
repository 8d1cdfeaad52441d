"""One run of a job, or of a chain of jobs: from its input to its result, and to the end of what it wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from driver.commits import Commit
from driver.ending import Forget, discard, names_of, report
from driver.events import Callback, JobEnded
from driver.executors import Executor
from driver.housekeeping import clear, find_leftovers
from driver.inputs import Inputs
from driver.legs import Legs
from driver.means import Means
from driver.notebook import Notebook
from driver.planning import AnyJob, begin, take_up
from driver.result import Result
from driver.round import RoundRun
from driver.settings import Settings
from mapreduce.errors import JobCancelled, StoreError, UnreachableStore
from mapreduce.formats import OutputFormat
from worker.layout import driver_key, job_prefix

# How a job is said to have ended, by what ended it; else it failed.
_HOW: dict[type[BaseException], str] = {JobCancelled: "cancelled", KeyboardInterrupt: "interrupted"}


class JobRun:
    """Runs a chain of jobs once, the output of each being the input of the next.

    Args:
        jobs: the chain; empty for a job that another driver has begun.
        settings: of the driver.
        executor: starts the attempts.
        notify: takes the events.
        notebook: of a job that another driver has begun, held by this process.
    """

    def __init__(
        self,
        jobs: Sequence[AnyJob],
        settings: Settings,
        executor: Executor,
        notify: Callback,
        notebook: Notebook | None = None,
    ) -> None:
        self._jobs = jobs
        self._means = Means(settings, executor, notify, notebook)
        self._legs: Legs | None = None

    def run(self, inputs: Inputs, output: str | None, partitions: int | None) -> Result[Any, Any]:
        """Run; see `Driver.run`."""

        def plan() -> Legs:
            course, code = begin(self._means, self._jobs, inputs, output, partitions)
            return Legs(self._means, course, self._jobs, code)

        return self._to_the_end(plan)

    def resume(self) -> Result[Any, Any]:
        """Go on with the job of the notebook; see `Driver.resume`."""
        try:
            legs = Legs(self._means, take_up(self._means), [])
        except BaseException:
            self._means.notebook.close()
            raise
        return self._to_the_end(lambda: legs)

    def _to_the_end(self, plan: Callable[[], Legs]) -> Result[Any, Any]:
        means = self._means
        began = time.monotonic()
        problem: BaseException | None = None
        try:
            self._legs = plan()
            return self._follow(self._legs, began)
        except BaseException as error:
            problem = error
            raise
        finally:
            means.executor.cancel(means.job)
            try:
                self._end(problem)
            except StoreError as error:
                # The result, or why there is none, is what counts; it must not be hidden by this.
                means.warn(f"what the job wrote could not all be removed: {error}")
                means.notebook.close()
            text = "" if problem is None else f"{type(problem).__name__}: {problem}"
            means.notify(JobEnded(job=means.job, seconds=time.monotonic() - began, error=text))

    def _follow(self, legs: Legs, began: float) -> Result[Any, Any]:
        """Run the rounds, and give their result."""
        reads_back = legs.output_format()
        return self._result(legs, legs.run(), began, reads_back)

    def _result(
        self, legs: Legs, commits: Sequence[Commit], began: float, reads_back: OutputFormat
    ) -> Result[Any, Any]:
        means = self._means
        parts = [commit.part for commit in commits if commit.part is not None]
        forget = None
        store = means.inner
        if means.output is not None:
            names = means.output.publish(parts)
            parts = [part._replace(key=name) for part, name in zip(parts, names, strict=True)]
            store = means.output.store
        elif not means.settings.keep_intermediates:
            keys = [part.key for part in parts if part.key]
            forget = Forget(means.settings.storage, means.access, keys, means.notebook)
        told = report(
            legs.rounds,
            means.storage.requests,
            size=legs.course.size,
            memory=means.memory,
            seconds=time.monotonic() - began,
        )
        return Result(
            job=means.job,
            output="" if means.output is None else means.output.url,
            parts=parts,
            store=store,
            seal=means.seal,
            output_format=reads_back,
            forget=forget,
            **told,
        )

    @property
    def _rounds(self) -> list[RoundRun]:
        return [] if self._legs is None else self._legs.rounds

    def _end(self, problem: BaseException | None) -> None:
        """Delete what nobody needs any more, and note how the job has ended."""
        means = self._means
        if self._legs is not None and isinstance(problem, UnreachableStore):
            # What cannot be reached cannot be deleted either; and nothing of the work done need be lost.
            means.warn(f"what was done is kept: `mapreduce resume {means.job}` goes on when the store can be reached")
            means.notebook.close()
            return
        how = "done" if problem is None else _HOW.get(type(problem), "failed")
        if means.output is not None:
            means.output.clear([(a.task, a.attempt) for a in self._rounds[-1].started] if self._rounds else [])
        if means.settings.keep_intermediates:
            if driver_key(means.job) in means.written or means.earlier:
                means.pulse.end(how)
            means.notebook.write(ended=how, left="kept")
            means.notebook.close()
            return
        means.notebook.write(ended=how, left="rest")  # of what begins to go now, nothing can be resumed
        self._delete(failed=problem is not None)
        result = "result" if problem is None and means.output is None else None
        means.notebook.write(left=result, secret=None, course=None)
        if result is None:  # else it is held until the result is closed
            means.notebook.close()

    def _delete(self, *, failed: bool) -> None:
        """Delete what this run wrote and nobody needs any more, by the names it is known to have written."""
        means = self._means
        if not (means.written or self._rounds or means.earlier):
            return  # and a store that cannot be reached is not asked once more
        # The last round's blocks are the result's, until it is closed.
        last = self._rounds[-1].commits.values() if self._rounds and not failed and means.output is None else ()
        kept = {commit.part.key for commit in last if commit.part is not None}
        # First, since a shuffle store may lie within the storage and leave a folder there.
        discard(means.shuffle, self._rounds)
        means.inner.delete([*means.written, *names_of(means.job, self._rounds, kept)])
        means.inner.sweep(job_prefix(means.job))
        if means.earlier:
            # What attempts of the drivers before have written has names that are not known here.
            output = None if means.output is None else means.output.store
            clear(find_leftovers(means.job, means.inner, means.shuffle, output), kept)
