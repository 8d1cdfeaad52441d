"""The contract of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Self

from shuffle.base import AttemptId
from worker.payload import Payload

if TYPE_CHECKING:
    from driver.settings import Settings

#: Called when an attempt is known to have ended, with "" if its worker returned normally (its keys say
#: what became of it), else with how it ended. May be called in any thread, and must
#: return at once.
Ended = Callable[[AttemptId, str], None]


class Surroundings(NamedTuple):
    """Where attempts run.

    Attributes:
        machine: the processor, as `platform.machine()` tells it, of a Linux elsewhere; "" for this machine.
        disk: bytes that there are for libraries; None where that is not known.
        memory: bytes of memory that an attempt may use; None where that is what the settings say.
    """

    machine: str = ""
    disk: int | None = None
    memory: int | None = None


class Executor(ABC):
    """Starts attempts. It never decides whether they succeeded: keys in the object store do.

    Attributes:
        in_process: whether attempts run in the driver's own process, where its modules are imported.
        remote: whether attempts run elsewhere, where there are neither this machine's files nor its credentials.
        share: bytes of input, at least, that make one more attempt worth its start.
        poll: seconds after which a barrier looks at the keys even if nothing was reported.
        closed: whether it has been closed, so that no attempt will end any more.
    """

    in_process = False
    remote = False
    share = 0
    poll = 1.0
    closed = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The executor for a driver with these settings."""
        return cls(settings.workers, settings.timeout)  # type: ignore[call-arg]  # as those on this machine are made

    @abstractmethod
    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        """Start these attempts, as many at once as the executor's limit allows, the others later.

        The end of each is reported by `ended` once, unless the driver was before it: see `settled`.
        """

    def settled(self, attempts: Iterable[AttemptId]) -> None:  # noqa: B027 - most executors see attempts end
        """Take note that the driver has found the commit records of these attempts' tasks.

        An executor whose workers cannot report looks for failures, and leaves it to the driver to see
        successes; from now on these attempts take none of its room, and need not be reported.
        """

    def surroundings(self) -> Surroundings:
        """Where attempts run."""
        return Surroundings()

    def notices(self) -> list[str]:
        """What a person should know that has come up since this was last asked."""
        return []

    @abstractmethod
    def cancel(self, job: str) -> None:
        """End all attempts of a job: on return none runs or will be started, and none is reported."""

    @abstractmethod
    def close(self) -> None:
        """End everything; the executor is not used again."""

    def warm(self, attempts: int) -> None:  # noqa: B027 - an executor may have nothing to prepare
        """Prepare for about so many attempts, which come soon."""

    def step(self, job: str) -> bool:
        """Run an attempt of `job` in the caller's thread, where that is how the executor works.

        Returns whether one was run.
        """
        return False
