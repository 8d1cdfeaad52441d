"""Jobs in sandboxes that have what AWS's have: the code package that `mapreduce deploy` uploads, and the runtime."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
import pytest

from driver.deploy.package import Package
from driver.deploy.platforms import platform_of
from driver.deploy.template import HANDLER
from driver.lambda_local import RUNTIME, LambdaLocal
from tests.acceptance.conftest import CLI, Python, contents
from tests.driver.deploy.packages import built
from tests.services.functions import FUNCTION_KEY, NAME
from tests.services.redis_servers import RedisServer
from tests.services.s3_servers import BUCKET, ministack, place, use
from worker.veil import KEY

pytestmark = [pytest.mark.process, pytest.mark.slow]

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
JOBS = """
    import importlib, sys
    from mapreduce import Job, Mapper, Reducer

    class Words(Mapper):
        def map(self, line):
            for word in line.split():
                yield word, 1

    class Loaded(Mapper):
        def map(self, line):
            yield from ((name.partition(".")[0], 1) for name in list(sys.modules))

    class Places(Mapper):
        def map(self, line):
            for name in line.split():
                try:
                    yield name, importlib.import_module(name).__file__
                except ImportError as error:
                    yield name, str(error)

    class Total(Reducer):
        def reduce(self, word, counts):
            yield word, sum(counts)

    class Once(Reducer):
        def reduce(self, name, found):
            yield name, next(iter(found))

    words = Job(mapper=Words(), combiner=sum, reducer=Total(), partitions=3)
    loaded = Job(mapper=Loaded(), reducer=Once(), partitions=1)
    places = Job(mapper=Places(), reducer=Once(), partitions=1)
"""
# What a map task over S3 loads, beside Python's own library and the function's runtime, and nothing else:
# a cold start has to wait for it.
NEEDED = {"mapreduce", "shuffle", "worker", "blake3", "cloudpickle", "obstore"}
RUNTIME_HAS = {"awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"}


class Cloud(NamedTuple):
    """A function of the real package, and a folder with a script of jobs."""

    package: Package
    python: Python
    root: str

    def put(self, text: str) -> str:
        """The URL of an input of this text."""
        key = f"{self.root.removeprefix(f's3://{BUCKET}/')}/in.txt"
        ministack().client().put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return f"{self.root}/in.txt"

    def run(self, job: str, *arguments: str) -> str:
        """What a job prints."""
        where = ("--executor", "lambda", "--storage", f"{self.root}/scratch")
        code, output, errors = self.python.run(*CLI, "run", f"jobs.py:{job}", f"{self.root}/in.txt", *where, *arguments)
        assert code == 0, errors
        return output


@pytest.fixture(scope="module")
def package() -> Package:
    """The package for this machine."""
    return built(platform_of(ARCH))


@pytest.fixture
def cloud(package: Package, python: Python, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Sandboxes that find nothing of what is installed here."""
    server = ministack()
    use(server.root, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    python.write({"jobs.py": JOBS})
    with LambdaLocal(s3_endpoint=server.endpoint, environ=os.environ) as service:
        client: Any = boto3.client("lambda", endpoint_url=service.url)
        client.create_function(
            FunctionName=NAME,
            Runtime=RUNTIME,
            Handler=HANDLER,
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": package.data},
            Environment={"Variables": {KEY: FUNCTION_KEY}},
            MemorySize=512,
            Timeout=60,
        )
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", service.url)
        yield Cloud(package, python, f"s3://{place()}")


@pytest.mark.parametrize("shuffle", ["s3", "redis"])
def test_the_package_is_complete(cloud: Cloud, shuffle: str) -> None:
    """A job over S3, and one whose shuffle goes through Redis, find all that they need in the package."""
    text = "".join(f"a{n % 7} b{n % 50}\n" for n in range(2000))
    cloud.put(text)
    (cloud.python.folder / "in.txt").write_text(text)
    redis = RedisServer() if shuffle == "redis" else None
    try:
        options = ("--shuffle", redis.url) if redis is not None else ()
        there = cloud.run("words", "--split-size", "8KB", "--workers", "2", *options)
    finally:
        if redis is not None:
            redis.kill()
    code, _, errors = cloud.python.run(*CLI, "run", "jobs.py:words", "in.txt", "--output", "here")
    assert code == 0, errors
    here = b"".join(data for name, data in sorted(contents(cloud.python.folder / "here").items()) if "part" in name)
    assert sorted(there.splitlines()) == sorted(here.decode().splitlines())


def test_sandboxes_are_like_those_of_aws(cloud: Cloud) -> None:
    """Our packages and the libraries come out of the package, boto3 is the runtime's, and there is nothing else."""
    ours = ("mapreduce", "shuffle", "worker", "blake3", "cloudpickle", "obstore", "psutil", "redis", "zstandard")
    others = ("driver", "benchmarks", "click", "numpy", "pytest")
    cloud.put(" ".join((*ours, *others, "boto3")))
    found = dict(line.split("\t") for line in cloud.run("places").splitlines())
    for name in ours:
        assert f"/code/{cloud.package.digest}/" in found[name], found[name]
    for name in others:
        assert found[name] == f"No module named '{name}'"
    assert "/runtime/" in found["boto3"]


def test_a_cold_start_loads_what_a_task_needs(cloud: Cloud) -> None:
    """What a sandbox has loaded when its first task maps."""
    cloud.put("a line")
    loaded = {line.partition("\t")[0] for line in cloud.run("loaded").splitlines()}
    known = set(sys.stdlib_module_names) | RUNTIME_HAS | {"__main__", "jobs"}
    assert loaded >= NEEDED
    assert {name for name in loaded if name.lstrip("_") not in known and name not in known} == NEEDED
