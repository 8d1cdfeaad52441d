"""Archives that are the same for the same files."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from driver.archives import unpacked_size, write_zip


def archived(files: dict[str, Path | bytes], level: int = 6) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    write_zip(buffer, files, level)
    return buffer.getvalue()


@given(st.dictionaries(st.text("abc/.", min_size=1, max_size=8), st.binary(max_size=50), max_size=5), st.randoms())
def test_same_bytes(contents: dict[str, Path | bytes], chance: Random) -> None:
    """An archive depends on names and contents, not on their order, and gives them back."""
    items = list(contents.items())
    chance.shuffle(items)
    data = archived(dict(items))
    assert data == archived(contents)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert {name: file.read(name) for name in file.namelist()} == contents
        assert {entry.external_attr >> 16 for entry in file.infolist()} <= {0o100644}


def test_files(tmp_path: Path) -> None:
    """Of a file its content counts, and whether its owner may run it; nothing else of its rights, nor its age."""
    one, two = tmp_path / "one", tmp_path / "two"
    for path, mode in ((one, 0o640), (two, 0o666)):
        path.write_bytes(b"content" * 1000)
        path.chmod(mode)
    os.utime(two, (0, 0))
    assert archived({"name": one}) == archived({"name": two}) == archived({"name": b"content" * 1000})
    two.chmod(0o744)
    assert archived({"name": one}) != archived({"name": two})
    assert len(archived({"name": one})) < 1000
    write_zip(tmp_path / "zip", {"a": one, "b": two}, 1)
    assert unpacked_size(tmp_path / "zip") == 14_000
    with zipfile.ZipFile(tmp_path / "zip") as file:
        assert [entry.external_attr >> 16 for entry in file.infolist()] == [0o100644, 0o100755]


def test_what_does_not_compress(tmp_path: Path) -> None:
    """A large file whose bytes are noise is put in as it is; whether it is, its content alone decides."""
    noise = Random(7).randbytes(1 << 20)
    for name, data in {"noise": noise, "text": b"text" * (1 << 18), "small": noise[: 1 << 10]}.items():
        (tmp_path / name).write_bytes(data)
    files: dict[str, Path | bytes] = {path.name: path for path in tmp_path.iterdir()}
    data = archived(files)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        stored = {entry.filename for entry in file.infolist() if entry.compress_type == zipfile.ZIP_STORED}
        assert stored == {"noise"}
        assert {name: file.read(name) for name in files} == {name: (tmp_path / name).read_bytes() for name in files}
    assert len(data) < len(noise) + (1 << 15)
    assert data == archived({name: (tmp_path / name).read_bytes() for name in files})
