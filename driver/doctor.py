"""Finding out what is wrong with the stores that the settings name, and what to do about it.

Everything is made under a name of its own, doctor-<random>, and removed again. No look takes for ever.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from driver.settings import Settings
from driver.trials import Trial, Trouble, trials_of, write_and_read, write_read_discard
from mapreduce.errors import MapReduceError
from mapreduce.finding import Finding
from mapreduce.objectstore import open_store
from shuffle import ObjectShuffle, ShuffleStore, open_shuffle

#: Seconds after which a store that does not answer is given up.
PATIENCE = 10.0
# What answered once may take so many times as long.
_SLOWER = 3


class Examined(NamedTuple):
    """A store under examination: the setting that names it, its URL, and what is found, as it is found."""

    setting: str
    url: str
    findings: Iterator[Finding]


def examine(settings: Settings, output: str | None = None) -> Iterator[Examined]:
    """Look at the stores of `settings` and, where one is named, at an output folder; one after the other."""
    stores = {"storage": _objects("storage", settings.storage, settings), "shuffle": _shuffle(settings)}
    urls = {"storage": settings.storage, "shuffle": settings.shuffle}
    if output is not None:
        stores["output"], urls["output"] = _objects("output", output, settings), output
    for setting, findings in stores.items():
        shown = (finding._replace(found=_hide(finding.found), remedy=_hide(finding.remedy)) for finding in findings)
        yield Examined(setting, _hide(urls[setting]), shown)


def _hide(text: str) -> str:
    """`text` without the passwords of URLs in it: stores of other makers may show theirs."""
    return re.sub(r"(://[^/\s:@]*):[^/\s@]*@", r"\1:***@", text)


class _Looker:
    """Looks at one store, each time within bounds.

    Args:
        setting: names the store.

    Attributes:
        silent: whether the store has once not answered, so that asking further is no use.
    """

    def __init__(self, setting: str) -> None:
        self.silent = False
        self._setting = setting

    def look(self, what: str, act: Callable[[], str], patience: float = 0) -> Finding:
        """What comes of `act`, which returns what it found where all is well."""
        patience = patience or PATIENCE * _SLOWER
        answers: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        # A daemon: a store that never answers must not keep the program from its end.
        threading.Thread(target=lambda: answers.put(self._look(what, act)), daemon=True).start()
        try:
            return answers.get(timeout=patience)
        except queue.Empty:
            self.silent = True
            found = f"there was no answer within {patience:g} s"
            return Finding(what, "failed", found, f"see that what {self._setting} names can be reached from here")

    def _look(self, what: str, act: Callable[[], str]) -> Finding:
        remedy = f"see that {self._setting} names a place with room, where you may read, write, list and delete"
        try:
            return Finding(what, "ok", act())
        except Trouble as trouble:
            return Finding(what, *trouble.finding)
        except (MapReduceError, OSError) as error:
            return Finding(what, "failed", str(error), "" if what == "usable" else remedy)  # `check` itself says it
        except Exception as error:  # of another maker's store, or a client library
            return Finding(what, "failed", f"{type(error).__name__}: {error}", remedy)


def _objects(setting: str, url: str, settings: Settings) -> Iterator[Finding]:
    """Look at an object store."""
    opened: list[Trial] = []

    def usable() -> str:
        store = open_store(url, setting, settings.access)
        store.check()
        opened.append(Trial(store))
        return "it can be reached"

    looker = _Looker(setting)
    yield (first := looker.look("usable", usable, PATIENCE))
    if first.verdict == "failed":
        return
    [trial] = opened
    cleared = False
    try:
        for what, act in trials_of(trial.store).items():
            yield (finding := looker.look(what, partial(act, trial)))
            if looker.silent or (act is write_and_read and finding.verdict == "failed"):
                break  # nothing else can go well
        cleared = True
        yield looker.look("delete", trial.clear, PATIENCE if looker.silent else 0)
    finally:
        if not cleared:  # Ctrl-C, or whoever asked wants to know no more
            looker.look("delete", trial.clear)


def _shuffle(settings: Settings) -> Iterator[Finding]:
    """Look at the shuffle store."""
    opened: list[ShuffleStore] = []
    warnings: list[str] = []

    def usable() -> str:
        spare = open_store(settings.storage, access=settings.access)
        store = open_shuffle(settings.shuffle, settings.access, spare)
        if isinstance(store, ObjectShuffle):
            store.store.check()
        warnings.extend(store.check(0))
        opened.append(store)
        return "it can be reached"

    looker = _Looker("shuffle")
    first = looker.look("usable", usable, PATIENCE)
    yield from [Finding("usable", "warning", text) for text in warnings] or [first]
    if first.verdict == "failed":
        return
    [store] = opened
    told: list[Finding] = []

    def examined() -> str:
        told.extend(store.examine())
        return ""

    last = looker.look("facts", examined, PATIENCE)
    yield from told
    if last.verdict == "failed":
        yield last
    if not looker.silent:
        yield looker.look("write, read, discard", partial(write_read_discard, store))
