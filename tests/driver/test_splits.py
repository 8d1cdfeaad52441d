"""Splits cover the input once, in pieces of about the size that was asked for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from driver.inputs import InputFile
from driver.splits import plan_splits
from mapreduce import CsvInput, TextInput
from mapreduce.formats import Segment

TEXT = TextInput()

sizes = st.lists(st.integers(0, 300) | st.integers(0, 5), min_size=1, max_size=12)
split_sizes = st.integers(1, 400)
workers = st.integers(1, 5)


def files(sizes: list[int], suffix: str = "") -> list[InputFile]:
    return [InputFile(f"/in/{number}{suffix}", size) for number, size in enumerate(sizes)]


def joined(splits: list[list[Segment]]) -> list[Segment]:
    """The segments in order, those that continue one another as one."""
    found: list[Segment] = []
    for segment in (segment for split in splits for segment in split):
        if found and found[-1].url == segment.url and found[-1].end == segment.start:
            found[-1] = found[-1]._replace(end=segment.end)
        else:
            found.append(segment)
    return found


@given(sizes, split_sizes, workers)
def test_cover(sizes: list[int], split_size: int, workers: int) -> None:
    """Every byte of every file is in exactly one segment, in order; empty files are there too."""
    splits = plan_splits(files(sizes), TEXT, split_size, workers)
    assert joined(splits) == [Segment(url, 0, size, size) for url, size in files(sizes)]
    assert all(splits)


@given(sizes, split_sizes, workers)
def test_no_empty_segments(sizes: list[int], split_size: int, workers: int) -> None:
    """A segment is empty only where its file is."""
    splits = plan_splits(files(sizes), TEXT, split_size, workers)
    assert all(segment.start < segment.end or segment.size == 0 for split in splits for segment in split)


@given(sizes, split_sizes, workers)
def test_size(sizes: list[int], split_size: int, workers: int) -> None:
    """No split is larger than was asked for, but for a tenth where that keeps a file whole."""
    for split in plan_splits(files(sizes), TEXT, split_size, workers):
        assert sum(segment.end - segment.start for segment in split) <= 1.1 * split_size


@given(sizes, split_sizes, workers)
def test_uncuttable_files(sizes: list[int], split_size: int, workers: int) -> None:
    """Compressed files, and those of a format that cannot be cut, are whole; none shares a split beyond its size."""
    for compressed, reads in ((True, TEXT), (False, CsvInput())):
        splits = plan_splits(files(sizes, ".gz" if compressed else ""), reads, split_size, workers)
        assert all(segment.whole for split in splits for segment in split)
        assert joined(splits) == [segment for split in splits for segment in split]
        for split in splits:
            filled = [segment for segment in split if segment.size]
            assert len(filled) <= 1 or sum(segment.size for segment in filled) <= split_size


@given(st.integers(1, 10**12), split_sizes, workers)
def test_one_large_file(size: int, pieces: int, workers: int) -> None:
    """A file is cut into equal pieces; while these are few, into a multiple of the workers, so that none is idle."""
    splits = plan_splits(files([size]), TEXT, max(1, size // pieces), workers)
    lengths = [segment.end - segment.start for [segment] in splits]
    if len(splits) < 4 * workers and size >= 100 * len(splits):
        assert len(splits) % workers == 0
    assert max(lengths[:-1], default=0) == min(lengths[:-1], default=0)
    assert lengths[-1] <= 1.1 * max(lengths[:-1], default=size)


def test_small_files_share_a_split() -> None:
    """Ten thousand small files are few tasks."""
    splits = plan_splits(files([100] * 10_000), TEXT, 100_000, 2)
    assert len(splits) == 10
    assert all(800 <= len(split) <= 1200 for split in splits)


def test_small_input_for_all_workers() -> None:
    """An input smaller than a split is still work for every worker."""
    assert len(plan_splits(files([1000]), TEXT, 64_000_000, 4)) == 4


def test_empty_files() -> None:
    """Nothing but empty files is one task."""
    assert len(plan_splits(files([0] * 1000), TEXT, 64_000_000, 4)) == 1


def test_files_are_kept_whole_where_that_costs_little() -> None:
    """A file that is a little larger than the room is not cut for the rest."""
    first, *_ = plan_splits(files([108, 92, 100]), TEXT, 100, 1)
    assert first == [Segment("/in/0", 0, 108, 108)]
    first, *_ = plan_splits(files([112, 88, 100]), TEXT, 100, 1)
    assert first == [Segment("/in/0", 0, 100, 112)]


@given(sizes, split_sizes, workers)
def test_order_of_files(sizes: list[int], split_size: int, workers: int) -> None:
    """Tasks go through the files in their order."""
    splits = plan_splits(files(sizes), TEXT, split_size, workers)
    places = [(int(segment.url[4:]), segment.start) for split in splits for segment in split]
    assert all(one < other for one, other in pairwise(places))
