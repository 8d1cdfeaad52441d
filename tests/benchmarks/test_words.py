"""The word count by a batch mapper is the plain one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from driver.cli import main


def test_benchmark(text: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark's output is the plain one's, byte for byte."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "wordcount", "--batch", "--size", "200KB", "--executor", "inline", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["difference"] == ""
    assert told["metrics"]["bytes_shuffled"] > 0
