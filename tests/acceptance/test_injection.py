"""User code in worker processes, however the user keeps it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.process

RUN = """
if __name__ == "__main__":
    from driver import Driver
    with Driver(workers=2) as driver:
        for key, value in sorted(driver.run(job, "in.txt")):
            print(key, value)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working folder, with an input."""
    (tmp_path / "in.txt").write_text("a b\nb\n")
    return tmp_path


def run(folder: Path, *command: str, check: bool = True) -> str:
    """What a Python process prints that is started in `folder`; its errors, if it is to fail."""
    environ = {**os.environ, "MAPREDUCE_STORAGE": str(folder / "storage")}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode == 0) is check, done.stderr
    return done.stdout if check else done.stderr


def write(path: Path, text: str, end: str = "") -> None:
    """Write a source file, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text) + end)


def test_classes_of_the_script(folder: Path) -> None:
    """Classes, constants, functions and lambdas of __main__ go by value."""
    write(
        folder / "my_job.py",
        """
        from dataclasses import dataclass
        from mapreduce import Job, Mapper, Reducer

        SUFFIX = "!"

        def mark(word):
            return word + SUFFIX

        @dataclass
        class Words(Mapper):
            weight: int
            def map(self, line):
                for word in line.split():
                    yield mark(word), self.weight

        class Total(Reducer):
            def reduce(self, word, counts):
                yield word, sum(counts)

        job = Job(mapper=Words(weight=2), combiner=lambda values: sum(values), reducer=Total())
        """,
        RUN,
    )
    assert run(folder, "my_job.py") == "a! 2\nb! 4\n"


def test_values_of_classes_of_the_script(folder: Path) -> None:
    """Objects of the script's own classes travel as keys and values, and come back as such."""
    write(
        folder / "my_job.py",
        """
        from dataclasses import dataclass
        from enum import Enum
        from mapreduce import Job, Mapper, Reducer

        class Kind(Enum):
            ODD = 1
            EVEN = 2

        @dataclass(frozen=True, order=True)
        class Size:
            letters: int

        class Words(Mapper):
            def map(self, line):
                yield (Kind.EVEN if len(line) % 2 == 0 else Kind.ODD, Size(1)), Size(len(line))

        class Largest(Reducer):
            def reduce(self, key, sizes):
                yield key[0].name, max(sizes)

        job = Job(mapper=Words(), reducer=Largest())
        """,
        RUN,
    )
    assert run(folder, "my_job.py") == "ODD Size(letters=3)\n"


def test_code_without_a_file(folder: Path) -> None:
    """`python -c`, as a notebook, has classes in __main__ and no source file."""
    code = """
from mapreduce import FoldBy, Job, Mapper
import operator
class Words(Mapper):
    def map(self, line):
        return [(word, 1) for word in line.split()]
job = Job(mapper=Words(), reducer=FoldBy(operator.add))
"""
    assert run(folder, "-c", code + RUN) == "a 1\nb 2\n"


def test_modules_beside_the_script(folder: Path) -> None:
    """A package with relative imports, a data file and an import inside a function are found and shipped."""
    write(folder / "text" / "__init__.py", "from .words import Words\n")
    write(
        folder / "text" / "words.py",
        """
        from importlib.resources import files
        from mapreduce import Mapper
        from .marks import marked

        class Words(Mapper):
            def setup(self):
                self.stop = set(files("text").joinpath("stop.txt").read_text().split())
            def map(self, line):
                from lazily import upper
                for word in line.split():
                    if word not in self.stop:
                        yield marked(upper(word)), 1
        """,
    )
    write(folder / "text" / "marks.py", "def marked(word):\n    return word + '!'\n")
    write(folder / "text" / "stop.txt", "a\n")
    write(folder / "lazily.py", "def upper(word):\n    return word.upper()\n")
    write(
        folder / "my_job.py",
        """
        from mapreduce import Job
        from mapreduce import FoldBy
        import operator
        from text import Words
        job = Job(mapper=Words(), reducer=FoldBy(operator.add))
        """,
        RUN,
    )
    assert run(folder, "my_job.py") == "B! 2\n"
    away = folder / "elsewhere"
    away.mkdir()
    (folder / "in.txt").rename(away / "in.txt")
    assert run(away, str(folder / "my_job.py")) == "B! 2\n"


def test_module_that_changes_between_two_jobs(folder: Path) -> None:
    """Warm workers run the code of the job at hand, not what an earlier job left in them."""
    write(folder / "helper.py", "def mark(word):\n    return word + '1'\n")
    write(
        folder / "my_job.py",
        """
        import importlib, os, sys
        sys.dont_write_bytecode = True
        import helper
        from driver import Driver
        from mapreduce import Job, Mapper

        class Words(Mapper):
            def map(self, line):
                import helper
                yield helper.mark(line), os.getpid()

        with Driver(workers=2) as driver:
            first = dict(driver.run(Job(mapper=Words()), "in.txt"))
            with open("helper.py", "w") as file:
                file.write("def mark(word):\\n    return word + '2'\\n")
            importlib.reload(helper)
            second = dict(driver.run(Job(mapper=Words()), "in.txt"))
        print(sorted(first), sorted(second), len({*first.values(), *second.values()}) <= 2)
        """,
    )
    assert run(folder, "my_job.py") == "['a b1', 'b1'] ['a b2', 'b2'] True\n"


def test_what_cannot_be_shipped(folder: Path) -> None:
    """The part of the stage that cannot be pickled is named, with the way out."""
    write(
        folder / "my_job.py",
        """
        import sqlite3
        from mapreduce import Job, Mapper
        class Words(Mapper):
            def __init__(self):
                self.tools = {"db": sqlite3.connect(":memory:")}
            def map(self, line):
                yield line, 1
        job = Job(mapper=Words())
        """,
        RUN,
    )
    told = run(folder, "my_job.py", check=False)
    assert "CodeError: mapper.tools['db'] cannot be shipped" in told
    assert "sqlite3.Connection" in told
    assert "setup()" in told


def test_module_that_workers_lack(folder: Path) -> None:
    """A module that exists in the memory of the driver alone is an error that names it."""
    write(
        folder / "my_job.py",
        """
        import sys, types
        from mapreduce import Job, Mapper
        made = types.ModuleType("made")
        exec("def mark(word): return word * 2", made.__dict__)
        sys.modules["made"] = made
        class Words(Mapper):
            def map(self, line):
                import made
                yield made.mark(line), 1
        job = Job(mapper=Words())
        """,
        RUN,
    )
    told = run(folder, "my_job.py", check=False)
    assert "No module named 'made'" in told
    assert "TaskError: map task" in told
