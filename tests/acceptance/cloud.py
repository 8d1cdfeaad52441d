"""An account in which nothing is deployed yet, and somebody who may deploy there.

The account is ministack's, which checks signatures and policies: whoever deploys may do what
`--print-policy` says, and the function what its role says, and neither any more.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from driver.cli import main
from driver.deploy.deployment import Deployment
from driver.deploy.permissions import for_deploying
from tests.driver.deploy.packages import built
from tests.services.s3_servers import REGION, S3Server, ministack, use
from worker.veil import KEY

# Functions of the emulator run on this machine.
ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
ACCOUNT = "000000000000"
JOBS = """
from mapreduce import Job, Mapper, Reducer

class Words(Mapper):
    def setup(self):
        print("counting words")

    def map(self, line):
        self.task.count("lines")
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

words = Job(mapper=Words(), combiner=sum, reducer=Total(), partitions=3)
"""
TEXTS = {f"{name}.txt": "".join(f"{name} word{n % 97} and\n" for n in range(2000)) for name in ("one", "two", "three")}

_numbers = itertools.count()

#: What a command prints: exit code, standard output, standard error.
Cli = Callable[..., tuple[int, str, str]]


class Cloud(NamedTuple):
    """An account, and what is in it before anything is deployed.

    Attributes:
        server: that emulates it.
        name: of the stack and the function.
        inputs: URL of the input.
        outputs: URL of a bucket for output.
        cli: the command line, with the rights of somebody who deploys.
    """

    server: S3Server
    name: str
    inputs: str
    outputs: str
    cli: Cli

    def client(self, service: str) -> Any:
        """A client that may do everything."""
        return self.server.client(service, self.server.root)

    def deploy(self, *options: str) -> tuple[int, str, str]:
        """Deploy without questions."""
        return self.cli("deploy", "--name", self.name, "--yes", *options)

    def outputs_of_the_stack(self) -> dict[str, str]:
        """What the stack provides."""
        [stack] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def key(self) -> str:
        """The function's key."""
        told = self.client("lambda").get_function_configuration(FunctionName=self.name)
        return str(told["Environment"]["Variables"][KEY])

    def objects(self, url: str) -> dict[str, bytes]:
        """The objects below a URL."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        client = self.client("s3")
        found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return {one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


@contextmanager
def account(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An account with some input, and somebody who may deploy there; the working folder has a file of jobs."""
    server = ministack()
    name = f"cloud-{next(_numbers)}"
    inputs, outputs = f"s3://{name}-in/reviews", f"s3://{name}-out/counts"
    bucket = server.client("s3", server.root)
    for made in (f"{name}-in", f"{name}-out"):
        bucket.create_bucket(Bucket=made)
    (tmp_path / "texts").mkdir()
    for file, text in TEXTS.items():
        bucket.put_object(Bucket=f"{name}-in", Key=f"reviews/{file}", Body=text.encode())
        (tmp_path / "texts" / file).write_text(text)
    (tmp_path / "jobs.py").write_text(JOBS)
    wanted = Deployment(
        name=name, inputs=(inputs,), outputs=(outputs,), redis="redis://127.0.0.1", redis_secret=f"ssm:/{name}/redis"
    )
    key = server.user(name, *for_deploying(wanted, "aws", REGION, ACCOUNT)["Statement"])
    use(key, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("driver.deploy.deploying.build", built)

    def cli(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert isinstance(caught.value.code, int)
        return caught.value.code, *capsys.readouterr()

    yield Cloud(server, name, inputs, outputs, cli)
    cli("destroy", "--name", name, "--yes", "--delete-data")


def run(cloud: Cloud, output: str, *options: str) -> tuple[int, str, str]:
    """Run the job in the cloud."""
    where = ("--executor", "lambda", "--function", cloud.name)
    return cloud.cli("run", "jobs.py", f"{cloud.inputs}/", "--output", output, *where, *options)


def same_as_here(cloud: Cloud, here: dict[str, bytes], *options: str) -> str:
    """Run the job in the cloud, and see that its parts are these; returns what was told of it."""
    code, _, errors = run(cloud, cloud.outputs, "--overwrite", *options)
    assert code == 0, errors
    assert {key: data for key, data in cloud.objects(cloud.outputs).items() if "part-" in key} == here
    return errors
