"""Which files an input stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from driver.inputs import find_inputs
from mapreduce import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, folders and hidden names; the size of each file is its name's length."""
    for name in (
        "b.txt",
        "a.txt",
        "c.csv",
        ".hidden.txt",
        "_SUCCESS",
        "sub/d.txt",
        "sub/deep/e.txt",
        "sub/.git/f.txt",
        "_temporary/job/g.txt",
        "[odd]*.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * len(name))
    return tmp_path


def names(folder: Path, inputs: Any) -> list[str]:
    return [os.path.relpath(file.url, folder) for file in find_inputs(inputs)]


def test_file(folder: Path) -> None:
    """A file is itself, with its size, whatever its name."""
    [file] = find_inputs(folder / "a.txt")
    assert file == (str(folder / "a.txt"), 5)
    assert names(folder, str(folder / "_SUCCESS")) == ["_SUCCESS"]
    assert names(folder, str(folder / "[odd]*.txt")) == ["[odd]*.txt"]


def test_folder(folder: Path) -> None:
    """A folder is all files below it in order of their names, without the hidden ones."""
    assert names(folder, folder) == ["[odd]*.txt", "a.txt", "b.txt", "c.csv", "sub/d.txt", "sub/deep/e.txt"]
    assert names(folder, folder / "_temporary") == ["_temporary/job/g.txt"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["[odd]*.txt", "a.txt", "b.txt"]),
        ("?.*", ["a.txt", "b.txt", "c.csv"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("s*", ["sub/d.txt", "sub/deep/e.txt"]),
        ("*", ["[odd]*.txt", "a.txt", "b.txt", "c.csv", "sub/d.txt", "sub/deep/e.txt"]),
        ("*/d.txt", ["sub/d.txt"]),
        ("**/*.txt", ["[odd]*.txt", "a.txt", "b.txt", "sub/d.txt", "sub/deep/e.txt"]),
        ("sub/**", ["sub/d.txt", "sub/deep/e.txt"]),
        ("_*", ["_SUCCESS", "_temporary/job/g.txt"]),
        (".h*", [".hidden.txt"]),
        ("_temporary/*/*", ["_temporary/job/g.txt"]),
        ("**/.git/*", ["sub/.git/f.txt"]),
    ],
)
def test_globs(folder: Path, pattern: str, found: list[str]) -> None:
    """A glob is its matches in order of their names; hidden names only where the pattern writes them."""
    assert names(folder, str(folder / pattern)) == found


def test_lists(folder: Path) -> None:
    """A list keeps its order; only each item's own matches are sorted."""
    inputs = [folder / "c.csv", str(folder / "[ab].txt")]
    assert names(folder, inputs) == ["c.csv", "a.txt", "b.txt"]
    assert names(folder, iter(inputs)) == ["c.csv", "a.txt", "b.txt"]


def test_relative_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one of the working folder, a tilde the home folder, a URL a path."""
    monkeypatch.chdir(folder / "sub")
    monkeypatch.setenv("HOME", str(folder))
    for text in ("../a.txt", "~/a.txt", f"file://{folder}/a.txt"):
        assert names(folder, text) == ["a.txt"]


@pytest.mark.parametrize("missing", ["nothing.txt", "*.nothing", "empty", "sub/nothing/*"])
def test_nothing_matches(folder: Path, missing: str) -> None:
    """An item that matches no file is an error that names it, whatever else matches."""
    (folder / "empty").mkdir()
    text = str(folder / missing)
    with pytest.raises(InputError, match="matches no file") as caught:
        find_inputs([str(folder / "a.txt"), text])
    assert repr(text) in str(caught.value)


def test_matched_twice(folder: Path) -> None:
    """A file that two items match is an error that names the file and both."""
    one, other = str(folder / "a.txt"), str(folder / "*.txt")
    with pytest.raises(InputError, match="would count double") as caught:
        find_inputs([one, other])
    assert all(text in str(caught.value) for text in (one, other))
    with pytest.raises(InputError, match="named twice"):
        find_inputs([one, one])


@pytest.mark.parametrize("nothing", [[], "", [""], [b"a"], 5, None])
def test_no_input(nothing: Any) -> None:
    """What is no path is refused; an empty one is not the working folder."""
    with pytest.raises(InputError, match="input"):
        find_inputs(nothing)


def test_unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder that cannot be read is an error that names it."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(folder / "sub"))

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        with pytest.raises(InputError, match=r"cannot read the input .*/a.txt: Permission denied"):
            find_inputs(folder / "a.txt")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot read the input folder .*/sub: Permission denied"):
        find_inputs(folder)


def test_pipes(tmp_path: Path) -> None:
    """A pipe is refused, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: it is no regular file"):
        find_inputs(tmp_path / "pipe")


def test_foreign_store() -> None:
    """A URL of a store that gives no input is refused by its name."""
    with pytest.raises(InputError, match="s3://bucket/key"):
        find_inputs("s3://bucket/key")
