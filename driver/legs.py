"""The rounds of a job: for each leg of its course sample, map, merge and reduce, as far as it has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from driver.commits import Commit
from driver.course import Course, Leg
from driver.exchange import Groups, choose_exchange, merge_rows
from driver.means import Means
from driver.packaging import Package, stages_of
from driver.plan import block_rows, piece_rows
from driver.planning import AnyJob
from driver.round import Repair, RoundRun
from driver.sampling import block_places, deal, read_sample, segment_places
from driver.splits import width
from mapreduce.formats import OutputFormat, output_format
from shuffle import AttemptId, Receipt
from worker.code import Stages, load_shipped
from worker.payload import Kind, Payload, Range

# Code of a job that another driver has begun: it is where that one laid it.
NOTHING = Package([], b"", (), [])


class Legs:
    """Runs the legs of a course, the output of each being the input of the next.

    Args:
        means: of the run.
        course: what is to be done.
        jobs: the chain; empty for a job that another driver has begun.
        code: of the chain.

    Attributes:
        course: see above.
        rounds: those that have begun, in order.
    """

    def __init__(self, means: Means, course: Course, jobs: Sequence[AnyJob], code: Package = NOTHING) -> None:
        known = means.notebook.fields
        self.course = course
        self.rounds: list[RoundRun] = []
        self._means = means
        self._jobs = jobs
        self._code = code
        self._exchanges: dict[str, Any] = dict(known.get("exchanges", {}))
        self._fitted: dict[str, str] = dict(known.get("fitted", {}))

    def run(self) -> list[Commit]:
        """Run the rounds; returns the commit records of the last."""
        rows = self.course.rows
        commits: list[Commit] = []
        for number, leg in enumerate(self.course.legs):
            if number:
                rows = block_rows(commits, self._share(commits))
            commits = self._run(rows, self._fit(number, leg, rows, commits) if leg.fitted else leg)
        return commits

    def output_format(self) -> OutputFormat:
        """How parts are read back; of a resumed job, before hours of work are lost on what cannot be."""
        if self._jobs:
            return output_format(self._jobs[-1].output_format)
        return self._loaded(self.course.legs[-1]).output_format

    def _loaded(self, leg: Leg) -> Stages:
        return load_shipped(leg.shipped["code"], leg.shipped["bundle"], self._means.storage, self._means.seal)

    def _width(self, size: int) -> int:
        """How many attempts to plan for at once, where there are `size` bytes to read."""
        # As the job began: another driver must not cut rounds otherwise.
        return width(size, self.course.share, self._means.settings.workers)

    def _share(self, commits: Sequence[Commit]) -> int:
        """Bytes that each map task reads of what these commits wrote, so that every worker has a share."""
        size = sum(commit.part.size for commit in commits if commit.part is not None)
        return max(1, min(self._means.settings.split_size, -(-size // self._width(size))))

    def _fit(self, number: int, leg: Leg, rows: Sequence[Any], commits: Sequence[Commit]) -> Leg:
        """The leg with its partitioner fitted to a sample of the keys, which is a round of its own.

        Args:
            number: of the leg.
            leg: as it was shipped.
            rows: of its map round.
            commits: of the leg before.
        """
        means = self._means
        stages = stages_of(self._jobs[number]) if self._jobs else self._loaded(leg)
        partitioner: Any = stages.partitioner
        wanted = partitioner.sample * leg.partitions
        if number:
            places = block_places(commits, len(rows), wanted, leg.partitions)
        else:
            places = segment_places(rows, stages.input_format, wanted, leg.partitions)
        sampled: list[Commit] = []
        if places:
            dealt = deal(places, self._width(self.course.size))
            sampled = self._round("sample", dealt, leg).run()
        if str(number) not in self._fitted:
            sample = read_sample(means.storage, means.seal, sampled)
            fitted = stages._replace(partitioner=partitioner.fit(sample, leg.partitions))
            self._fitted[str(number)] = means.ship.stages(self._code.again(fitted))
            means.notebook.write(fitted=self._fitted)
        return dataclasses.replace(leg, shipped={**leg.shipped, "code": self._fitted[str(number)]})

    def _run(self, rows: Sequence[Any], leg: Leg) -> list[Commit]:
        """Run a leg: map, and merge and reduce where it has a reducer."""
        partitions, executor, workers = leg.partitions, self._means.executor, self._means.settings.workers
        more = min(partitions, workers) - min(len(rows), workers)  # beside those that the maps leave behind
        halfway = partial(executor.warm, more) if executor.remote and more > 0 else None
        maps = self._round("map", rows, leg, halfway=halfway)
        commits = maps.run()
        if not partitions:
            return commits
        writers = maps
        if (groups := self._groups(commits, partitions)) is not None:

            def remap(lost: tuple[int, ...]) -> list[list[list[Any]]]:
                return merge_rows(_receipts(maps.again(sorted(lost))), partitions, groups)

            writers = self._round("merge", merge_rows(_receipts(commits), partitions, groups), leg, repair=remap)
            commits = writers.run()

        def repair(lost: tuple[int, ...]) -> list[list[list[Any]]]:
            return piece_rows(writers.again(sorted(lost)), partitions)

        return self._round("reduce", piece_rows(commits, partitions), leg, repair=repair).run()

    def _groups(self, commits: Sequence[Commit], partitions: int) -> Groups | None:
        """How a two-level exchange groups tasks; None where the exchange is direct.

        It is decided once, and noted: what rounds a job has must not change when another driver goes on.
        """
        number = str(len(self.rounds))
        if number not in self._exchanges:
            receipts, settings = _receipts(commits), self._means.settings
            self._exchanges[number] = choose_exchange(
                settings.exchange, receipts, partitions, settings.workers, self._means.shuffle.costs
            )
            self._means.notebook.write(exchanges=self._exchanges)
        groups = self._exchanges[number]
        return None if groups is None else Groups(*groups)

    def _round(
        self,
        kind: Kind,
        rows: Sequence[Any],
        leg: Leg,
        *,
        repair: Repair | None = None,
        halfway: Callable[[], None] | None = None,
    ) -> RoundRun:
        means, settings = self._means, self._means.settings
        output = leg.shipped["output"] if kind == "reduce" or not leg.partitions else ""

        def payload(attempt: AttemptId, row: Range) -> Payload:
            return Payload(
                attempt=attempt,
                kind=kind,
                secret=means.seal.secret.hex(),
                storage=means.storage.url,
                shuffle=means.shuffle.url if leg.partitions else "",
                partitions=leg.partitions,
                row=row,
                memory=means.memory,
                access=settings.worker_access.to_json(),
                **{**leg.shipped, "output": output},
            )

        run = RoundRun(
            job=means.job,
            number=len(self.rounds),
            kind=kind,
            rows=rows,
            payload=payload,
            repair=repair,
            storage=means.storage,
            seal=means.seal,
            executor=means.executor,
            retries=settings.retries,
            notify=means.notify,
            halfway=halfway,
            beat=means.pulse.beat,
            earlier=means.earlier,
        )
        means.pulse.round(run.number, kind, run.tasks)
        self.rounds.append(run)
        return run


def _receipts(commits: Sequence[Commit]) -> list[Receipt]:
    return [commit.receipt for commit in commits if commit.receipt is not None]
