"""The external sort: runs on disk, merged into groups."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import KeyTypeError, StoreError
from mapreduce.blocks import encode_block, plain_size
from mapreduce.keys import canonical
from mapreduce.seal import Seal
from tests.worker.build import Memory
from worker.budget import Budget
from worker.spill import Batches, Runs, SpillFile, canonical_order

SEAL = Seal(b"a secret of the tests")
KEYS = st.sampled_from([0, 1, True, 1.0, 2.5, "", "a", "b", "é", "\ud800", b"a", None, (1, "x"), (1.0, "x")])


def small() -> Budget:
    """The budget of the smallest memory, whose blocks are the smallest."""
    return Budget(1, Memory())


def in_order(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Pairs as a table spills them."""
    return sorted(pairs, key=lambda pair: canonical(pair[0]))


def model(runs: list[list[tuple[Any, Any]]]) -> list[tuple[str, list[Any]]]:
    """Each key, as it came first, with its values, in canonical order of the keys."""
    groups: dict[Any, list[Any]] = {}
    for pairs in runs:
        for key, value in pairs:
            groups.setdefault(key, []).append(value)
    return [(repr(key), groups[key]) for key in sorted(groups, key=canonical)]


def merged(runs: Runs) -> list[tuple[str, list[Any]]]:
    """The groups of `runs`."""
    return [(repr(key), list(values)) for key, values in runs.groups()]


@given(
    data=st.lists(st.lists(st.tuples(KEYS, st.integers()), min_size=1, max_size=20), max_size=8),
    copies=st.integers(1, 20),
)
def test_a_merge_equals_a_sort(data: list[list[tuple[Any, int]]], copies: int) -> None:
    """However many runs there are, each key comes once, with all its values in the order of the runs."""
    ordered = [in_order(pairs) for pairs in data] * copies
    runs = Runs(SEAL, small())
    assert not runs
    for pairs in ordered:
        runs.add(iter(pairs))
    assert bool(runs) is bool(ordered)
    assert merged(runs) == model(ordered)


def test_more_runs_than_a_merge_takes() -> None:
    """Thousands of runs are merged in several passes, with few files open and none left."""
    before = len(os.listdir("/dev/fd"))
    ordered = [in_order([(n % 7, n), (n % 7 + 10, n)]) for n in range(2000)]
    runs = Runs(SEAL, small())
    for pairs in ordered:
        runs.add(pairs)
    assert len(os.listdir("/dev/fd")) - before < 100
    assert merged(runs) == model(ordered)
    assert len(os.listdir("/dev/fd")) == before


def test_groups_larger_than_a_block() -> None:
    """A key whose values fill many blocks of several runs is one group."""
    ordered = [[("a", 0), *[("b", bytes(900))] * 300, ("c", n)] for n in range(3)]
    budget = small()
    runs = Runs(SEAL, budget)
    for pairs in ordered:
        runs.add(pairs)
    assert merged(runs) == model(ordered)


def test_values_need_not_be_read() -> None:
    """A reducer that reads some values, or none, gets the next key all the same."""
    runs = Runs(SEAL, small())
    for _ in range(3):
        runs.add([(key, number) for key in "abcd" for number in range(500)])
    read = [
        (key, len(list(islice(values, some))))
        for (key, values), some in zip(runs.groups(), (0, 1, 600, 9999), strict=True)
    ]
    assert read == [("a", 0), ("b", 1), ("c", 600), ("d", 1500)]


def test_large_values_are_merged_few_at_a_time() -> None:
    """Where single values are large, a merge holds only so many of them as memory allows."""
    budget = small()
    runs = Runs(SEAL, budget)
    size = 16 * budget.run_block
    for number in range(20):
        runs.add([("a", bytes([number]) + os.urandom(size)), ("b", number)])
    once = budget.spilled
    [(_, first), (_, second)] = merged(runs)
    assert [value[0] for value in first] == second == list(range(20))
    assert budget.spilled > 1.5 * once  # in two passes at least


@pytest.mark.parametrize("small_ones", [100, 10_000])
def test_blocks_stay_small_when_pairs_grow(small_ones: int) -> None:
    """After many small pairs, large ones do not make one huge block."""
    batches = Batches(16_000)
    keys: list[Any] = [0] * small_ones
    largest = 0
    for _ in range(20):
        batches.learn(100, 900)
    many = min(batches.count, small_ones)
    values: list[Any] = [0] * (many // 2) + [os.urandom(5_000) for _ in range(many - many // 2)]
    written: list[Any] = []
    for some_keys, some in batches.split(keys[:many], values):
        assert len(some_keys) == len(some)
        largest = max(largest, plain_size(encode_block(some_keys, some, SEAL, "")))
        written += some
    assert written == values
    assert largest <= 10 * 16_000
    assert batches.count < 100


def test_batches_reach_their_target() -> None:
    """Batches of like pairs soon come to about as many bytes as they should, never to no pair at all."""
    for size in (1, 50, 10_000, 10**9):
        batches = Batches(100_000)
        for _ in range(12):
            batches.learn(batches.count, batches.count * size)
        assert batches.count == max(1, min(1 << 16, 100_000 // size))


@given(keys=st.lists(KEYS, unique=True))
def test_canonical_order(keys: list[Any]) -> None:
    """Keys are in the order of their encodings, those of one type too."""
    for some in (keys, [key for key in keys if isinstance(key, str)]):
        assert [canonical(key) for key in canonical_order(some)] == sorted(map(canonical, some))


def test_keys_without_a_stable_order_are_named() -> None:
    """What cannot be sorted is an error that names its type."""
    with pytest.raises(KeyTypeError, match=r"builtins\.object"):
        canonical_order([object()])


def test_a_foreign_run_is_not_loaded() -> None:
    """A block of another job's secret is refused."""
    runs, others = Runs(SEAL, small()), Runs(Seal(b"another"), small())
    runs.add([("a", 1)])
    others._runs = runs._runs
    with pytest.raises(Exception, match="corrupt or foreign"):
        merged(others)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Lets no file grow beyond 4 KB, which ends a write as a full disk does."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk() -> None:
    """What does not fit is an error that says where it was to go and what helps."""
    file = SpillFile(small())
    extent = file.append(b"x" * 4000)
    with pytest.raises(
        StoreError, match=f"5000 bytes to {tempfile.gettempdir()}: .*; give the workers more memory, or point TMPDIR"
    ):
        file.append(b"y" * 5000)
    assert file.read(extent) == b"x" * 4000
    file.close()


def test_no_disk_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder for temporary files that is gone is the same error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StoreError, match="cannot spill to local disk: No such file"):
        SpillFile(small())


def test_extents_are_what_was_written() -> None:
    """Extents can be read in any order, between writes too, and spilled bytes are counted."""
    budget = small()
    file = SpillFile(budget)
    data = [os.urandom(size) for size in (0, 1, 5000, 70_000)]
    extents = []
    for one in data:
        extents.append(file.append(one))
        assert [file.read(extent) for extent in reversed(extents)] == data[: len(extents)][::-1]
    assert budget.spilled == sum(map(len, data))
    file.append(b"more")
    os.truncate(file._file.fileno(), 100)
    with pytest.raises(StoreError, match="ends early"):
        file.read(extents[-1])
    file.close()
