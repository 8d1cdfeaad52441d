"""The output folder: what is refused, what is replaced, and what a crash leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.output import PUBLISHING, SUCCESS, OutputFolder
from mapreduce import OutputError, StoreError
from mapreduce.objectstore import FolderStore
from worker.layout import temporary_key
from worker.output import Part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where output goes; not there yet."""
    return tmp_path / "out"


def write(folder: Path, job: str, contents: list[str]) -> list[Part]:
    """Lay down parts as attempts do."""
    store, parts = FolderStore(folder), []
    for task, content in enumerate(contents):
        key = temporary_key(job, task, 0)
        store.put(key, content.encode())
        parts.append(Part(key, len(content), 1, [], None))
    return parts


def run(folder: Path, job: str, contents: list[str], *, overwrite: bool = False) -> None:
    """What a job does with its output folder."""
    output = OutputFolder(str(folder), job, overwrite=overwrite)
    output.publish(write(folder, job, contents))
    output.clear([(task, 0) for task in range(len(contents))])


def held(folder: Path) -> dict[str, str]:
    """The files in the folder; markers without their content."""
    found = {
        path.relative_to(folder).as_posix(): path.read_text(errors="replace")
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {name: "" if name in {SUCCESS, PUBLISHING} else text for name, text in found.items()}


def test_publish(folder: Path) -> None:
    """Parts are numbered from 0, with a marker beside them and nothing else."""
    run(folder, "one", ["a", "b", "c"])
    assert held(folder) == {"part-00000": "a", "part-00001": "b", "part-00002": "c", SUCCESS: ""}
    assert sorted(path.name for path in folder.iterdir()) == ["_SUCCESS", "part-00000", "part-00001", "part-00002"]


@pytest.mark.parametrize("name", ["part-00000", "notes.txt", ".hidden", "sub/file", SUCCESS])
def test_refused(folder: Path, name: str) -> None:
    """A folder that holds anything is refused, and told how to go on."""
    FolderStore(folder).put(name, b"mine")
    with pytest.raises(OutputError, match=f"is not empty .it holds {name}.*--overwrite, overwrite=True"):
        OutputFolder(str(folder), "one", overwrite=False)
    assert FolderStore(folder).get(name) == b"mine"


def test_empty_folder(folder: Path) -> None:
    """A folder that is there and empty is taken."""
    folder.mkdir()
    run(folder, "one", ["a"])


def test_unwritable(folder: Path) -> None:
    """A folder that cannot be written is refused before anything starts."""
    folder.write_text("a file")
    with pytest.raises(OutputError, match=r"out cannot be written: .*(Not a directory|File exists)"):
        OutputFolder(str(folder), "one", overwrite=False)
    with pytest.raises(OutputError, match="cannot be written"):
        OutputFolder(str(folder / "sub"), "one", overwrite=True)


def test_overwrite(folder: Path) -> None:
    """A new result takes the place of an earlier one, with fewer parts too; foreign files stay."""
    run(folder, "one", ["a", "b", "c"])
    FolderStore(folder).put("notes.txt", b"mine")
    FolderStore(folder).put("sub/part-00002", b"mine")
    run(folder, "two", ["x"], overwrite=True)
    assert held(folder) == {"part-00000": "x", SUCCESS: "", "notes.txt": "mine", "sub/part-00002": "mine"}


def test_overwrite_nothing(folder: Path) -> None:
    """Overwriting an absent or empty folder is plain writing."""
    run(folder, "one", ["a"], overwrite=True)
    assert held(folder) == {"part-00000": "a", SUCCESS: ""}


@pytest.mark.parametrize("marker", [b"", b"not json", b"[]", b"{}", b'{"objects": 5}', b"\xff"])
@pytest.mark.parametrize("name", ["part-00000", "part-r-00000", SUCCESS])
def test_foreign_parts(folder: Path, name: str, marker: bytes) -> None:
    """Parts, or a marker, that no job recorded are not replaced: another program's result is not ours to delete."""
    FolderStore(folder).put(name, b"mine")
    FolderStore(folder).put(SUCCESS, marker)
    with pytest.raises(OutputError, match="which no job recorded as its own"):
        OutputFolder(str(folder), "two", overwrite=True)
    assert name in held(folder)


def test_foreign_part_beside_ours(folder: Path) -> None:
    """A part beyond those that the job recorded is another's."""
    run(folder, "one", ["a"])
    FolderStore(folder).put("part-00001", b"mine")
    with pytest.raises(OutputError, match="holds part-00001, which no job recorded"):
        OutputFolder(str(folder), "two", overwrite=True)


def test_old_result_stays(folder: Path) -> None:
    """Until a job has succeeded the earlier result is there, whole; also when the job fails."""
    run(folder, "one", ["a", "b"])
    before = held(folder)
    output = OutputFolder(str(folder), "two", overwrite=True)
    parts = write(folder, "two", ["x"])
    assert before.items() <= held(folder).items()
    output.clear([(task, 0) for task in range(len(parts))])
    assert held(folder) == before


class Crash(Exception):
    """The driver dies here."""


class Crashing(FolderStore):
    """A folder whose requests end after some that change it."""

    def __init__(self, root: Path, left: int) -> None:
        super().__init__(root)
        self._left = left

    def put(self, key: str, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def move(self, source: str, target: str) -> None:
        self._count()
        super().move(source, target)

    def delete(self, keys: object) -> None:
        for key in list(keys):  # type: ignore[call-overload]
            self._count()
            super().delete([key])

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Crash


def crash(folder: Path, job: str, contents: list[str], steps: int) -> bool:
    """Publish until `steps` changes have been made; returns whether that was before the end."""
    output = OutputFolder(str(folder), job, overwrite=True)
    output._store = Crashing(folder, steps)
    try:
        output.publish(write(folder, job, contents))
    except Crash:
        return True
    return False


@pytest.mark.parametrize("steps", range(9))
def test_crash(folder: Path, steps: int) -> None:
    """Wherever publishing ends, there is no marker beside a mixture, and a later job can overwrite all that is left."""
    run(folder, "one", ["a", "b", "c"])
    FolderStore(folder).put("notes.txt", b"mine")
    crashed = crash(folder, "two", ["x", "y"], steps)
    assert crashed == (steps < 7)
    now = held(folder)
    if SUCCESS in now:
        assert [text for name, text in sorted(now.items()) if name.startswith("part-")] in (["a", "b", "c"], ["x", "y"])
    if steps == 0:  # nothing recorded yet: what lies below _temporary is not seen as a part
        return
    run(folder, "three", ["z"], overwrite=True)
    assert held(folder) == {"part-00000": "z", SUCCESS: "", "notes.txt": "mine"}


@pytest.mark.parametrize("steps", range(1, 9))
@pytest.mark.parametrize("more", range(1, 9))
def test_crash_again(folder: Path, steps: int, more: int) -> None:
    """A crash while the rest of a crash is replaced leaves what can be replaced too."""
    run(folder, "one", ["a", "b"])
    crash(folder, "two", ["x", "y", "z"], steps)
    crash(folder, "three", ["u"], more)
    run(folder, "four", ["z"], overwrite=True)
    assert held(folder) == {"part-00000": "z", SUCCESS: ""}


def test_record_cannot_reach_outside(folder: Path) -> None:
    """A marker that names files outside the folder deletes none of them."""
    (folder.parent / "precious").write_text("mine")
    FolderStore(folder).put(SUCCESS, b'{"objects": ["../precious", "part-00000"]}')
    output = OutputFolder(str(folder), "two", overwrite=True)
    with pytest.raises(StoreError, match="precious"):
        output.publish(write(folder, "two", ["x"]))
    assert (folder.parent / "precious").read_text() == "mine"
