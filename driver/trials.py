"""What is tried with a store to see whether it does what the framework needs."""

from __future__ import annotations

import itertools
import json
import os
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from mapreduce.blocks import encode_block
from mapreduce.errors import LostBlocks, MapReduceError
from mapreduce.finding import Verdict
from mapreduce.objectstore import FolderStore, ObjectStore
from mapreduce.seal import Seal
from mapreduce.sizes import format_size
from shuffle import AttemptId, ObjectShuffle, Receipt, ShuffleStore
from shuffle.base import Partitioned

_SIZE = 64 << 10
_RACERS, _RACES = 4, 5
# In the order of their bytes: "/" comes behind "!", "-" and ".". Some services list folder by folder,
# and some lose such names as "a=1" at the end of a page.
_LISTED = ("a!", "a-b", "a.b", "a/b", "a0", "a=1/x", "a=2/x")
_PAGE = 2
# Bytes of the blocks of each partition that a shuffle store is tried with.
_LAYOUT = {0: (10, 10), 3: (_SIZE,), 4: (1_000,)}
# Bytes that a job of any size wants.
_ROOM = 1_000_000_000


class Trouble(Exception):
    """What was found is not well."""

    def __init__(self, found: str, remedy: str, verdict: Verdict = "failed") -> None:
        super().__init__(found)
        self.finding = (verdict, found, remedy)


class Trial:
    """What is made in an object store to try it out."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.prefix = f"doctor-{secrets.token_hex(8)}/"
        self._made: dict[str, None] = {}
        self._absent = _absent_folders(store)

    def key(self, name: str) -> str:
        """The key of an object that is about to be made."""
        key = self.prefix + name
        self._made[key] = None
        return key

    def clear(self) -> str:
        """Delete all that was made."""
        keys = list(self._made)
        self.store.delete(keys)
        left = [info.key for info in self.store.list(self.prefix)]
        if left:
            raise Trouble(
                f"{len(left)} of {len(keys)} objects are still there after they were deleted",
                f"delete what lies under {self.store.url}/{self.prefix} by hand, and use another store",
            )
        _remove(self._absent)
        return f"nothing is left of {len(keys)} objects"


def _absent_folders(store: ObjectStore) -> list[str]:
    """The store's folder and those above it, the lowest first, as far as they do not exist yet."""
    absent = []
    if isinstance(store, FolderStore):
        path = store.root
        while not os.path.lexists(path):
            absent.append(path)
            path = os.path.dirname(path)
    return absent


def _remove(folders: Iterable[str]) -> None:
    for folder in folders:
        with suppress(OSError):  # somebody else has put something there meanwhile
            os.rmdir(folder)


def _room(trial: Trial) -> str:
    assert isinstance(trial.store, FolderStore)
    free = trial.store.free()
    if free < _ROOM:
        raise Trouble(f"{format_size(free)} are free", "make room, or name a folder on another disk", "warning")
    return f"{format_size(free)} are free"


def write_and_read(trial: Trial) -> str:
    """Without this nothing else goes."""
    key, data = trial.key("object"), os.urandom(_SIZE)
    trial.store.put(key, data)
    found, size = trial.store.get(key), trial.store.size(key)
    if found != data or size != len(data):
        raise Trouble(
            f"{len(data)} bytes were written, and other {len(found)} came back, with {size} given for their size",
            "use another store: this one damages data",
        )
    return f"{format_size(_SIZE)} came back as they were written"


def _ranged_read(trial: Trial) -> str:
    key, data = trial.key("ranges"), b"0123456789"
    trial.store.put(key, data)
    for start, end in ((0, 10), (3, 7), (7, None), (7, 99), (10, 12), (50, 99)):
        found = trial.store.get(key, start, end)
        if found != data[start:end]:
            span = f"from {start} to {'the end' if end is None else end}"
            raise Trouble(
                f"the bytes {span} of {data!r} came as {found[:20]!r}, not as {data[start:end]!r}",
                "use a store that serves ranges of objects: without them every reader would get wrong data",
            )
    return "ranges within an object, past its end and behind it come as they should"


def _exclusive_create(trial: Trial) -> str:
    store, remedy = trial.store, "use a store that creates exclusively, such as AWS or a folder with hard links"
    danger = "so a task could be committed twice"
    key = trial.key("exclusive")
    first, second = store.put_if_absent(key, b"first"), store.put_if_absent(key, b"second")
    if not first or second or store.get(key) != b"first":
        raise Trouble(f"of two creates of one object, one after the other, not the first alone won, {danger}", remedy)
    for number in range(_RACES):
        winners = _race(store, trial.key(f"race-{number}"))
        if winners > 1:
            raise Trouble(
                f"of {_RACERS} that raced to create one object {winners} were told that they won, {danger}", remedy
            )
        if not winners:
            raise Trouble(
                f"of {_RACERS} that raced to create one object none was told that it won: an answer was lost",
                "nothing need be done: an attempt that is told so looks whose the object is",
                "warning",
            )
    return f"one of two creates won, and one of {_RACERS} at once, {_RACES} times"


def _race(store: ObjectStore, key: str) -> int:
    """How many of several threads that create one object at once are told that they did."""
    start = threading.Barrier(_RACERS)
    answers: queue.SimpleQueue[bool | Exception] = queue.SimpleQueue()

    def create(racer: int) -> None:
        try:
            start.wait()
            answers.put(store.put_if_absent(key, b"%d" % racer))
        except Exception as error:
            answers.put(error)

    for racer in range(_RACERS):
        threading.Thread(target=create, args=(racer,), daemon=True).start()
    told = [answers.get() for _ in range(_RACERS)]
    for answer in told:
        if isinstance(answer, Exception):
            raise answer
    return told.count(True)


def _listing(trial: Trial) -> str:
    for name in _LISTED:
        trial.store.put(trial.key(f"listed/{name}"), b"")
    names = _list(trial)
    if sorted(names) != sorted(_LISTED):
        missing, double = sorted(set(_LISTED) - set(names)), len(names) - len(set(names))
        raise Trouble(
            f"of {len(_LISTED)} objects, {_PAGE} a page, {len(missing)} did not come and {double} came twice",
            "use another store: here a round would wait for tasks that are done",
        )
    return f"{len(_LISTED)} objects came, each once, {_PAGE} a page"


def _list_order(trial: Trial) -> str:
    for one, other in itertools.pairwise(_list(trial)):
        if one > other:
            raise Trouble(
                f"{one} comes before {other}, which is not the order of their bytes",
                "nothing need be done: the framework does not depend on it",
                "warning",
            )
    return "objects come in the order of their keys' bytes"


def _list(trial: Trial) -> list[str]:
    """The names under "listed/" as they come, page by page."""
    prefix, page = f"{trial.prefix}listed/", trial.store.page
    trial.store.page = _PAGE
    try:
        return [info.key.removeprefix(prefix) for info in trial.store.list(prefix)]
    finally:
        trial.store.page = page


def _move(trial: Trial) -> str:
    source, target = trial.key("source"), trial.key("target")
    trial.store.put(source, b"moved")
    trial.store.move(source, target)
    if trial.store.get(target) != b"moved":
        raise Trouble("an object that was moved is another", "use another store: this one damages data")
    return "an object can be given another key"


_TRIALS: dict[str, Callable[[Trial], str]] = {
    "write and read": write_and_read,
    "ranged read": _ranged_read,
    "exclusive create": _exclusive_create,
    "listing": _listing,
    "list order": _list_order,
    "move": _move,
}


def trials_of(store: ObjectStore) -> dict[str, Callable[[Trial], str]]:
    """What to try with an object store: functions that say what they found, or raise Trouble."""
    return {"room": _room, **_TRIALS} if isinstance(store, FolderStore) else _TRIALS


def write_read_discard(store: ShuffleStore) -> str:
    """What a shuffle store is there for, on a small scale.

    Raises:
        Trouble: something is not well.
    """
    absent = _absent_folders(store.store) if isinstance(store, ObjectShuffle) else []
    attempt = AttemptId(f"doctor-{secrets.token_hex(8)}", 0, 0, 0)
    seal = Seal.fresh()
    written = {
        partition: [encode_block([partition], [os.urandom(size)], seal, "doctor") for size in sizes]
        for partition, sizes in _LAYOUT.items()
    }
    try:
        receipt = store.write(attempt, (Partitioned(number, len(some), some) for number, some in written.items()))
        receipt = Receipt.from_json(json.loads(json.dumps(receipt.to_json())))  # as it goes to other processes
        read = {partition: [block for _, block in store.read([piece])] for partition, piece in receipt.pieces.items()}
        if read != written:
            raise Trouble("what was written came back otherwise", "use another shuffle store: this one damages data")
        store.discard([receipt])
        if not _lost(store, receipt):
            raise Trouble(
                "what was discarded can still be read",
                "see that blocks may be deleted, or they will pile up",
                "warning",
            )
    finally:
        with suppress(MapReduceError, OSError):  # `discard` has told of any trouble
            store.sweep([attempt])
        _remove(absent)
    return f"{format_size(receipt.size)} in {len(written)} partitions came back, and were discarded"


def _lost(store: ShuffleStore, receipt: Receipt) -> bool:
    """Whether there is nothing any more of what `receipt` stands for."""
    for piece in receipt.pieces.values():
        with suppress(LostBlocks):
            list(store.read([piece]))
            return False
    return True
