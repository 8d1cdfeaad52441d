"""What differs between templates is told in words."""

from __future__ import annotations

import pytest

from driver.deploy.changes import changes
from tests.driver.deploy.variants import VARIANTS, deployment, template_of


def told(old: str | None, new: str) -> list[str]:
    """The changes from one variant to another, in words."""
    before = template_of(deployment(old)) if old else None
    return [str(change) for change in changes(before, template_of(deployment(new)))]


def test_from_nothing() -> None:
    """Everything is added."""
    assert told(None, "plain") == [
        "add Scratch (S3::Bucket)",
        "add Logs (Logs::LogGroup)",
        "add Role (IAM::Role)",
        "add Function (Lambda::Function)",
        "add Invocation (Lambda::EventInvokeConfig)",
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing(variant: str) -> None:
    """The same again is no change."""
    assert told(variant, variant) == []


def test_values() -> None:
    """A changed value is told with what it was."""
    [logs, function] = told("plain", "sizes")
    assert logs == "change Logs (Logs::LogGroup)\n    RetentionInDays: 14 -> 1"
    assert function.splitlines() == [
        "change Function (Lambda::Function)",
        '    Architectures: ["arm64"] -> ["x86_64"]',
        "    MemorySize: 1769 -> 10240",
        "    Timeout: 900 -> 1",
        "    EphemeralStorage.Size: 2048 -> 512",
        "    ReservedConcurrentExecutions: nothing -> 0",
    ]


def test_statements_have_names() -> None:
    """A change of the role names the statements concerned."""
    [change] = [text for text in told("plain", "places") if text.startswith("change Role")]
    assert "Policies.tasks.PolicyDocument.Statement.ReadInputs.Resource: nothing -> " in change


def test_removed() -> None:
    """What is not wanted any more is removed."""
    assert "remove Role (IAM::Role)" in told("plain", "role")
