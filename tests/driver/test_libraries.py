"""Bundles in a storage: used by many jobs, and found when nobody needs them."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from driver.bundles import Bundle
from driver.cli import main
from driver.libraries import Unused, find_unused, put_bundle, remove_unused
from mapreduce.objectstore import FolderStore
from worker.layout import bundle_key, job_key, used_key

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400.0


@pytest.fixture
def storage(tmp_path: Path) -> FolderStore:
    """An empty storage."""
    return FolderStore(str(tmp_path / "storage"))


def put(storage: FolderStore, tmp_path: Path, name: str, days: float = 0) -> str:
    """Put a bundle, so many days after the start; returns its digest."""
    path = tmp_path / name
    path.write_text(name)
    digest = name * 64
    put_bundle(storage, Bundle(path, digest, 1, 1), (START + timedelta(days=days)).timestamp)
    return digest


def unused(storage: FolderStore, days: float, **options: set[str]) -> list[str]:
    """Digests of what is unused for a day, so many days after the start."""
    return [one.digest for one in find_unused(storage, DAY, now=START + timedelta(days=days), **options)]


def test_put_once(storage: FolderStore, tmp_path: Path) -> None:
    """A bundle that is there is not written again; that it is used is."""
    a = put(storage, tmp_path, "a")
    before = Path(storage.path(bundle_key(a))).stat().st_ino
    put(storage, tmp_path, "a", days=1)
    assert Path(storage.path(bundle_key(a))).stat().st_ino == before
    assert unused(storage, 1.5) == []
    assert unused(storage, 2.5) == [a]


def test_what_jobs_name_stays(storage: FolderStore, tmp_path: Path) -> None:
    """What a job needs that has objects in the storage is not unused, however long ago it began."""
    a, b = put(storage, tmp_path, "a"), put(storage, tmp_path, "b")
    storage.put(job_key("j1"), json.dumps({"libraries": bundle_key(a)}).encode())
    storage.put(job_key("j2"), b"no description")
    assert unused(storage, 2) == [b]
    assert unused(storage, 2, without={"j1"}) == [a, b]


def test_signs_that_cannot_be_read(storage: FolderStore, tmp_path: Path) -> None:
    """A bundle without a sign of use, or with something else there, may go; what is no bundle is not looked at."""
    a, b = put(storage, tmp_path, "a"), put(storage, tmp_path, "b")
    storage.delete([used_key(a)])
    storage.put(used_key(b), b"{}")
    storage.put("bundles/mine", b"")
    assert find_unused(storage, DAY) == [Unused(a, 1, ""), Unused(b, 1, "")]


def test_removed(storage: FolderStore, tmp_path: Path) -> None:
    """Removed is what was shown and is unused still; what is no bundle stays."""
    a, b = put(storage, tmp_path, "a"), put(storage, tmp_path, "b")
    storage.put("bundles/mine", b"")
    later = START + timedelta(days=2)
    shown = find_unused(storage, DAY, now=later)
    put(storage, tmp_path, "b", days=1.9)
    assert remove_unused(storage, shown, DAY, later) == 1
    keys = [info.key for info in storage.list("")]
    assert bundle_key(a) not in keys
    assert keys == [bundle_key(b), used_key(b), "bundles/mine"]


def test_nothing_there(storage: FolderStore) -> None:
    """Without bundles there is nothing to read but the listing."""
    assert find_unused(storage, 0) == []
    assert storage.requests.snapshot()["list"] == 1


def test_clean(storage: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command shows bundles that nobody needs, and removes them when it may."""
    a = put(storage, tmp_path, "a")
    command = ("clean", "--storage", str(tmp_path / "storage"))
    said = []
    for options in ((), ("--yes",), ("--yes",)):
        with pytest.raises(SystemExit):
            main([*command, *options])
        said.append(capsys.readouterr())
    assert said[0].out == f"libraries {a}: 1 B, last needed 2026-01-01T00:00:00+00:00\n"
    assert "removed 1 bundles of libraries" in said[1].err
    assert "there is nothing to remove" in said[2].err
    assert list(storage.list("")) == []


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 130, 2), ("y\n", 0, 0)], ids=["no", "yes"])
def test_clean_asks(
    storage: FolderStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    left: int,
) -> None:
    """Without --yes it does what it is told by whoever sits there."""
    put(storage, tmp_path, "a")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    with pytest.raises(SystemExit) as caught:
        main(["clean", "--storage", str(tmp_path / "storage")])
    assert caught.value.code == code
    assert "Remove what these 0 jobs have left and 1 bundles of libraries?" in capsys.readouterr().err
    assert len(list(storage.list(""))) == left
