"""Progress for people: live bars on a terminal, a line for each round elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from driver.events import (
    AttemptFailed,
    Event,
    JobEnded,
    JobStarted,
    RoundEnded,
    RoundStarted,
    StorageLost,
    StorageReached,
    TaskEnded,
    Warned,
)
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ProgressCallback:
    """Shows the events of one job on a console.

    Args:
        console: where to; it tells whether it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._bar: TaskID | None = None
        self._round: RoundStarted | None = None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case JobStarted():
                shipped = f", shipping {', '.join(event.modules)}" if event.modules else ""
                resumed = ", resumed" if event.resumed else ""
                self._say(f"{event.title}: {format_size(event.bytes_in)} of input, job {event.job}{shipped}{resumed}")
            case Warned():
                self._say(f"warning: {event.text}")
            case StorageLost() | StorageReached():
                self._waits(event)
            case RoundStarted():
                self._round = event
                self._open(event)
            case TaskEnded():
                if self._bars is not None and self._bar is not None and self._is_current(event):
                    self._bars.update(self._bar, completed=event.done)
            case AttemptFailed():
                fate = "trying again" if event.retried else "giving up"
                self._say(f"task {event.task} of round {event.round}, attempt {event.attempt}: {event.reason}; {fate}")
            case RoundEnded():
                self._finished(event)
            case JobEnded():
                self._close()

    def _waits(self, event: StorageLost | StorageReached) -> None:
        if isinstance(event, StorageLost):
            since = time.strftime("%H:%M:%S")
            self._say(f"storage unreachable since {since}, trying again for {event.patience:g} s: {event.reason}")
        else:
            self._say(f"storage reached again, after {event.seconds:.0f} s")

    def _is_current(self, event: TaskEnded) -> bool:
        return self._round is not None and self._round.round == event.round

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _open(self, event: RoundStarted) -> None:
        if not self._console.is_terminal:
            return
        if self._bars is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("tasks"),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._bars.start()
        self._bar = self._bars.add_task(f"round {event.round}: {event.kind}", total=event.tasks)

    def _finished(self, event: RoundEnded) -> None:
        if self._bars is None and self._round is not None and self._round.round == event.round:
            self._say(f"round {event.round}: {self._round.kind}, {self._round.tasks} tasks, {event.seconds:.2f} s")

    def _close(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
