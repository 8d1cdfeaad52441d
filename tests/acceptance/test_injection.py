"""The user's code gets to the workers, wherever it was written."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import CLI, Python

pytestmark = pytest.mark.process

IMPORTS = """
import sys
from driver import Driver
from mapreduce import FoldBy, Job, Mapper, Reducer
"""
RUN = """
with Driver(workers=2, storage="storage") as driver:
    print(sorted(driver.run(job, "in.txt")))
"""
COUNTED = "[('a', 3), ('b', 1), ('c', 1)]\n"
TOTAL = """
class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)
"""
WORDS = f"""{TOTAL}
def cut(line):
    return line.split(SEPARATOR)

SEPARATOR = " "

class Words(Mapper):
    def map(self, line):
        for word in cut(line):
            yield word, ONE

ONE = 1
job = Job(mapper=Words(), combiner=sum, reducer=Total())
"""


def test_script(python: Python) -> None:
    """Classes of the script itself, with the functions and constants that they use."""
    python.write({"my_job.py": IMPORTS + WORDS + RUN})
    assert python.output("my_job.py") == COUNTED


def test_script_elsewhere(python: Python) -> None:
    """A script of another folder than the working folder."""
    python.write(
        {"sub/my_job.py": IMPORTS + "from helper import plus\n" + WORDS.replace("ONE = 1", "ONE = plus(0)") + RUN}
    )
    python.write({"sub/helper.py": "def plus(n): return n + 1"})
    assert python.output("sub/my_job.py") == COUNTED


def test_command(python: Python) -> None:
    """A script whose whole text is on the command line."""
    assert python.output("-c", IMPORTS + WORDS + RUN) == COUNTED


def test_cells(python: Python) -> None:
    """Cells that are executed one after the other, as a notebook's; a class that is written anew is a new class."""
    cells = [IMPORTS, WORDS, RUN, WORDS.replace("ONE = 1", "ONE = 10"), RUN]
    code = f"for cell in {cells!r}:\n    exec(compile(cell, '<cell>', 'exec'), globals())"
    assert python.output("-c", code) == COUNTED + "[('a', 30), ('b', 10), ('c', 10)]\n"


def test_lambdas_and_closures(python: Python) -> None:
    """Functions without a name, classes of a function, and what they have closed over."""
    python.write(
        {
            "my_job.py": f"""{IMPORTS}
def make(factor):
    class Words(Mapper):
        def __init__(self, cut):
            self.cut = cut

        def map(self, line):
            for word in self.cut(line):
                yield word, factor

    class Total(Reducer):
        def reduce(self, word, counts):
            yield word, sum(counts)

    mapper = Words(lambda line: line.split())
    combined = Job(mapper=mapper, combiner=lambda counts: sum(counts), reducer=Total())
    folded = Job(mapper=mapper, reducer=FoldBy(lambda one, other: one + other))
    return combined, folded

with Driver(workers=2, storage="storage") as driver:
    for factor in (1, 7):
        for job in make(factor):
            print(sorted(driver.run(job, "in.txt")))
"""
        }
    )
    sevenfold = "[('a', 21), ('b', 7), ('c', 7)]\n"
    assert python.output("my_job.py") == COUNTED + COUNTED + sevenfold + sevenfold


def test_module_beside_the_script(python: Python) -> None:
    """Modules beside the script, also those that only a function imports, in the worker."""
    python.write(
        {
            "my_words.py": f"{IMPORTS}{WORDS.replace('ONE = 1', 'from numbers_of_mine import ONE')}",
            "numbers_of_mine.py": "ONE = 1",
            "late.py": "def twice(n): return 2 * n",
            "my_job.py": f"""{IMPORTS}
import my_words
class Twice(my_words.Total):
    def reduce(self, word, counts):
        from late import twice
        yield word, twice(sum(counts))
job = Job(mapper=my_words.Words(), reducer=Twice())
{RUN}""",
        }
    )
    assert python.output("my_job.py") == "[('a', 6), ('b', 2), ('c', 2)]\n"


def test_packages(python: Python) -> None:
    """Packages with relative imports and data, packages without __init__.py, and one that is run as a module."""
    python.write(
        {
            "pack/__init__.py": "",
            "pack/words.py": f"""{IMPORTS}
from . import data
from .sub.total import Total
class Words(Mapper):
    def map(self, line):
        from importlib.resources import files
        one = int(files("pack").joinpath("one.txt").read_text())
        for word in data.cut(line):
            yield word, one
""",
            "pack/data.py": "from space.cutting import cut",
            "pack/one.txt": "1",
            "pack/sub/__init__.py": "",
            "pack/sub/total.py": IMPORTS + TOTAL,
            "pack/__main__.py": f"""{IMPORTS}
from .words import Words, Total
job = Job(mapper=Words(), reducer=Total())
{RUN}""",
            "space/cutting.py": "def cut(line): return line.split()",
        }
    )
    assert python.output("-m", "pack") == COUNTED


def test_job_file(python: Python) -> None:
    """The file of a job for the command line, and what lies beside it."""
    python.write(
        {
            "jobs/my_job.py": f"{IMPORTS}\nfrom helper import ZERO{WORDS.replace('ONE = 1', 'ONE = ZERO + 1')}",
            "jobs/helper.py": "ZERO = 0",
        }
    )
    code, output, errors = python.run(*CLI, "run", "jobs/my_job.py", "in.txt", "--storage", "storage")
    assert (code, sorted(output.splitlines())) == (0, ["a\t3", "b\t1", "c\t1"])
    assert "shipping helper" in errors


def test_edited_module(python: Python) -> None:
    """A module that is edited between two runs of one driver is the new one for both sides."""
    python.write(
        {
            "helper.py": "FACTOR = 1",
            "my_job.py": f"""{IMPORTS}
import importlib, pathlib
import helper
class Words(Mapper):
    def map(self, line):
        import helper
        for word in line.split():
            yield word, helper.FACTOR
job = Job(mapper=Words(), reducer=FoldBy(lambda one, other: one + other))
with Driver(workers=2, storage="storage") as driver:
    for text in ("FACTOR = 1", "FACTOR = 100", "FACTOR = 1"):
        pathlib.Path("helper.py").write_text(text)
        print(sorted(driver.run(job, "in.txt")))
""",
        }
    )
    new = COUNTED.replace(")", "00)")
    assert python.output("my_job.py") == COUNTED + new + COUNTED


def test_unpicklable(python: Python) -> None:
    """A connection in a mapper is an error that says where it is, before anything starts."""
    python.write(
        {
            "my_job.py": f"""{IMPORTS}
import sqlite3
class Words(Mapper):
    def __init__(self):
        self.conn = sqlite3.connect(":memory:")
    def map(self, line):
        yield line, 1
job = Job(mapper=Words())
if __name__ == "__main__":
    {RUN.replace(chr(10), chr(10) + "    ")}"""
        }
    )
    code, output, errors = python.run("my_job.py")
    assert (code, output) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith("mapreduce.errors.CodeError: mapper.conn cannot be shipped to the workers: it is a sqlite3.")
    code, output, errors = python.run(*CLI, "run", "my_job.py", "in.txt", "--storage", "storage")
    assert (code, output) == (1, "")
    assert errors.startswith("Error: mapper.conn cannot be shipped")


def test_missing_in_the_worker(python: Python) -> None:
    """A module that the driver alone can see is an error that says so."""
    python.write(
        {
            "my_job.py": f"""{IMPORTS}
import types
ghost = types.ModuleType("ghost")
sys.modules["ghost"] = ghost
exec("class Words(object):\\n    pass", vars(ghost))
class Words(Mapper):
    def __init__(self):
        self.held = ghost.Words()
    def map(self, line):
        yield line, 1
ghost.Words.__module__ = "ghost"
job = Job(mapper=Words())
try:
    {RUN.strip().replace(chr(10), chr(10) + "    ")}
except Exception as error:
    print(type(error).__name__, error)
"""
        }
    )
    output = python.output("my_job.py")
    assert output.startswith("TaskError map task ")
    assert "does not load in the worker: ModuleNotFoundError: No module named 'ghost'" in output


@pytest.mark.parametrize("name", ["driver", "shuffle", "worker"])
def test_shadowed_names(python: Python, name: str) -> None:
    """A file of the user's that hides a package of ours is named."""
    python.write({f"{name}.py": "", "my_job.py": "from mapreduce import Job"})
    code, output, errors = python.run("my_job.py")
    assert (code, output) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith(f"ImportError: {python.folder}/{name}.py hides the package '{name}' of mapreduce")
    assert "rename that file" in last


def test_names_of_ours_beside_the_job_file(python: Python) -> None:
    """The command line, which has its own packages by then, is not confused by such a file."""
    python.write({"worker.py": "1 / 0", "my_job.py": IMPORTS + WORDS})
    code, output, _ = python.run(*CLI, "run", "my_job.py", "in.txt", "--storage", "storage")
    assert (code, len(output.splitlines())) == (0, 3)
