"""The command line does what it says, and says what went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Settings
from driver.cli import main
from mapreduce import __version__

JOBS = """
import sys
from mapreduce import FoldBy, Job, Mapper

print("read")

class Words(Mapper):
    def __init__(self, bad=None):
        self.bad = bad

    def map(self, line):
        print("a mapper prints")
        self.task.count("lines")
        for word in line.split():
            if word == self.bad:
                raise LookupError(f"no {word}, please")
            yield word, 1

class Odd(Mapper):
    def map(self, line):
        yield ("t", 1), {(1, 2): {3}}
        yield float("nan"), "\\udcff"
        yield None, [1, {"x": True}]

class Many(Mapper):
    def map(self, line):
        for number in range(100_000):
            yield number, "x" * 20

add = FoldBy(lambda one, other: one + other)
good = Job(mapper=Words(), reducer=add, partitions=2)
bad = Job(mapper=Words("c"), reducer=add)
odd = Job(mapper=Odd())
many = Job(mapper=Many())
"""
ONE_JOB = JOBS.partition("bad = Job")[0]


class Cli:
    """Runs the command line in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert isinstance(caught.value.code, int)
        return caught.value.code, *self._capsys.readouterr()

    def run(self, job: str, *arguments: str, name: str = "jobs.py") -> tuple[int, str, str]:
        """Run a job of the file over the input."""
        return self("run", f"{name}:{job}" if job else name, "in.txt", "--storage", "storage", *arguments)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in a folder of jobs; attempts run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_EXECUTOR", "inline")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__mapreduce_job__", None)  # put back at the end
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "one.py").write_text(ONE_JOB)
    (tmp_path / "in.txt").write_text("a b a\nc a\n")
    return Cli(tmp_path, capsys)


COUNTED = ["a\t3", "b\t1", "c\t1"]


def test_pairs_on_standard_output(cli: Cli) -> None:
    """Without --output the pairs are printed, and nothing else is, whatever user code prints."""
    code, output, errors = cli.run("good")
    assert (code, sorted(output.splitlines())) == (0, COUNTED)
    assert "a mapper prints" in errors
    assert "round 1: reduce, 2 tasks" in errors
    assert list((cli.folder / "storage").iterdir()) == []


def test_output(cli: Cli) -> None:
    """With --output there are parts, and a sentence with the counters on standard error."""
    code, output, errors = cli.run("good", "--output", "out")
    assert (code, output) == (0, "")
    assert f"3 pairs in 2 parts in {cli.folder}/out, " in errors
    assert "  lines: 2\n" in errors
    assert sorted(path.name for path in (cli.folder / "out").iterdir()) == ["_SUCCESS", "part-00000", "part-00001"]


def test_json(cli: Cli) -> None:
    """With --json standard output is one JSON document: a summary, and the pairs where no folder has them."""
    code, output, _ = cli.run("good", "--json")
    told = json.loads(output)
    assert code == 0
    assert sorted(told["pairs"]) == [["a", 3], ["b", 1], ["c", 1]]
    assert told["counters"] == {"lines": 2}
    assert [one["kind"] for one in told["rounds"]] == ["map", "reduce"]
    assert told["metrics"]["records_out"] == 3
    code, output, _ = cli.run("good", "--json", "--output", "out")
    told = json.loads(output)
    assert (told["output"], told["parts"]) == (str(cli.folder / "out"), ["part-00000", "part-00001"])
    assert "pairs" not in told


def test_odd_pairs(cli: Cli) -> None:
    """Pairs that JSON, or the terminal's encoding, has no words for are shown as Python writes them."""
    code, output, _ = cli.run("odd", "--json")
    assert code == 0
    assert json.loads(output)["pairs"][:3] == [[["t", 1], "{(1, 2): {3}}"], ["nan", "\udcff"], [None, [1, {"x": True}]]]
    code, output, _ = cli.run("odd")
    assert (code, output.splitlines()[1]) == (0, "nan\t\\udcff")


def test_only_job(cli: Cli) -> None:
    """A file with one job needs no name of it."""
    code, output, _ = cli.run("", name="one.py")
    assert (code, sorted(output.splitlines())) == (0, COUNTED)


def test_inputs(cli: Cli) -> None:
    """Several inputs, folders and globs are taken together."""
    (cli.folder / "more").mkdir()
    (cli.folder / "more" / "x.txt").write_text("c c")
    code, output, _ = cli("run", "jobs.py:good", "in.txt", "more", "--storage", "storage")
    assert (code, sorted(output.splitlines())) == (0, ["a\t3", "b\t1", "c\t3"])
    code, output, _ = cli("run", "jobs.py:good", "m*/*.txt", "--storage", "storage")
    assert (code, output) == (0, "c\t2\n")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of the drivers that are made."""
    found: list[Settings] = []

    class Spy(Driver):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            found.append(self.settings)

    monkeypatch.setattr("driver.driver.Driver", Spy)
    return found


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--workers", "3"], "workers", 3),
        (["--split-size", "1KB"], "split_size", 1000),
        (["--memory", "128MB"], "memory", 128_000_000),
        (["--executor", "inline"], "executor", "inline"),
        (["--storage", "elsewhere"], "storage", "elsewhere"),
        (["--shuffle", "memory://x"], "shuffle", "memory://x"),
        (["--retries", "0"], "retries", 0),
        (["--timeout", "0"], "timeout", None),
        (["--overwrite"], "overwrite", True),
        (["--keep-intermediates"], "keep_intermediates", True),
    ],
)
def test_settings(cli: Cli, settings: list[Settings], arguments: list[str], name: str, value: object) -> None:
    """Every setting has its option, which wins over the environment."""
    code, *_ = cli.run("good", *arguments)
    found = getattr(settings[0], name)
    assert code == 0
    assert found == (str(cli.folder / "elsewhere") if value == "elsewhere" else value)


def test_settings_from_elsewhere(cli: Cli, settings: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """What no option says comes from the environment and the config file."""
    (cli.folder / "mapreduce.toml").write_text("retries = 9\noverwrite = true\n")
    monkeypatch.setenv("MAPREDUCE_WORKERS", "5")
    cli.run("good")
    assert (settings[0].retries, settings[0].workers, settings[0].overwrite) == (9, 5, True)


def test_partitions(cli: Cli) -> None:
    """--partitions wins over the job's own number."""
    cli.run("good", "--partitions", "5", "--output", "out")
    assert len(list((cli.folder / "out").glob("part-*"))) == 5


def test_overwrite(cli: Cli) -> None:
    """A second run into the same folder needs --overwrite."""
    assert cli.run("good", "--output", "out")[0] == 0
    code, _, errors = cli.run("good", "--output", "out")
    assert (code, "--overwrite" in errors) == (1, True)
    assert cli.run("good", "--output", "out", "--overwrite", "--partitions", "1")[0] == 0
    assert len(list((cli.folder / "out").glob("part-*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "jobs.py", "in.txt"], "jobs.py holds 4 jobs: say which, jobs.py:NAME with NAME one of good, bad, odd"),
        (["run", "jobs.py:nothing", "in.txt"], "jobs.py has no Job, or list of Jobs, 'nothing'; it has good, bad"),
        (["run", "nothing.py", "in.txt"], "there is no file 'nothing.py'"),
        (["run", "jobs.py:good", "nothing.txt"], "the input 'nothing.txt' matches no file"),
        (["run", "jobs.py:good", "in.txt", "--workers", "many"], "argument workers: 'many' is not a number"),
        (
            ["run", "jobs.py:good", "in.txt", "--executor", "x"],
            "argument executor: 'x' is none of inline, lambda, local",
        ),
        (["run", "jobs.py:good", "in.txt", "--storage", "ftp://b"], "storage: no store serves 'ftp://b'"),
        (["run", "jobs.py:good", "in.txt", "--output", "."], "holds the input"),
        (["run", "jobs.py:good", "in.txt", "--output", "in.txt/x"], "cannot be written"),
        (
            ["run", "jobs.py:good", "in.txt", "--storage", "in.txt/x"],
            "in.txt/x cannot be written: Not a directory; choose",
        ),
        (
            ["run", "jobs.py:good", "in.txt", "--shuffle", "in.txt/x"],
            "in.txt/x cannot be written: Not a directory; choose",
        ),
        (
            ["run", "jobs.py:good", "in.txt", "--shuffle", "x://y"],
            "no store serves 'x://y'; known are a folder's path and",
        ),
        (["run", "jobs.py:bad", "in.txt"], "failed: LookupError: no c, please ("),
    ],
)
def test_errors(cli: Cli, arguments: list[str], message: str) -> None:
    """What goes wrong is one paragraph on standard error, without a traceback, and the exit code is 1."""
    code, output, errors = cli(*arguments, *(["--storage", "storage"] if "--storage" not in arguments else []))
    assert (code, output) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert "Traceback" not in errors


def test_output_that_cannot_be_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs that find no room are no success; the system's reason is told in a sentence."""
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _, errors = cli.run("good")
    assert code == 1
    assert errors.splitlines()[-1].startswith("Error: ")
    assert "No space left on device" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug(cli: Cli, place: str) -> None:
    """--debug shows tracebacks, the worker's too, wherever it stands."""
    arguments = ["run", "jobs.py:bad", "in.txt", "--storage", "storage"]
    code, output, errors = cli(*(["--debug", *arguments] if place == "before" else [*arguments, "--debug"]))
    assert (code, output) == (1, "")
    assert errors.count("Traceback (most recent call last):") == 2
    assert 'raise LookupError(f"no {word}, please")' in errors.partition("In the worker:")[2]
    assert errors.splitlines()[-1].startswith("Error: map task")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'JOB'"),
        (["run", "jobs.py:good"], "Missing argument 'INPUTS...'"),
        (["run", "jobs.py:good", "in.txt", "--nonsense"], "No such option"),
        (["run", "jobs.py:good", "in.txt", "--partitions", "0"], "Invalid value for '--partitions'"),
        (["run", "jobs.py:good", "in.txt", "--partitions", "x"], "Invalid value for '--partitions'"),
        (["walk"], "No such command 'walk'"),
    ],
)
def test_usage(cli: Cli, arguments: list[str], message: str) -> None:
    """A command that is not one is told how to be, and the exit code is 2."""
    code, output, errors = cli(*arguments)
    assert (code, output) == (2, "")
    assert "Usage: mapreduce" in errors
    assert message in errors


def test_interrupt(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is one line and 130."""

    def interrupt(place: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("driver.loader.load_job", interrupt)
    code, output, errors = cli.run("good")
    assert (code, output, errors.strip()) == (130, "", "interrupted")


@pytest.mark.parametrize("arguments", [[], ["run"], ["bench"], ["bench", "wordcount"], ["demo"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(cli: Cli, arguments: list[str], flag: str) -> None:
    """Every command explains itself."""
    code, output, errors = cli(*arguments, flag)
    assert (code, errors) == (0, "")
    assert output.startswith(" ".join(["Usage: mapreduce", *arguments]))
    assert len(output.splitlines()) > 5


def test_help_names_every_setting(cli: Cli) -> None:
    """There is an option for each setting, and it is explained."""
    output = cli("run", "--help")[1]
    for name in vars(Settings()):
        # Other users of a machine can read command lines: secrets stand in the environment or a file.
        assert (f"--{name.replace('_', '-')} " in output) != (name in {"redis_username", "redis_password"})


def test_help_lists_the_commands(cli: Cli) -> None:
    """The commands are listed with what they do."""
    output = cli("--help")[1]
    for name in ("run", "bench", "demo"):
        assert f"\n  {name} " in output


def test_version(cli: Cli) -> None:
    """The version is that of the package."""
    assert cli("--version") == (0, f"mapreduce, version {__version__}\n", "")


def test_commands_without_extras() -> None:
    """Every command shows its help where nothing is installed but what the package requires."""
    code = """
import sys
for name in ("aiohttp", "awslambdaric", "fakeredis", "hypothesis", "matplotlib", "moto", "pyarrow", "pytest"):
    sys.modules[name] = None
from driver.cli import commands, main
for command in ("", *commands.list_commands(None)):
    try:
        main([*command.split(), "--help"])
    except SystemExit as end:
        assert end.code == 0, command
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: mapreduce lambda-local" in done.stdout
