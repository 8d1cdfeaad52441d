"""Input that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kept import FOLDER, keep


def test_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is taken as it is; the environment says where that is."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept"))

    def make(folder: str) -> None:
        for name in "ba":
            Path(folder, name).touch()

    files = keep("name", make)
    assert files == [f"{tmp_path}/kept/name/{name}" for name in "ab"]
    assert keep("name", lambda _: pytest.fail("made again")) == files
    assert keep("name", make, str(tmp_path / "other")) == [f"{tmp_path}/other/name/{name}" for name in "ab"]
