"""URLs open object stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce import ConfigError
from mapreduce.objectstore import FolderStore, MemoryStore, open_store
from mapreduce.objectstore.registry import split_url


@pytest.mark.parametrize("name", ["plain", "with space", "ü#?&%20;", "a:b"])
def test_folders(tmp_path: Path, name: str) -> None:
    """A folder opens by its path, by a Path and by its store's URL."""
    root = tmp_path / name
    store = FolderStore(root)
    store.put("a", b"1")
    for url in (str(root), root, store.url):
        other = open_store(url)
        assert isinstance(other, FolderStore)
        assert other.root == str(root)
        assert other.url == store.url
        assert other.get("a") == b"1"


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is as of now, and `~` is the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert split_url("out/x") == ("file", f"{tmp_path}/out/x")
    assert split_url("~/out") == ("file", "/home/me/out")
    assert split_url("file:///a/b%20c") == ("file", "/a/b c")


def test_memory() -> None:
    """Stores of one name share their objects, stores of two names do not."""
    store = open_store("memory://registry-1")
    assert isinstance(store, MemoryStore)
    store.put("a", b"1")
    assert open_store("memory://registry-1").get("a") == b"1"
    assert list(open_store("memory://registry-2").list("")) == []


def test_unknown_scheme() -> None:
    """The error names the setting, the URL and what is known."""
    with pytest.raises(ConfigError, match=r"storage: no store serves 'ftp://x'; known are .*file://.*memory://"):
        open_store("ftp://x")
    with pytest.raises(ConfigError, match="output: no store"):
        open_store("ftp://x", setting="output")


@pytest.mark.parametrize("url", ["reddis://:hunter2@cache", "ftp://me:hunter2@host/a@b", "x://a?p=hunter2@c"])
def test_errors_show_no_password(url: str) -> None:
    """A URL with a mistyped scheme is shown without what may be a password."""
    with pytest.raises(ConfigError, match="shuffle: no store serves") as caught:
        open_store(url, "shuffle")
    assert "hunter2" not in str(caught.value)
