"""What is deployed is not what is wanted, or what is installed here: it is noticed, asked about, and mended."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mapreduce
from driver.deploy import package
from driver.deploy.aws import Aws
from driver.deploy.deploying import carry_out, plan
from driver.deploy.errors import DeployError
from driver.deploy.stack import Stack
from tests.acceptance.cloud import ARCH, Cloud, run
from tests.services.s3_servers import REGION

pytestmark = [pytest.mark.slow, pytest.mark.process]

IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/mapreduce:"


@pytest.fixture
def other_release(tmp_path: Path) -> Path:
    """Our sources as another release may have them."""
    home = Path(mapreduce.__file__).parent.parent
    copy = tmp_path / "other"
    for name in package.OURS:
        shutil.copytree(home / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    init = copy / "mapreduce" / "__init__.py"
    text = init.read_text()
    init.write_text(text.replace(f'__version__ = "{mapreduce.__version__}"', '__version__ = "99.0"'))
    assert init.read_text() != text
    return copy


def test_another_release_is_deployed(cloud: Cloud, other_release: Path) -> None:
    """Status tells it, drivers refuse the function, and what to do about it helps."""
    with pytest.MonkeyPatch.context() as there:
        there.setattr(package, "_HOME", other_release)
        there.setattr("driver.deploy.template.__version__", "99.0")
        assert cloud.deploy("--arch", ARCH, "--input", cloud.inputs, "--output", cloud.outputs)[0] == 0
    code, output, _ = cloud.cli("status", "--name", cloud.name)
    installed = mapreduce.__version__
    assert code == 1
    assert f"(version 99.0 is deployed, {installed} is installed here): run `mapreduce deploy`" in output
    code, _, errors = run(cloud, cloud.outputs)
    assert code == 1
    assert f"has bsp-mapreduce 99.0, the driver {installed}: run `mapreduce deploy` again" in errors
    code, _, errors = cloud.deploy()
    assert (code, "change Function" in errors) == (0, True), errors
    code, output, _ = cloud.cli("status", "--name", cloud.name)
    assert (code, "the code is what is installed here" in output) == (0, True)
    assert run(cloud, cloud.outputs)[0] == 0


class Swapped(Aws):
    """An account in which somebody replaces the code as soon as it is in the bucket."""

    def __init__(self, swap: Callable[[str, str], None]) -> None:
        super().__init__()
        self._swap = swap

    def call(self, service: str, operation: str, **arguments: Any) -> Any:
        answer = super().call(service, operation, **arguments)
        if operation == "put_object":
            self._swap(arguments["Bucket"], arguments["Key"])
        return answer


def test_code_that_is_replaced_meanwhile(cloud: Cloud) -> None:
    """A function that was made of other code than was uploaded is refused."""
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("worker/handler.py", "def handle(event, context): ...")

    def swap(bucket: str, key: str) -> None:
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=other.getvalue())

    aws = Swapped(swap)
    stack = Stack(aws, cloud.name, lambda _: None)
    with pytest.raises(DeployError, match=r"has other code than was packed \(SHA-256 \S+, not \S+\): somebody has"):
        carry_out(aws, stack, plan(aws, stack, {"arch": ARCH}), lambda _: None)


def test_an_image(cloud: Cloud) -> None:
    """A function of an image takes edits, and another image; whether its code is ours cannot be told."""
    code, output, errors = cloud.deploy("--image", f"{IMAGE}1", "--dry-run")
    assert code == 0, errors
    properties = json.loads(output)["Resources"]["Function"]["Properties"]
    assert properties["Code"] == {"ImageUri": f"{IMAGE}1"}
    assert not {"Runtime", "Handler"} & set(properties)
    code, _, errors = cloud.deploy("--image", f"{IMAGE}1", "--arch", ARCH)
    assert code == 0, errors
    assert "code package" not in errors
    function = cloud.client("lambda").get_function_configuration(FunctionName=cloud.name)
    assert function["PackageType"] == "Image"
    code, output, _ = cloud.cli("status", "--name", cloud.name)
    assert (code, "whether it is what is installed here cannot be told" in output) == (0, True), output
    assert "nothing to change" in cloud.deploy()[2]
    code, _, errors = cloud.deploy("--image", f"{IMAGE}2")
    assert (code, f"Code.ImageUri: {IMAGE}1 -> {IMAGE}2" in errors) == (0, True), errors
    code, _, errors = cloud.deploy("--image", "none")
    assert (code, "for good: run `mapreduce destroy`, then deploy again" in errors) == (1, True)


@contextmanager
def answering(answer: str) -> Iterator[None]:
    """Somebody sits at a terminal who gives this answer."""
    there, here = pty.openpty()
    with pytest.MonkeyPatch.context() as monkeypatch, os.fdopen(here) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(there, answer.encode())
        yield
    os.close(there)


def test_the_question(cloud: Cloud) -> None:
    """Who says no changes nothing, and where nobody can be asked nothing happens either."""
    ask = f"Make the stack {cloud.name} in {REGION}?"
    with answering("n\n"):
        code, _, errors = cloud.cli("deploy", "--name", cloud.name, "--arch", ARCH)
    assert (code, ask in errors) == (130, True), errors
    code, _, errors = cloud.cli("deploy", "--name", cloud.name, "--arch", ARCH)
    assert (code, f"nobody can be asked whether to make the stack {cloud.name}" in errors) == (1, True)
    assert "nothing is deployed" in cloud.cli("status", "--name", cloud.name)[1]
    with answering("y\n"):
        code, _, errors = cloud.cli("deploy", "--name", cloud.name, "--arch", ARCH)
    assert (code, ask in errors) == (0, True), errors

    with answering("n\n"):
        code, _, errors = cloud.cli("destroy", "--name", cloud.name)
    assert (code, f"Remove the stack {cloud.name} in {REGION}?" in errors) == (130, True), errors
    assert cloud.cli("status", "--name", cloud.name)[0] == 0
    with answering("y\n"):
        assert cloud.cli("destroy", "--name", cloud.name)[0] == 0
    assert cloud.cli("status", "--name", cloud.name)[0] == 1
