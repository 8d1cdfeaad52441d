"""The command line of the benchmarks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.process import with_ours
from driver.cli import main


@pytest.mark.parametrize("command", ["wordcount", "overhead", "memory", "peers", "terasort-stores"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command says what it does."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", command, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.process
def test_help_is_light() -> None:
    """`mapreduce --help` imports the commands, so these import nothing heavy."""
    code = "import sys, benchmarks.cli; sys.exit(' '.join({'numpy', 'rich', 'multiprocessing'} & {*sys.modules}) or 0)"
    subprocess.run([sys.executable, "-c", code], env=with_ours(), check=True)
