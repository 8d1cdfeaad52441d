"""The examples of the documentation do what is said of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mapreduce
from driver import Driver
from mapreduce import Job
from tests.acceptance.conftest import CLI, Python

ROOT = Path(__file__).parents[2]
REVIEWS = {"reviews/a.txt": "good good bad\n", "reviews/b.txt": "bad good"}


def readme() -> list[str]:
    """The Python code of the README, block by block."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.process
def test_ten_lines(tmp_path: Path) -> None:
    """They run as a script, and without their last lines by the command line."""
    python = Python(tmp_path)
    python.write({**REVIEWS, "my_job.py": readme()[0]})
    code, output, errors = python.run("my_job.py")
    assert (code, sorted(output.splitlines())) == (0, ["bad 2", "good 3"]), errors
    python.write({"my_job.py": readme()[0].partition("if __name__")[0]})
    code, output, _ = python.run(*CLI, "run", "my_job.py", "reviews/a.txt", "reviews/b.txt", "--output", "counts")
    assert (code, output) == (0, "")
    lines = [line for part in (python.folder / "counts").glob("part-*") for line in part.read_text().splitlines()]
    assert sorted(lines) == ["bad\t2", "good\t3"]


def test_what_you_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job with a counter, the name of the file, a fold, formats and a side file runs."""
    monkeypatch.chdir(tmp_path)
    Path("stopwords.txt").touch()
    Path("in").mkdir()
    for name, lines in {"a": "short\n" + "x" * 30 + "\n" + "x" * 40, "b": "x" * 20}.items():
        Path("in", name).write_text(lines)
    names: dict[str, Any] = {name: getattr(mapreduce, name) for name in mapreduce.__all__} | {"__name__": "readme"}
    exec(readme()[1], names)
    with Driver(executor="inline", storage="storage") as driver:
        result = driver.run(names["job"], "in", "out")
    assert dict(result) == {str(tmp_path / "in" / "a"): 40, str(tmp_path / "in" / "b"): 20}
    assert result.counters == {"too short": 1}
    assert len(result.parts) == 4


def test_arrays(tmp_path: Path) -> None:
    """The totals of structured events, by a batch mapper and a batch reducer."""
    page = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")
    code = re.findall(r"^    (.*)$|^$", page[: page.index("    result = Driver")], re.MULTILINE)
    names: dict[str, Any] = {"__name__": "documented"}
    exec("\n".join(code), names)
    events = np.zeros(1000, names["EVENT"])
    events["user"], events["amount"] = np.arange(1000) % 7, np.arange(1000) - 500
    (tmp_path / "events").mkdir()
    events.tofile(tmp_path / "events" / "all")
    job: Job[Any, Any, Any, Any, Any] = names["totals"]
    with Driver(executor="inline", storage=tmp_path / "storage", split_size=4_000) as driver:
        found = dict(driver.run(job, tmp_path / "events", partitions=3))
    assert found == {user: sum(range(user - 500, 500, 7)) for user in range(7)}
