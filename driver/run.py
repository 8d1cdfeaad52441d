"""One run of a job, or of a chain of jobs: from its input to its result, round by round."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import mapreduce
from driver.commits import Commit
from driver.events import Callback, JobEnded, JobStarted, Warned
from driver.executors import Executor
from driver.inputs import Inputs, find_inputs
from driver.output import OutputFolder
from driver.packaging import Package, package
from driver.plan import block_rows, piece_rows, segment_rows
from driver.result import Result, Round
from driver.round import Repair, RoundRun
from driver.settings import Settings, refuse_local
from driver.splits import plan_splits
from mapreduce.errors import ConfigError, MissingObject, StoreError
from mapreduce.formats import input_format, output_format
from mapreduce.job import Job, named_files
from mapreduce.objectstore import Access, open_store
from mapreduce.seal import Seal
from shuffle import AttemptId, open_shuffle
from worker.layout import bundle_key, code_key, done_key, failed_key, file_key, job_key, out_key, plan_key, started_key
from worker.payload import Payload, Range

AnyJob = Job[Any, Any, Any, Any, Any]

# Bytes of input for each reduce task, where nobody chose their number.
_BYTES_PER_PARTITION = 256_000_000


class JobRun:
    """Runs a chain of jobs once, the output of each being the input of the next.

    Args:
        jobs: the chain.
        settings: of the driver.
        executor: starts the attempts.
        notify: takes the events.
    """

    def __init__(self, jobs: Sequence[AnyJob], settings: Settings, executor: Executor, notify: Callback) -> None:
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self._jobs = jobs
        self._settings = settings
        self._executor = executor
        self._notify = notify
        self._seal = Seal.fresh()
        self._access = settings.access
        self._storage = open_store(settings.storage, access=self._access)
        self._shuffle = open_shuffle(settings.shuffle, self._access, self._storage)
        self._rounds: list[RoundRun] = []
        self._written: list[str] = []
        self._output: OutputFolder | None = None

    def run(self, inputs: Inputs, output: str | None, partitions: int | None) -> Result[Any, Any]:
        """Run; see `Driver.run`."""
        began = time.monotonic()
        error = ""
        try:
            return self._run(inputs, output, partitions, began)
        except BaseException as problem:
            error = f"{type(problem).__name__}: {problem}"
            raise
        finally:
            self._executor.cancel(self.id)
            try:
                self._clean(failed=bool(error))
            except StoreError as problem:
                # The result, or why there is none, is what counts; it must not be hidden by this.
                self._notify(Warned(job=self.id, text=f"what the job wrote could not all be removed: {problem}"))
            self._notify(JobEnded(job=self.id, seconds=time.monotonic() - began, error=error))

    def _run(self, inputs: Inputs, output: str | None, partitions: int | None, began: float) -> Result[Any, Any]:
        files = find_inputs(inputs, self._access)
        size = sum(file.size for file in files)
        self._check(size)
        if self._executor.remote:
            for url in [file.url for file in files] + [output or ""]:
                if url:
                    refuse_local("output" if url == output else "input", url)
        if output is not None:
            _refuse_overlap(output, [file.url for file in files])
            self._output = OutputFolder(output, self.id, overwrite=self._settings.overwrite, access=self._access)
        reads = input_format(self._jobs[0].input_format)
        splits = plan_splits(files, reads, self._settings.split_size, self._width(size))
        if not self._executor.remote:
            self._executor.warm(len(splits))
        counts = [self._partitions(job, partitions, size) for job in self._jobs]
        code = package(list(self._jobs))
        side_files = [self._put_files(job) for job in self._jobs]
        codes, bundle = self._put_code(code)
        libraries = self._put_libraries()
        self._put_description(files=len(files), size=size, splits=len(splits), partitions=counts, output=output)
        self._notify(
            JobStarted(
                job=self.id,
                title=" | ".join(job.title for job in self._jobs),
                rounds=sum((1 if job.reducer is None else 2) for job in self._jobs),
                bytes_in=size,
                modules=code.modules,
            )
        )
        rows = segment_rows(splits)
        commits: list[Commit] = []
        for number in range(len(self._jobs)):
            last = number == len(self._jobs) - 1
            common = {
                "code": codes[number],
                "bundle": bundle,
                "files": side_files[number],
                "libraries": libraries,
                "output": self._output.url if self._output is not None and last else "",
            }
            if number:
                rows = block_rows(commits, self._share(commits))
            commits = self._run_job(rows, counts[number], common)
        return self._result(commits, began, size)

    def _check(self, size: int) -> None:
        """Find out before anything starts whether the stores can be used; warn of what may go wrong."""
        self._storage.check()
        within = self._shuffle.url.startswith(f"{self._storage.url}/") and self._storage.free() is None
        if any(job.reducer is not None for job in self._jobs) and not within:
            for text in self._shuffle.check(size):
                self._notify(Warned(job=self.id, text=text))

    def _share(self, commits: Sequence[Commit]) -> int:
        """Bytes that each map task reads of what these commits wrote, so that every worker has a share."""
        size = sum(commit.part.size for commit in commits if commit.part is not None)
        return max(1, min(self._settings.split_size, -(-size // self._width(size))))

    def _width(self, size: int) -> int:
        """How many attempts to plan for at once, where there are `size` bytes to read."""
        workers, share = self._settings.workers, self._executor.share
        return max(1, min(workers, -(-size // share))) if share else workers

    def _partitions(self, job: AnyJob, given: int | None, size: int) -> int:
        """How many partitions the shuffle of `job` has; 0 without a reducer."""
        if job.reducer is None:
            return 0
        chosen = given or job.partitions or self._settings.partitions
        if chosen:
            return chosen
        workers = self._width(size)
        return workers * max(1, -(-size // (_BYTES_PER_PARTITION * workers)))

    def _run_job(self, rows: Sequence[Any], partitions: int, common: dict[str, Any]) -> list[Commit]:

        def warm() -> None:
            workers = self._settings.workers
            if self._executor.remote and (more := min(partitions, workers) - min(len(rows), workers)) > 0:
                self._executor.warm(more)  # beside those that the maps leave behind

        maps = self._round("map", rows, partitions, common, halfway=warm)
        commits = maps.run()
        if not partitions:
            return commits

        def repair(lost: tuple[int, ...]) -> list[list[list[Any]]]:
            return piece_rows(maps.again(sorted(lost)), partitions)

        return self._round("reduce", piece_rows(commits, partitions), partitions, common, repair=repair).run()

    def _round(
        self,
        kind: Literal["map", "reduce"],
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
        )
        self._rounds.append(run)
        return run

    def _put(self, key: str, data: bytes) -> str:
        self._written.append(key)
        self._storage.put(key, data)
        return key

    def _put_code(self, code: Package) -> tuple[list[str], str]:
        """Put the code into the storage; returns the keys of the stages, and of the bundle or ""."""
        pieces = [*code.stages] if self._executor.in_process or not code.bundle else [*code.stages, code.bundle]
        keys = []
        for piece in pieces:
            key = code_key(self.id, hashlib.sha256(piece).hexdigest())
            keys.append(self._put(key, self._seal.wrap(key, piece)))
        return keys[: len(self._jobs)], keys[-1] if len(keys) > len(self._jobs) else ""

    def _put_libraries(self) -> str:
        """Put the libraries that the settings require into the storage, unless they are there; returns their key."""
        if not self._settings.requirements:
            return ""
        from driver.bundles import check_room, make_bundle

        where = self._executor.surroundings()
        bundle = make_bundle(self._settings.requirements, where.machine)
        check_room(bundle, where.disk)
        key = bundle_key(bundle.digest)
        try:
            if self._storage.size(key) == bundle.size:
                return key
        except MissingObject:
            pass
        # Other jobs use it too, so it stays.
        with bundle.path.open("rb") as file, self._storage.create(key) as writer:
            while data := file.read(1 << 20):
                writer.write(data)
        return key

    def _put_files(self, job: AnyJob) -> dict[str, str]:
        """Put a job's side files into the storage; returns their keys by name."""
        keys = {}
        for name, path in named_files(job.files).items():
            try:
                with open(path, "rb") as file:
                    key = file_key(self.id, hashlib.file_digest(file, "sha256").hexdigest())
                    file.seek(0)
                    self._written.append(key)
                    with self._storage.create(key) as writer:
                        while data := file.read(1 << 20):
                            writer.write(data)
            except OSError as error:
                raise ConfigError(f"files: cannot read the side file {path}: {error.strerror}") from None
            keys[name] = key
        return keys

    def _put_description(self, **fields: Any) -> None:
        description = {
            "job": self.id,
            "version": mapreduce.__version__,
            "jobs": [repr(job) for job in self._jobs],
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **fields,
        }
        self._put(job_key(self.id), json.dumps(description, indent=1).encode())

    def _result(self, commits: Sequence[Commit], began: float, size: int) -> Result[Any, Any]:
        parts = [commit.part for commit in commits if commit.part is not None]
        forget = None
        store = self._storage
        if self._output is not None:
            names = self._output.publish(parts)
            parts = [part._replace(key=name) for part, name in zip(parts, names, strict=True)]
            store = self._output.store
        elif not self._settings.keep_intermediates:
            forget = _Forget(self._settings.storage, self._access, [part.key for part in parts if part.key])
        rounds = tuple(map(_summary, self._rounds))
        counters: Counter[str] = Counter()
        for run in self._rounds:
            for commit in run.commits.values():
                counters.update(commit.counters)
        requests: Counter[str] = Counter(self._storage.requests.snapshot())
        for report in rounds:
            requests.update(report.requests)
        metrics = {
            "seconds": time.monotonic() - began,
            "bytes_in": size,
            "records_in": rounds[0].records_in,
            "records_out": rounds[-1].records_out,
            "bytes_out": rounds[-1].bytes_out,
            "bytes_shuffled": sum(report.bytes_in for report in rounds if report.kind == "reduce"),
            "bytes_spilled": sum(report.spilled for report in rounds),
            "peak_memory": max(report.peak_memory for report in rounds),
            "attempts": sum(report.attempts for report in rounds),
            "requests": dict(requests),
        }
        return Result(
            job=self.id,
            output="" if self._output is None else self._output.url,
            parts=parts,
            counters=dict(sorted(counters.items())),
            rounds=rounds,
            metrics=metrics,
            store=store,
            seal=self._seal,
            output_format=output_format(self._jobs[-1].output_format),
            forget=forget,
        )

    def _clean(self, *, failed: bool) -> None:
        """Delete what this run wrote and nobody needs any more, by the names it is known to have written."""
        if self._output is not None:
            self._output.clear([(a.task, a.attempt) for a in self._rounds[-1].started] if self._rounds else [])
        if self._settings.keep_intermediates:
            return
        receipts = [
            commit.receipt for run in self._rounds for commit in run.commits.values() if commit.receipt is not None
        ]
        # First, since a shuffle store may lie within the storage and leave a folder there.
        self._shuffle.discard(receipts)
        self._shuffle.sweep(attempt for run in self._rounds for attempt in run.started)
        keys = list(self._written)
        for run in self._rounds:
            # One more than are counted: an interrupt may come when it has just been written.
            keys += [plan_key(self.id, run.number, version) for version in range(run.plans + 1)]
            keys += [done_key(self.id, run.number, task) for task in range(run.tasks)]
            keys += [failed_key(*attempt) for attempt in run.started]
            if self._executor.remote:
                keys += [started_key(*attempt) for attempt in run.started]
            # The last round's blocks are the result's, until it is closed.
            kept = {commit.part.key for commit in run.commits.values() if commit.part is not None}
            kept = kept if run is self._rounds[-1] and not failed and self._output is None else set()
            keys += [key for attempt in run.started if (key := out_key(*attempt)) not in kept]
        self._storage.delete(keys)
        self._storage.sweep(f"jobs/{self.id}/")


class _Forget:
    """Deletes the parts of a result; holds nothing that holds the result."""

    def __init__(self, storage: str, access: Access, keys: list[str]) -> None:
        self._storage = storage
        self._access = access
        self._keys = keys

    def __call__(self) -> None:
        open_store(self._storage, access=self._access).delete(self._keys)


def _summary(run: RoundRun) -> Round:
    metrics = [commit.metrics for commit in run.commits.values()]
    requests: Counter[str] = Counter()
    for one in metrics:
        requests.update(one["requests"])
    return Round(
        number=run.number,
        kind=run.kind,
        tasks=run.tasks,
        attempts=len(run.started),
        seconds=run.seconds,
        records_in=sum(one["records_in"] for one in metrics),
        bytes_in=sum(one["bytes_in"] for one in metrics),
        records_out=sum(one["records_out"] for one in metrics),
        bytes_out=sum(one["bytes_out"] for one in metrics),
        spilled=sum(one["spilled"] for one in metrics),
        peak_memory=max(one["peak_memory"] for one in metrics),
        requests=dict(requests),
    )


def _refuse_overlap(output: str, urls: Sequence[str]) -> None:
    """Refuse an output folder that holds input: the next run would read it."""
    folder = output.rstrip(os.sep) + os.sep
    for url in urls:
        if url.startswith(folder):
            raise ConfigError(f"output: the folder {output} holds the input {url}; choose another")
