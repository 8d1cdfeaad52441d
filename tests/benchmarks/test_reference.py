"""The check of word counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reference import count_words, difference

EXPECTED = ["a\t1\n", "b\t2\n", "ç\t1\n"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder for parts."""
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def encoded(lines: list[str]) -> list[bytes]:
    """Lines as bytes."""
    return [line.encode() for line in lines]


def test_count_words(tmp_path: Path) -> None:
    """The words of all files together, sorted as bytes."""
    (tmp_path / "1").write_text("b a\n\nb", encoding="utf-8")
    (tmp_path / "2").write_text("ç\n", encoding="utf-8")
    assert count_words([str(tmp_path / "1"), str(tmp_path / "2")]) == encoded(EXPECTED)


def test_no_difference(output: Path) -> None:
    """Lines may lie in any part, in any order; what is no part is not looked at."""
    (output / "part-00000").write_text(EXPECTED[1], encoding="utf-8")
    (output / "part-00001").write_text(EXPECTED[2] + EXPECTED[0], encoding="utf-8")
    (output / "_SUCCESS").write_text("c\t1\n", encoding="utf-8")
    assert difference(str(output), encoded(EXPECTED)) == ""


@pytest.mark.parametrize(
    "lines",
    [
        EXPECTED[:2],
        [*EXPECTED, "d\t1\n"],
        ["a\t1\n", "b\t3\n", "ç\t1\n"],
        ["a\t1\r\n", "b\t2\n", "ç\t1\n"],
        ["a\t1\n", "a\t1\n", "b\t2\n", "ç\t1\n"],
        ["b\t2\n", "ç\t1\n", "a\t1"],
        [],
    ],
)
def test_differences(output: Path, lines: list[str]) -> None:
    """Every byte counts, and the first difference is shown."""
    (output / "part-00000").write_text("".join(lines), encoding="utf-8", newline="")
    assert f"{len(lines):,} lines for 3; where b'" in difference(str(output), encoded(EXPECTED))


def test_no_output_is_a_difference(tmp_path: Path) -> None:
    """A folder that nobody made holds nothing."""
    assert "0 lines for 3; where b'a\\t1\\n' should be" in difference(str(tmp_path / "none"), encoded(EXPECTED))
