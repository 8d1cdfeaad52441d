"""What ours and others are compared at: the same work on the same files, every output checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.kept import keep
from benchmarks.peers.catalogue import OURS, Peer
from benchmarks.reference import count_words, difference
from benchmarks.sorting.generator import generate
from benchmarks.sorting.layouts import RECORD
from benchmarks.sorting.validator import validate
from benchmarks.text import review_text
from mapreduce import InputError
from mapreduce.sizes import format_size

# Files of records, as of text.
_FILE_SIZE = 32_000_000
_LEAST_FILES = 8


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A piece of work.

    Attributes:
        what: "words" or "sort".
        title: in tables.
        files: the input, all that is in one folder.
        check: says what is wrong with an output, by its folder; "" if nothing is.
        ours: this package's scripts.
        peers: the others'.
    """

    what: str
    title: str
    files: Sequence[str]
    check: Callable[[str], str]
    ours: Sequence[Peer]
    peers: Sequence[Peer]

    @property
    def size(self) -> int:
        """Bytes of input."""
        return sum(map(os.path.getsize, self.files))


def contests(
    peers: Sequence[Peer], sizes: Sequence[int], sort_sizes: Sequence[int], data: str | None = None
) -> Iterator[Contest]:
    """Word counts of texts of these `sizes` in bytes, then sorts of records of `sort_sizes`, where a peer takes part.

    Each is made when its turn comes; `data` is the folder where texts and records are kept.
    """
    counting = [peer for peer in peers if peer.what == "words"]
    for size in sizes if counting else ():
        yield word_count(size, counting, data)
    for size in sort_sizes:
        for layout in ("binary", "ascii"):
            if sorting := [peer for peer in peers if (peer.what, peer.layout) == ("sort", layout)]:
                yield sort(size, layout, sorting, data)


def word_count(size: int, peers: Sequence[Peer], data: str | None = None) -> Contest:
    """The words of a text; outputs are compared with what a plain Counter gives, byte for byte."""
    files = review_text(size, data)
    return Contest(
        what="words",
        title=f"Word count of {format_size(size)} in {len(files)} files",
        files=files,
        check=partial(difference, expected=count_words(files)),
        ours=OURS["words"],
        peers=peers,
    )


def sort(size: int, layout: str, peers: Sequence[Peer], data: str | None = None) -> Contest:
    """The sort benchmark's records, binary or ASCII; outputs are validated: order, number and checksum of records."""
    records = max(1, size // RECORD)
    parts = max(_LEAST_FILES, -(-size // _FILE_SIZE))
    files = keep(
        f"records-{layout}-{records}", lambda place: generate(records, place, layout=layout, parts=parts), data
    )
    made = validate(files).total
    return Contest(
        what="sort",
        title=f"Sort of {format_size(records * RECORD)} of {_KINDS[layout]} in {len(files)} files",
        files=files,
        check=partial(_unsorted, records=made.records, checksum=made.checksum),
        ours=OURS["sort"],
        peers=peers,
    )


_KINDS = {"binary": "binary records", "ascii": "records that are lines"}


def _unsorted(folder: str, records: int, checksum: int) -> str:
    """What is wrong with sorted parts."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    parts = [os.path.join(folder, name) for name in names if name.startswith("part-")]
    if not parts:
        return f"there is no output in {folder}"
    try:
        return validate(parts).difference(records, checksum)
    except InputError as error:
        return f"the output is wrong: {error}"
