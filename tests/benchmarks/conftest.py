"""A small text, generated once."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import vocabulary
from benchmarks.kept import FOLDER
from benchmarks.text import review_text

#: Bytes of the small text.
SIZE = 200_000


@pytest.fixture(scope="session", autouse=True)
def _words() -> Iterator[None]:
    """The words are made once, for all texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "vocabulary", functools.cache(vocabulary.vocabulary))
        yield


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that texts are kept in."""
    return tmp_path_factory.mktemp("texts")


@pytest.fixture
def text(kept: Path) -> list[str]:
    """The files of the small text."""
    return review_text(SIZE, str(kept))


@pytest.fixture(autouse=True)
def no_settings(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests, and no text among theirs."""
    for name in os.environ:
        if name.startswith("MAPREDUCE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(FOLDER, str(kept))
    monkeypatch.setenv("MAPREDUCE_STORAGE", str(tmp_path / "storage"))
    monkeypatch.chdir(tmp_path)
