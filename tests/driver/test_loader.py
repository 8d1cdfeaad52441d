"""Jobs are found in files, or it is said why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.loader import load_job
from mapreduce import CodeError, ConfigError, Job

HEAD = "from mapreduce import FoldBy, Job, Mapper\njob = lambda name: Job(reducer=FoldBy(max), name=name)\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loading puts the file's folder on the search path; it is gone at the end."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("__mapreduce_job__", None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the job's file is to be."""
    return tmp_path / "my_job.py"


def name(job: object) -> str:
    assert isinstance(job, Job)
    return job.name


def test_only_job(file: Path) -> None:
    """The one job of a file is meant, under whatever names it has."""
    file.write_text(HEAD + "a = b = job('one')\njobs = [a]")
    assert name(load_job(str(file))) == "one"


def test_named_jobs(file: Path) -> None:
    """A job, or a list of jobs, can be named."""
    file.write_text(HEAD + "a = job('one')\nb = job('two')\nchain = [a, b]\npair = (b, a)")
    assert name(load_job(f"{file}:b")) == "two"
    assert [name(one) for one in load_job(f"{file}:chain")] == ["one", "two"]  # type: ignore[union-attr]
    assert [name(one) for one in load_job(f"{file}:pair")] == ["two", "one"]  # type: ignore[union-attr]


def test_several_jobs(file: Path) -> None:
    """Several jobs are an error that lists them and says how to choose."""
    file.write_text(HEAD + "a = job('one')\nb = job('two')")
    with pytest.raises(ConfigError, match=r"holds 2 jobs: say which, .*my_job.py:NAME with NAME one of a, b"):
        load_job(str(file))


@pytest.mark.parametrize("text", ["", "x = 1", "from mapreduce import Job"])
def test_no_job(file: Path, text: str) -> None:
    """A file without a job is an error that says what to write."""
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"holds no Job; make one at its top level: job = Job\(\.\.\.\)"):
        load_job(str(file))


def test_chains(file: Path) -> None:
    """A list of jobs has to be named, and the error says its name."""
    file.write_text(HEAD + "both = [job('one'), job('two')]")
    with pytest.raises(ConfigError, match=rf"holds lists of Jobs alone: say which .*{file}:NAME with NAME one of both"):
        load_job(str(file))
    with pytest.raises(ConfigError, match="has no Job, or list of Jobs, 'neither'; it has both"):
        load_job(f"{file}:neither")
    found = load_job(f"{file}:both")
    assert isinstance(found, list)
    assert [name(one) for one in found] == ["one", "two"]


@pytest.mark.parametrize("wrong", ["c", "number", "mixed", "empty"])
def test_wrong_name(file: Path, wrong: str) -> None:
    """A name of no job is an error that lists those of jobs."""
    file.write_text(HEAD + "a = job('one')\nnumber = 1\nmixed = [a, 1]\nempty = []")
    with pytest.raises(ConfigError, match=f"has no Job, or list of Jobs, '{wrong}'; it has a"):
        load_job(f"{file}:{wrong}")


def test_no_file(file: Path) -> None:
    """An absent file is an error that names it."""
    for place in (str(file), f"{file}:a", str(file.parent)):
        with pytest.raises(ConfigError, match="there is no file"):
            load_job(place)


def test_not_python(tmp_path: Path) -> None:
    """A file of another kind is an error that names it."""
    (tmp_path / "data.csv").write_text("a,b")
    with pytest.raises(ConfigError, match=r"data.csv is not a Python file"):
        load_job(str(tmp_path / "data.csv"))


def test_colon_in_path(tmp_path: Path) -> None:
    """A colon in a path does not begin a name."""
    folder = tmp_path / "a:b"
    folder.mkdir()
    (folder / "my_job.py").write_text(HEAD + "a = job('one')")
    assert name(load_job(f"{folder}/my_job.py")) == "one"
    assert name(load_job(f"{folder}/my_job.py:a")) == "one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n1 / 0", r"my_job.py, line 2: ZeroDivisionError: division by zero"),
        ("def f(", r"my_job.py.*: SyntaxError: "),
        ("import nothing_of_that_name", r"my_job.py, line 1: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit(0)", r"my_job.py, line 2: SystemExit: 0"),
    ],
)
def test_files_that_fail(file: Path, text: str, message: str) -> None:
    """A file that does not run to its end is an error with its line; one that exits is no success."""
    file.write_text(text)
    with pytest.raises(CodeError, match=message):
        load_job(str(file))


def test_framework_errors(file: Path) -> None:
    """A job that is refused says why in its own words."""
    file.write_text(HEAD + "a = Job()")
    with pytest.raises(ConfigError, match=r"^a Job needs a mapper"):
        load_job(str(file))


def test_not_main(file: Path) -> None:
    """What stands under the main guard does not run."""
    file.write_text(HEAD + "a = job('one')\nif __name__ == '__main__': raise SystemExit(3)")
    assert name(load_job(str(file))) == "one"


def test_modules_beside_the_file(file: Path) -> None:
    """The file can import its neighbours."""
    (file.parent / "neighbour_of_job.py").write_text(HEAD + "a = job('one')")
    file.write_text("from neighbour_of_job import a")
    assert name(load_job(str(file))) == "one"
    del sys.modules["neighbour_of_job"]
