"""What is particular to object stores in folders: files, disks, and several processes."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import MissingObject, StoreError
from mapreduce.objectstore import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store in an empty folder."""
    return FolderStore(tmp_path)


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Lets no file grow beyond so many bytes, which ends a write as a full disk does: a part is written."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


def files(root: Path) -> list[str]:
    """All files and empty folders below `root`."""
    found = [path for path in root.rglob("*") if path.is_file() or not any(path.iterdir())]
    return sorted(str(path.relative_to(root)) for path in found)


def test_full_disk_fails_a_put(store: FolderStore, small_disk: int, tmp_path: Path) -> None:
    """An object that does not fit is an error that names it, and nothing of it appears."""
    data = b"x" * (small_disk + 1)
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}/a/b: "):
        store.put("a/b", data)
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}/a/b: "):
        store.put_if_absent("a/b", data)
    with pytest.raises(StoreError), store.create("a/b") as writer:  # noqa: PT012 - the second write is the one
        writer.write(data[:-1])
        writer.write(memoryview(b"too much"))
    assert [name for name in files(tmp_path) if name != "a"] == []


@pytest.mark.parametrize("pieces", [[b"x" * 100] * 50, [b"x" * 4096, b"y"], [b"x"] * 4097])
def test_full_disk_fails_small_pieces(
    store: FolderStore, small_disk: int, tmp_path: Path, pieces: Sequence[bytes]
) -> None:
    """Pieces of which only the first ones fit are an error too, at the latest when the object is complete."""
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}/a: "), store.create("a") as writer:  # noqa: PT012
        for piece in pieces:
            writer.write(piece)
    assert files(tmp_path) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 1000, 300_000, (1 << 20) - 1, 1 << 20, 3 << 20]), st.booleans()), max_size=12
    ),
    st.booleans(),
)
def test_pieces_of_any_size(pieces: list[tuple[int, bool]], many: bool) -> None:
    """An object is what was written, one piece after the other, whatever becomes of their memory."""
    written = []
    with TemporaryDirectory() as folder:
        store = FolderStore(folder)
        with store.create("key") as writer:
            for number, (size, changes) in enumerate([*pieces, *([(3, False)] * 2500 if many else [])]):
                data = bytes([number % 251 + 1]) * size
                written.append(data)
                memory = bytearray(data)
                assert writer.write(memoryview(memory) if changes else data) == size
                memory[:] = bytes(size)
        assert store.get("key") == b"".join(written)
        assert store.requests.snapshot().get("bytes_written", 0) == sum(map(len, written))


def test_reads_that_give_a_part(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may give less of a range than was asked for, as it does of more than 2 GiB."""
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, start: pread(file, min(size, 7), start))
    store.put("key", bytes(range(100)))
    assert bytes(store.view("key", 10, 90)) == bytes(range(10, 90))
    assert bytes(store.view("key", 95, 120)) == bytes(range(95, 100))


def test_missing_object_names_its_file(store: FolderStore, tmp_path: Path) -> None:
    """The message says why, too."""
    with pytest.raises(MissingObject, match=f"cannot read {tmp_path}/a/b: No such file or directory"):
        store.get("a/b")


def test_folders_in_the_way(store: FolderStore) -> None:
    """Where a key is another's folder, no write pretends to have been done."""
    store.put("a/b", b"1")
    store.put("c", b"2")
    for write in (
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: store.move("c", "a"),
        lambda: store.put("c/d", b""),
        lambda: store.put_if_absent("c/d", b""),
    ):
        with pytest.raises(StoreError) as caught:
            write()
        assert not isinstance(caught.value, MissingObject)
    assert dict(store.list("")) == {"a/b": 1, "c": 1}


NAMESAKE = """
    import os, sys
    os.getpid = lambda: 7
    from mapreduce.objectstore import FolderStore

    store = FolderStore(sys.argv[1])
    if sys.argv[2] == "die":
        with store.create("a") as writer:
            writer.write(b"half")
            os._exit(0)
    print(store.put_if_absent("a", b"whole"))
"""


@pytest.mark.process
def test_dead_namesakes_are_no_obstacle(store: FolderStore, tmp_path: Path) -> None:
    """What a killed process left is in no one's way, though processes of two containers have one id."""
    command = [sys.executable, "-c", textwrap.dedent(NAMESAKE), str(tmp_path)]
    subprocess.run([*command, "die"], check=True)
    assert len(files(tmp_path)) == 1
    assert subprocess.check_output([*command, "put"], text=True) == "True\n"
    assert store.get("a") == b"whole"


@pytest.mark.parametrize("when", ["while", "after"])
def test_folders_pruned_by_others(store: FolderStore, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Writes and moves go on when another process removes a folder while, or after, they make it."""
    makedirs = os.makedirs
    pruned: list[str] = []

    def prune_once(path: str, exist_ok: bool = False) -> None:
        if path not in pruned:
            pruned.append(path)
            if when == "while":
                raise FileNotFoundError(path)
        else:
            makedirs(path, exist_ok=exist_ok)

    monkeypatch.setattr(os, "makedirs", prune_once)
    store.put("a/b", b"1")
    store.move("a/b", "c/d/e")
    assert store.put_if_absent("f/g", b"2")
    assert [info.key for info in store.list("")] == ["c/d/e", "f/g"]
    assert {os.path.relpath(path, store.root) for path in pruned} >= {"a", "c/d", "f"}


def test_delete_and_move_leave_no_empty_folders(store: FolderStore, tmp_path: Path) -> None:
    """The folders of keys are there while keys are, the root always."""
    store.put("a/b/c", b"1")
    store.put("a/x", b"2")
    store.move("a/b/c", "d/e")
    assert files(tmp_path) == ["a/x", "d/e"]
    store.delete(["a/x", "d/e"])
    assert files(tmp_path) == []
    assert tmp_path.is_dir()


def test_sweep_removes_what_writes_left(store: FolderStore, tmp_path: Path) -> None:
    """It removes temporary files under the prefix, and only what is empty for that."""
    for key in ("job/a/kept", "job2/kept", "kept"):
        store.put(key, b"1")
    for name in ("job/.tmp-1", "job/a/.tmp-2", "job/b/c/.tmp-3", "job2/.tmp-4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "job/users own").mkdir()
    store.sweep("job/")
    assert files(tmp_path) == ["job/a/kept", "job/users own", "job2/.tmp-4", "job2/kept", "kept"]
    store.sweep("")
    assert files(tmp_path) == ["job/a/kept", "job/users own", "job2/kept", "kept"]


def test_sweep_keeps_the_root(store: FolderStore, tmp_path: Path) -> None:
    """The root was there before the store."""
    (tmp_path / ".tmp-1").touch()
    store.sweep("")
    store.sweep("")
    assert tmp_path.is_dir()
    assert files(tmp_path) == []


def test_list_trouble(store: FolderStore, tmp_path: Path) -> None:
    """What cannot be listed is a StoreError, not a shorter listing."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreError, match=r"cannot list .*/loop: "):
        list(store.list(""))


def test_list_ignores_vanishing_files(store: FolderStore, tmp_path: Path) -> None:
    """A file that is gone before its size is read is no object."""
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    store.put("a", b"1")
    assert [info.key for info in store.list("")] == ["a"]


def test_names_that_are_not_unicode(store: FolderStore, tmp_path: Path) -> None:
    """Files of the user's can be listed and read whatever their names."""
    with open(os.fsencode(tmp_path) + b"/\xff.txt", "wb") as file:
        file.write(b"1")
    (info,) = store.list("")
    assert store.get(info.key) == b"1"


def test_whole_objects_can_be_sought(store: FolderStore) -> None:
    """A stream of a whole object seeks, one of a range does not."""
    store.put("a", b"0123456789")
    with store.open("a") as stream:
        assert stream.seek(5) == 5
        assert stream.read() == b"56789"
    with store.open("a", 2) as stream:
        assert not stream.seekable()


@pytest.mark.parametrize("folder", ["", "there", "not/yet"])
def test_check_leaves_nothing(folder: str, tmp_path: Path) -> None:
    """A folder that can be used is as it was, whether it is there or would be made."""
    (tmp_path / "there").mkdir()
    FolderStore(tmp_path / folder).check()
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_check_of_a_place_that_is_no_folder(tmp_path: Path) -> None:
    """The error names the folder that was asked for."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(StoreError, match=f"the folder {place} cannot be written: Not a directory; choose another"):
            FolderStore(place).check()


def test_check_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which two could create one object is refused; nothing stays."""

    def link(_source: str, _target: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreError, match=r"does not allow hard links \(Operation not permitted\).*another file system"):
        FolderStore(tmp_path).check()
    assert list(tmp_path.iterdir()) == []


def test_free(tmp_path: Path) -> None:
    """The disk's room is known before the folder exists."""
    assert FolderStore(tmp_path / "not" / "yet").free() > 0


RACER = """
    import sys
    from mapreduce.objectstore import FolderStore

    store, name = FolderStore(sys.argv[1]), sys.argv[2]
    for key in sys.stdin:
        print(int(store.put_if_absent(key.strip(), name.encode() * 5000)), flush=True)
"""


@pytest.mark.process
def test_put_if_absent_has_one_winner_among_processes(store: FolderStore, tmp_path: Path) -> None:
    """Of several processes that race for a key one wins, and the object is the winner's."""
    command = [sys.executable, "-c", textwrap.dedent(RACER), str(tmp_path)]
    racers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    try:
        for number in range(50):
            for racer in racers:
                assert racer.stdin
                racer.stdin.write(f"race/{number}\n")
            for racer in racers:
                assert racer.stdin
                racer.stdin.flush()
            won = [int(racer.stdout.readline()) if racer.stdout else -1 for racer in racers]
            assert sorted(won) == [0, 0, 0, 1]
            assert store.get(f"race/{number}") == b"%d" % won.index(1) * 5000
    finally:
        for racer in racers:
            with suppress(BrokenPipeError):
                racer.communicate()
    assert files(tmp_path) == sorted(f"race/{number}" for number in range(50))
