"""Inputs on an object store are found as files in folders are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver import Driver
from driver.inputs import find_inputs
from mapreduce import ConfigError, InputError, Job, Mapper
from mapreduce.objectstore import MemoryStore

_names = itertools.count()

KEYS = [
    "in/a.txt",
    "in/b.txt",
    "in/deep/c.txt",
    "in/deep/d.csv",
    "in/deep/er/e.txt",
    "in/_SUCCESS",
    "in/.hidden/f.txt",
    "in/_temporary/job/g.txt",
    "in-2/h.txt",
    "in.txt",
    "other/i.txt",
]


@pytest.fixture
def base() -> str:
    """The URL of a store that holds KEYS."""
    store = MemoryStore(f"inputs-{os.getpid()}-{next(_names)}")
    for number, key in enumerate(KEYS):
        store.put(key, b"x" * number)
    return store.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds KEYS."""
    for number, key in enumerate(KEYS):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * number)
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("in", ["in/a.txt", "in/b.txt", "in/deep/c.txt", "in/deep/d.csv", "in/deep/er/e.txt"]),
        ("in/", ["in/a.txt", "in/b.txt", "in/deep/c.txt", "in/deep/d.csv", "in/deep/er/e.txt"]),
        ("in.txt", ["in.txt"]),
        ("in/_SUCCESS", ["in/_SUCCESS"]),
        ("in/*.txt", ["in/a.txt", "in/b.txt"]),
        ("in/[ab].t?t", ["in/a.txt", "in/b.txt"]),
        ("in/d*", ["in/deep/c.txt", "in/deep/d.csv", "in/deep/er/e.txt"]),
        ("i*/a.txt", ["in/a.txt"]),
        ("in*/*.txt", ["in-2/h.txt", "in/a.txt", "in/b.txt"]),
        ("in/**/*.txt", ["in/a.txt", "in/b.txt", "in/deep/c.txt", "in/deep/er/e.txt"]),
        ("in/**/e*", ["in/deep/er/e.txt"]),
        ("in/_*", ["in/_SUCCESS", "in/_temporary/job/g.txt"]),
        ("in/.hidden", ["in/.hidden/f.txt"]),
    ],
)
def test_as_in_folders(base: str, folder: Path, wanted: str, found: list[str]) -> None:
    """A key, a prefix or a glob finds what the same path finds in a folder, with its size."""
    objects = find_inputs(f"{base}/{wanted}")
    files = find_inputs(str(folder / wanted))
    assert [(file.url.removeprefix(f"{base}/"), file.size) for file in objects] == sorted(
        (os.path.relpath(file.url, folder), file.size) for file in files
    )
    assert [file.url.removeprefix(f"{base}/") for file in objects] == found


@pytest.mark.parametrize("wanted", ["no", "in/x", "i", "in/*.gz", "in/deep/c.txt/x", "in/**/*.gz", "other/i"])
def test_nothing_matches(base: str, wanted: str) -> None:
    """What matches no object is an error that shows it, as is a prefix that ends within a name."""
    with pytest.raises(InputError, match="matches no object"):
        find_inputs(f"{base}/{wanted}")


def test_a_folder_object_is_no_input() -> None:
    """The empty object that some tools make for a folder is not read."""
    name = f"inputs-{os.getpid()}-{next(_names)}"
    store = MemoryStore(name)
    store.put("in/a", b"1")
    store.__dict__["_objects"]["in/"] = b""
    assert [file.url for file in find_inputs(f"memory://{name}/in/")] == [f"memory://{name}/in/a"]
    assert [file.url for file in find_inputs(f"memory://{name}/i*")] == [f"memory://{name}/in/a"]


def test_an_object_named_twice(base: str) -> None:
    """An object that two items name would be read twice."""
    with pytest.raises(InputError, match=r"in/a\.txt is named .*count double"):
        find_inputs([f"{base}/in/*.txt", f"{base}/in/a.txt"])


def test_unknown_schemes() -> None:
    """A scheme that no store serves is an error that names it."""
    with pytest.raises(ConfigError, match="no store serves 'ftp://host'"):
        find_inputs("ftp://host/file")


class Lines(Mapper):
    """Lines with their source."""

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        """The line."""
        yield line, self.task.source


@given(texts=st.lists(st.text(alphabet="ab\n\r", max_size=30), min_size=1, max_size=4), split_size=st.integers(1, 40))
def test_records_of_objects_are_whole(texts: list[str], split_size: int) -> None:
    """Objects are cut into splits as files are, and each record is read once."""
    store = MemoryStore(f"inputs-{os.getpid()}-{next(_names)}")
    for number, text in enumerate(texts):
        store.put(f"in/{number}", text.encode())
    with Driver(executor="inline", storage=store.url, split_size=split_size) as driver:
        result = driver.run(Job(mapper=Lines()), f"{store.url}/in")
        found = sorted(result)
        result.close()
    expected = []
    for number, text in enumerate(texts):
        *lines, last = text.split("\n")
        whole = [line.removesuffix("\r") for line in lines] + ([last] if last else [])
        expected += [(line, f"{store.url}/in/{number}") for line in whole]
    assert found == sorted(expected)
