"""What a run works with: the memory of workers that have their own, as functions have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.events import Event, Warned
from driver.executors.base import Surroundings
from driver.executors.inline import InlineExecutor
from driver.run import JobRun
from driver.settings import Settings
from mapreduce import FixedInput, Job
from tests.acceptance.batches import Same

MEMORY = 64_000


class Small(InlineExecutor):
    """Its workers have little memory, whatever the settings say."""

    def surroundings(self) -> Surroundings:
        return Surroundings(memory=MEMORY)


class Runs:
    """Runs a job that sorts 200 records of 1000 bytes; notes the events."""

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        self.text = folder / "records"
        self.text.write_bytes(bytes(200_000))
        given = {"executor": "inline", "storage": str(folder / "storage"), "state": str(folder / "state")}
        self.settings = Settings.load(given, {})

    def __call__(self, memory: int | None) -> Any:
        """The result."""
        job = Job(reducer=Same(), input_format=FixedInput(1000, key=(0, 10)))
        settings = replace(self.settings, memory=memory)
        return JobRun([job], settings, Small(), self._note).run(str(self.text), None, None)

    def _note(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.warnings.append(event.text)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Runs jobs."""
    return Runs(tmp_path)


@pytest.mark.parametrize("memory", [MEMORY * 2, MEMORY // 2])
def test_another_memory_is_told(runs: Runs, memory: int) -> None:
    """A setting that does not say what workers have is told, with what they have and what to do."""
    with runs(memory):
        [text] = runs.warnings
    assert text.startswith("memory: it is set to ")
    assert "their function has, 64.0 KB: `mapreduce deploy --memory` changes that" in text


@pytest.mark.parametrize("memory", [None, MEMORY, MEMORY - 1000])
def test_the_same_memory(runs: Runs, memory: int | None) -> None:
    """Nothing is told where nobody set the memory, or as it is."""
    with runs(memory) as result:
        assert result.metrics["memory"] == MEMORY
    assert runs.warnings == []


def test_plans_are_for_the_memory_there_is(runs: Runs) -> None:
    """Splits of arrays, and their partitions, are such that the workers' own memory holds them."""
    with runs(None) as result:
        [maps, reduces] = [one for one in result.rounds if one.kind != "sample"]
    assert maps.tasks >= 200_000 / (MEMORY / 4)
    assert reduces.tasks >= 200_000 / (MEMORY / 8)
