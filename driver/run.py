"""One run of a job, or of a chain of jobs: from its input to its result, round by round."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from driver.commits import Commit
from driver.course import Course, Leg, known_course
from driver.ending import Forget, discard, names_of, report
from driver.events import Callback, Event, JobEnded, JobStarted, Warned
from driver.exchange import Groups, choose_exchange, merge_rows
from driver.executors import Executor
from driver.housekeeping import clear, find_leftovers
from driver.inputs import Inputs, find_inputs
from driver.notebook import Notebook
from driver.output import OutputFolder, refuse_overlap
from driver.packaging import Package, package, stages_of
from driver.patience import Patience, PatientStore
from driver.plan import block_rows, piece_rows, segment_rows
from driver.pulse import Pulse, cancellation, outline
from driver.result import Result
from driver.round import ATTEMPTS, Repair, RoundRun
from driver.sampling import block_places, deal, is_fitted, read_sample, segment_places
from driver.settings import Settings, refuse_local
from driver.shipping import Shipping
from driver.splits import plan_splits
from mapreduce.batches import ARRAYS
from mapreduce.errors import ConfigError, JobCancelled, StoreError, UnreachableStore
from mapreduce.formats import OutputFormat, input_format, output_format
from mapreduce.job import Job
from mapreduce.objectstore import open_store
from mapreduce.seal import Seal
from shuffle import AttemptId, Receipt, open_shuffle
from worker.code import load_shipped
from worker.layout import cancel_key, driver_key, job_prefix
from worker.payload import Kind, Payload, Range

AnyJob = Job[Any, Any, Any, Any, Any]

# How a job is said to have ended, by what ended it; else it failed.
_HOW: dict[type[BaseException], str] = {JobCancelled: "cancelled", KeyboardInterrupt: "interrupted"}

# Bytes of input for each reduce task, where nobody chose their number.
_BYTES_PER_PARTITION = 256_000_000


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
        known = notebook.fields if notebook is not None else {}
        self.id = known.get("job") or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        self._jobs = jobs
        self._settings = settings
        self._executor = executor
        self._callback = notify
        self._notebook = notebook or Notebook()
        self._seal = Seal(bytes.fromhex(known["secret"])) if known.get("secret") else Seal.fresh()
        self._access = settings.access
        self._patience = Patience(settings.patience, self.id, self._notify)
        self._inner = open_store(settings.storage, access=self._access)
        self._storage = PatientStore(self._inner, self._patience)
        self._shuffle = open_shuffle(settings.shuffle, self._access, self._inner)
        self._pulse = Pulse(self._storage, self.id)
        self._course: Course | None = None
        self._earlier = int(known.get("drivers", 0))
        self._exchanges: dict[str, Any] = dict(known.get("exchanges", {}))
        self._fitted: dict[str, str] = dict(known.get("fitted", {}))
        self._code = Package([], b"", (), [])
        self._rounds: list[RoundRun] = []
        self._written: list[str] = []
        self._ship = Shipping(self.id, self._storage, self._seal, self._written)
        self._output: OutputFolder | None = None

    def run(self, inputs: Inputs, output: str | None, partitions: int | None) -> Result[Any, Any]:
        """Run; see `Driver.run`."""
        return self._to_the_end(lambda began: self._follow(self._begin(inputs, output, partitions), began))

    def resume(self) -> Result[Any, Any]:
        """Go on with the job of the notebook; see `Driver.resume`."""
        try:
            course = self._take_up()
        except BaseException:
            self._notebook.close()
            raise
        return self._to_the_end(lambda began: self._follow(course, began))

    def _to_the_end(self, act: Callable[[float], Result[Any, Any]]) -> Result[Any, Any]:
        began = time.monotonic()
        problem: BaseException | None = None
        try:
            return act(began)
        except BaseException as error:
            problem = error
            raise
        finally:
            self._executor.cancel(self.id)
            try:
                self._end(problem)
            except StoreError as error:
                # The result, or why there is none, is what counts; it must not be hidden by this.
                self._notify(Warned(job=self.id, text=f"what the job wrote could not all be removed: {error}"))
                self._notebook.close()
            text = "" if problem is None else f"{type(problem).__name__}: {problem}"
            self._notify(JobEnded(job=self.id, seconds=time.monotonic() - began, error=text))

    def _notify(self, event: Event) -> None:
        self._notebook.note(event)
        self._callback(event)

    def _begin(self, inputs: Inputs, output: str | None, partitions: int | None) -> Course:
        """Plan the job, and ship its code: behind this, any driver can bring it to its end."""
        files = find_inputs(inputs, self._access)
        size = sum(file.size for file in files)
        reads = input_format(self._jobs[0].input_format)
        if self._jobs[0].batched and not reads.batched:
            raise ConfigError(f"{reads!r} gives no batches; a batch mapper needs FixedInput, text, or columns")
        for file in files:
            reads.check(file.url, file.size)
        self._check(size, any(job.reducer is not None for job in self._jobs))
        if self._executor.remote:
            for what, urls in (("input", [file.url for file in files]), ("output", [output] if output else [])):
                for url in urls:
                    refuse_local(what, url)
        if output is not None:
            refuse_overlap(output, [file.url for file in files])
            self._open_output(output)
        split_size = self._settings.split_size
        if _sorts_arrays(self._jobs[0]):  # what a map task makes of its split stays in memory
            split_size = min(split_size, self._settings.memory // 4)
        splits = plan_splits(files, reads, split_size, self._width(size))
        self._warm(len(splits))
        counts = [self._partitions(job, partitions, size) for job in self._jobs]
        code = package(list(self._jobs))
        title = " | ".join(job.title for job in self._jobs)
        self._open_notebook(title, output)
        self._written += [driver_key(self.id), cancel_key(self.id)]
        self._code = code
        self._pulse.begin(title, outline(len(splits), counts))
        ship = self._ship
        side_files = [ship.files(job) for job in self._jobs]
        codes, bundle = ship.code(code, bundled=not self._executor.in_process)
        ship.description(self._jobs, files=len(files), size=size, splits=len(splits), partitions=counts, output=output)
        libraries = ship.libraries(self._settings.requirements, self._executor.surroundings())
        legs = []
        for number, partitions_here in enumerate(counts):
            last = number == len(counts) - 1
            shipped = {
                "code": codes[number],
                "bundle": bundle,
                "files": side_files[number],
                "libraries": libraries,
                "output": self._output.url if self._output is not None and last else "",
            }
            fitted = bool(partitions_here) and is_fitted(self._jobs[number].partitioner)
            legs.append(Leg(partitions=partitions_here, shipped=shipped, fitted=fitted))
        course = Course(
            job=self.id,
            title=title,
            legs=legs,
            rows=segment_rows(splits),
            size=size,
            share=self._executor.share,
            output=output or "",
        )
        self._notebook.write(secret=self._seal.secret.hex(), course=course.to_json(), drivers=1)
        if trouble := self._notebook.trouble:
            text = f"the job cannot be resumed if its driver dies, since its notebook cannot be written: {trouble}"
            self._notify(Warned(job=self.id, text=text))
        self._started(course, code.modules)
        return course

    def _take_up(self) -> Course:
        """The course of a job that another driver has begun.

        Raises:
            JobError: it cannot be resumed; the message says why, and what to do.
        """
        course = known_course(self._notebook.fields)
        self._inner.check()
        if asked := cancellation(self._inner, self.id):
            raise JobCancelled(
                f"job {self.id} was cancelled by {asked}: run it again; `mapreduce clean` removes what it left"
            )
        self._check(course.size, any(leg.partitions for leg in course.legs))
        if course.output:
            self._open_output(course.output)
        self._notebook.write(drivers=self._earlier + 1)
        counts = [leg.partitions for leg in course.legs]
        self._pulse.begin(course.title, outline(len(course.rows), counts))
        self._warm(len(course.rows))
        self._started(course, ())
        return course

    def _open_output(self, url: str) -> None:
        self._output = OutputFolder(
            url,
            self.id,
            overwrite=self._settings.overwrite,
            access=self._access,
            patient=lambda store: PatientStore(store, self._patience),
            first=self._earlier * ATTEMPTS,
        )

    def _open_notebook(self, title: str, output: str | None) -> None:
        """Have a notebook, so that another driver can go on where this one may end."""
        settings = self._settings
        if settings.storage.startswith("memory://"):  # which ends with this process
            return
        self._notebook = Notebook.begin(settings.state, self.id)
        self._notebook.write(job=self.id, title=title, output=output or "", settings=settings.noted())

    def _started(self, course: Course, modules: tuple[str, ...]) -> None:
        self._notify(
            JobStarted(
                job=self.id,
                title=course.title,
                rounds=course.rounds,
                bytes_in=course.size,
                modules=modules,
                resumed=bool(self._earlier),
            )
        )

    def _follow(self, course: Course, began: float) -> Result[Any, Any]:
        """Run the rounds, and give their result."""
        self._course = course
        reads_back = self._output_format(course)
        rows = course.rows
        commits: list[Commit] = []
        for number, leg in enumerate(course.legs):
            if number:
                rows = block_rows(commits, self._share(commits))
            commits = self._run_leg(rows, self._fit(number, leg, rows, commits) if leg.fitted else leg)
        return self._result(commits, began, course, reads_back)

    def _check(self, size: int, shuffles: bool) -> None:  # noqa: FBT001 - where a flag is all that is asked
        """Find out before anything starts whether the stores can be used; warn of what may go wrong."""
        self._storage.check()
        within = self._shuffle.url.startswith(f"{self._storage.url}/") and self._storage.free() is None
        if shuffles and not within:
            for text in self._shuffle.check(size):
                self._notify(Warned(job=self.id, text=text))

    def _warm(self, attempts: int) -> None:
        """Have workers of this machine start while the job is planned; a function starts with its first event."""
        if not self._executor.remote:
            self._executor.warm(attempts)

    def _width(self, size: int) -> int:
        """How many attempts to plan for at once, where there are `size` bytes to read."""
        # As the job began: another driver must not cut rounds otherwise.
        share = self._executor.share if self._course is None else self._course.share
        workers = self._settings.workers
        return max(1, min(workers, -(-size // share))) if share else workers

    def _share(self, commits: Sequence[Commit]) -> int:
        """Bytes that each map task reads of what these commits wrote, so that every worker has a share."""
        size = sum(commit.part.size for commit in commits if commit.part is not None)
        return max(1, min(self._settings.split_size, -(-size // self._width(size))))

    def _partitions(self, job: AnyJob, given: int | None, size: int) -> int:
        """How many partitions the shuffle of `job` has; 0 without a reducer."""
        if job.reducer is None:
            return 0
        chosen = given or job.partitions or self._settings.partitions
        if chosen:
            return chosen
        workers = self._width(size)
        # A partition of arrays is sorted as one, so it should fit well into memory.
        share = min(_BYTES_PER_PARTITION, self._settings.memory // 8) if _sorts_arrays(job) else _BYTES_PER_PARTITION
        return workers * max(1, -(-size // (share * workers)))

    def _fit(self, number: int, leg: Leg, rows: Sequence[Any], commits: Sequence[Commit]) -> Leg:
        """The leg with its partitioner fitted to a sample of the keys, which is a round of its own.

        Args:
            number: of the leg.
            leg: as it was shipped.
            rows: of its map round.
            commits: of the leg before.
        """
        if self._jobs:
            stages = stages_of(self._jobs[number])
        else:
            stages = load_shipped(leg.shipped["code"], leg.shipped["bundle"], self._storage, self._seal)
        partitioner: Any = stages.partitioner
        wanted = partitioner.sample * leg.partitions
        if number:
            places = block_places(commits, len(rows), wanted, leg.partitions)
        else:
            places = segment_places(rows, stages.input_format, wanted, leg.partitions)
        sampled: list[Commit] = []
        if places:
            assert self._course is not None
            dealt = deal(places, self._width(self._course.size))
            sampled = self._round("sample", dealt, leg.partitions, leg.shipped).run()
        if str(number) not in self._fitted:
            sample = read_sample(self._storage, self._seal, sampled)
            fitted = stages._replace(partitioner=partitioner.fit(sample, leg.partitions))
            self._fitted[str(number)] = self._ship.stages(self._code.again(fitted))
            self._notebook.write(fitted=self._fitted)
        return dataclasses.replace(leg, shipped={**leg.shipped, "code": self._fitted[str(number)]})

    def _run_leg(self, rows: Sequence[Any], leg: Leg) -> list[Commit]:
        partitions, common = leg.partitions, leg.shipped
        workers = self._settings.workers
        more = min(partitions, workers) - min(len(rows), workers)  # beside those that the maps leave behind
        halfway = partial(self._executor.warm, more) if self._executor.remote and more > 0 else None
        maps = self._round("map", rows, partitions, common, halfway=halfway)
        commits = maps.run()
        if not partitions:
            return commits
        writers = maps
        if (groups := self._groups(commits, partitions)) is not None:

            def remap(lost: tuple[int, ...]) -> list[list[list[Any]]]:
                return merge_rows(_receipts(maps.again(sorted(lost))), partitions, groups)

            writers = self._round(
                "merge", merge_rows(_receipts(commits), partitions, groups), partitions, common, repair=remap
            )
            commits = writers.run()

        def repair(lost: tuple[int, ...]) -> list[list[list[Any]]]:
            return piece_rows(writers.again(sorted(lost)), partitions)

        return self._round("reduce", piece_rows(commits, partitions), partitions, common, repair=repair).run()

    def _groups(self, commits: Sequence[Commit], partitions: int) -> Groups | None:
        """How a two-level exchange groups tasks; None where the exchange is direct.

        It is decided once, and noted: what rounds a job has must not change when another driver goes on.
        """
        number = str(len(self._rounds))
        if number not in self._exchanges:
            receipts, settings = _receipts(commits), self._settings
            self._exchanges[number] = choose_exchange(
                settings.exchange, receipts, partitions, settings.workers, self._shuffle.costs
            )
            self._notebook.write(exchanges=self._exchanges)
        groups = self._exchanges[number]
        return None if groups is None else Groups(*groups)

    def _round(
        self,
        kind: Kind,
        rows: Sequence[Any],
        partitions: int,
        common: dict[str, Any],
        *,
        repair: Repair | None = None,
        halfway: Callable[[], None] | None = None,
    ) -> RoundRun:
        def payload(attempt: AttemptId, row: Range) -> Payload:
            return Payload(
                attempt=attempt,
                kind=kind,
                secret=self._seal.secret.hex(),
                storage=self._storage.url,
                shuffle=self._shuffle.url if partitions else "",
                partitions=partitions,
                row=row,
                memory=self._settings.memory,
                access=self._settings.worker_access.to_json(),
                **{**common, "output": common["output"] if kind == "reduce" or not partitions else ""},
            )

        run = RoundRun(
            job=self.id,
            number=len(self._rounds),
            kind=kind,
            rows=rows,
            payload=payload,
            repair=repair,
            storage=self._storage,
            seal=self._seal,
            executor=self._executor,
            retries=self._settings.retries,
            notify=self._notify,
            halfway=halfway,
            beat=self._pulse.beat,
            earlier=self._earlier,
        )
        self._pulse.round(run.number, kind, run.tasks)
        self._rounds.append(run)
        return run

    def _output_format(self, course: Course) -> OutputFormat:
        """How parts are read back; of a resumed job, before hours of work are lost on what cannot be."""
        if self._jobs:
            return output_format(self._jobs[-1].output_format)
        shipped = course.legs[-1].shipped
        return load_shipped(shipped["code"], shipped["bundle"], self._storage, self._seal).output_format

    def _result(
        self, commits: Sequence[Commit], began: float, course: Course, reads_back: OutputFormat
    ) -> Result[Any, Any]:
        parts = [commit.part for commit in commits if commit.part is not None]
        forget = None
        store = self._inner
        if self._output is not None:
            names = self._output.publish(parts)
            parts = [part._replace(key=name) for part, name in zip(parts, names, strict=True)]
            store = self._output.store
        elif not self._settings.keep_intermediates:
            keys = [part.key for part in parts if part.key]
            forget = Forget(self._settings.storage, self._access, keys, self._notebook)
        return Result(
            job=self.id,
            output="" if self._output is None else self._output.url,
            parts=parts,
            store=store,
            seal=self._seal,
            output_format=reads_back,
            forget=forget,
            **report(self._rounds, self._storage.requests, course.size, time.monotonic() - began),
        )

    def _end(self, problem: BaseException | None) -> None:
        """Delete what nobody needs any more, and note how the job has ended."""
        if self._course is not None and isinstance(problem, UnreachableStore):
            # What cannot be reached cannot be deleted either; and nothing of the work done need be lost.
            text = f"what was done is kept: `mapreduce resume {self.id}` goes on when the store can be reached"
            self._notify(Warned(job=self.id, text=text))
            self._notebook.close()
            return
        how = "done" if problem is None else _HOW.get(type(problem), "failed")
        if self._output is not None:
            self._output.clear([(a.task, a.attempt) for a in self._rounds[-1].started] if self._rounds else [])
        if self._settings.keep_intermediates:
            if driver_key(self.id) in self._written or self._earlier:
                self._pulse.end(how)
            self._notebook.write(ended=how, left="kept")
            self._notebook.close()
            return
        self._notebook.write(ended=how, left="rest")  # of what begins to go now, nothing can be resumed
        self._delete(failed=problem is not None)
        result = "result" if problem is None and self._output is None else None
        self._notebook.write(left=result, secret=None, course=None)
        if result is None:  # else it is held until the result is closed
            self._notebook.close()

    def _delete(self, *, failed: bool) -> None:
        """Delete what this run wrote and nobody needs any more, by the names it is known to have written."""
        # The last round's blocks are the result's, until it is closed.
        last = self._rounds[-1].commits.values() if self._rounds and not failed and self._output is None else ()
        kept = {commit.part.key for commit in last if commit.part is not None}
        # First, since a shuffle store may lie within the storage and leave a folder there.
        discard(self._shuffle, self._rounds)
        self._inner.delete([*self._written, *names_of(self.id, self._rounds, kept)])
        self._inner.sweep(job_prefix(self.id))
        if self._earlier:
            # What attempts of the drivers before have written has names that are not known here.
            output = None if self._output is None else self._output.store
            clear(find_leftovers(self.id, self._inner, self._shuffle, output), kept)


def _sorts_arrays(job: AnyJob) -> bool:
    """Whether arrays are shuffled, as they are."""
    return isinstance(job.reducer, ARRAYS)


def _receipts(commits: Sequence[Commit]) -> list[Receipt]:
    return [commit.receipt for commit in commits if commit.receipt is not None]
