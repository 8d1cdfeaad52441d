"""What the parts of one run of a job work with: stores, the executor, the job's secret, its notebook."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from driver.course import Course
from driver.events import Callback, Event, JobStarted, Warned
from driver.executors import Executor
from driver.notebook import Notebook
from driver.output import OutputFolder
from driver.patience import Patience, PatientStore
from driver.pulse import Pulse
from driver.round import ATTEMPTS
from driver.settings import Settings
from driver.shipping import Shipping
from mapreduce.errors import StoreError, UnreachableStore
from mapreduce.objectstore import open_store
from mapreduce.seal import Seal
from mapreduce.sizes import format_size
from shuffle import open_shuffle


class Means:
    """Of a run: what its planning, its rounds and its end have in common.

    Args:
        settings: of the driver.
        executor: starts the attempts.
        notify: takes the events.
        notebook: of a job that another driver has begun, held by this process.

    Attributes:
        job: id.
        seal: of the job.
        access: how stores are reached.
        inner: the object store of control keys.
        storage: the same, which is asked again while it cannot be reached.
        shuffle: the shuffle store.
        pulse: shows that the driver is alive.
        notebook: of the job.
        output: the output folder; None before it is open, or without one.
        earlier: how many drivers have had the job before.
        written: keys of what was written to the storage, beside what rounds write.
        ship: lays code and files into the storage.
    """

    def __init__(
        self, settings: Settings, executor: Executor, notify: Callback, notebook: Notebook | None = None
    ) -> None:
        known = notebook.fields if notebook is not None else {}
        self.job: str = known.get("job") or (f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}")
        self.settings = settings
        self.executor = executor
        self._callback = notify
        self.notebook = notebook or Notebook()
        self.seal = Seal(bytes.fromhex(known["secret"])) if known.get("secret") else Seal.fresh()
        self.access = settings.access
        self._patience = Patience(settings.patience, self.job, self.notify)
        self.inner = open_store(settings.storage, access=self.access)
        self.storage = PatientStore(self.inner, self._patience)
        self.shuffle = open_shuffle(settings.shuffle, self.access, self.inner)
        self.pulse = Pulse(self.storage, self.job)
        self.output: OutputFolder | None = None
        self.earlier = int(known.get("drivers", 0))
        self.written: list[str] = []
        self.ship = Shipping(self.job, self.storage, self.seal, self.written)

    def notify(self, event: Event) -> None:
        """Note an event, and hand it on."""
        self.notebook.note(event)
        self._callback(event)

    def warn(self, text: str) -> None:
        """Tell whoever runs the job."""
        self.notify(Warned(job=self.job, text=text))

    def check(self, size: int, *, shuffles: bool) -> None:
        """Find out before anything starts whether the stores can be used; warn of what may go wrong.

        Args:
            size: of the input, in bytes.
            shuffles: whether the shuffle store will be used.
        """
        self._check_memory()
        self.check_storage()
        within = self.shuffle.url.startswith(f"{self.storage.url}/") and self.storage.free() is None
        if shuffles and not within:
            with _named("shuffle"):
                warnings = self.shuffle.check(size)
            for text in warnings:
                self.warn(text)

    def check_storage(self) -> None:
        """Find out whether the storage can be used, now."""
        with _named("storage"):
            self.storage.check()

    @property
    def memory(self) -> int:
        """Bytes of memory that one worker may use."""
        memory = self.executor.surroundings().memory or self.settings.memory
        assert memory is not None, "executors without a memory of their own have the settings'"
        return memory

    def _check_memory(self) -> None:
        wanted, has = self.settings.memory, self.executor.surroundings().memory
        # Up to a tenth may be units, and what the function's runtime needs.
        if wanted is not None and has is not None and abs(wanted - has) > has / 10:
            self.warn(
                f"memory: it is set to {format_size(wanted)}, but workers have what their function has,"
                f" {format_size(has)}: `mapreduce deploy --memory` changes that"
            )

    def open_output(self, url: str) -> None:
        """Have the output folder, which is empty, or may be overwritten."""
        with _named("output"):
            self.output = OutputFolder(
                url,
                self.job,
                overwrite=self.settings.overwrite,
                access=self.access,
                patient=lambda store: PatientStore(store, self._patience),
                first=self.earlier * ATTEMPTS,
            )

    def open_notebook(self, title: str, output: str | None) -> None:
        """Have a notebook, so that another driver can go on where this one may end."""
        settings = self.settings
        if settings.storage.startswith("memory://"):  # which ends with this process
            return
        self.notebook = Notebook.begin(settings.state, self.job)
        self.notebook.write(job=self.job, title=title, output=output or "", settings=settings.noted())

    def warm(self, attempts: int) -> None:
        """Have workers of this machine start while the job is planned; a function starts with its first event."""
        if not self.executor.remote:
            self.executor.warm(attempts)

    def started(self, course: Course, modules: tuple[str, ...]) -> None:
        """Tell that all is planned, and the rounds begin."""
        self.notify(
            JobStarted(
                job=self.job,
                title=course.title,
                rounds=course.rounds,
                bytes_in=course.size,
                modules=modules,
                resumed=bool(self.earlier),
            )
        )


@contextmanager
def _named(setting: str) -> Iterator[None]:
    """Has errors of a store say which setting names it."""
    try:
        yield
    except StoreError as error:
        kind = UnreachableStore if isinstance(error, UnreachableStore) else StoreError
        raise kind(f"{setting}: {error}") from error
