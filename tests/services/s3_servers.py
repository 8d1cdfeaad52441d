"""Real S3 servers, on free ports of this machine: each starts at first use, one for each process of tests.

ministack and SeaweedFS are processes of their own, from the environment that `make services` makes. They
end with the process that started them, however it ends.
"""

from __future__ import annotations

import atexit
import itertools
import json
import logging
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

#: The environment that holds the servers.
HOME = Path(os.environ.get("SERVICES_HOME") or Path(__file__).parent.parent.parent / ".services").absolute()
#: Seconds after which a server that does not serve is given up.
PATIENCE = 60.0
#: The bucket that each server has: a new one is slow to make. Tests have a prefix each.
BUCKET = "tests"
REGION = "us-east-1"

# The server's end, or that of standard input, which is that of the process of tests, ends the whole group.
_KEEPER = '{ "$@"; kill -9 0; } </dev/null & read -r _; kill -9 0'
_pause = threading.Event()
_numbers = itertools.count()


class Key(NamedTuple):
    """An access key."""

    id: str
    secret: str


@dataclass(frozen=True)
class S3Server:
    """A server that takes requests.

    Attributes:
        endpoint: its URL.
        key: may do everything with objects and buckets.
        root: may make users, where the server knows any.
    """

    endpoint: str
    key: Key
    root: Key

    def client(self, service: str = "s3", key: Key | None = None) -> Any:
        """A client of boto3 that neither waits long nor tries again."""
        return _client(service, self.endpoint, key or self.key)

    def user(self, name: str, *statements: dict[str, Any]) -> Key:
        """The key of a new IAM user, who may do what a policy of these statements says."""
        iam = self.client("iam", self.root)
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])


def place() -> str:
    """Bucket and a prefix that no other test has."""
    return f"{BUCKET}/{next(_numbers)}"


def use(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment say `key`, and no variable or file of the user say anything of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    said = {
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)


@cache
def ministack() -> S3Server:
    """ministack: the nearest to S3; it checks the signatures and the policies of IAM users."""
    root = Key("ROOTKEYOFTHETESTS", "root-secret-of-the-tests")
    [port] = free_ports(1)
    environment = {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": root.id,
        "AWS_SECRET_ACCESS_KEY": root.secret,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
    }
    server = S3Server(f"http://127.0.0.1:{port}", root, root)
    _start(server, ["ministack"], environment)
    return replace(server, key=server.user("tests", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))


@cache
def seaweedfs() -> S3Server:
    """SeaweedFS: a server for real use, with objects on disk; it checks signatures."""
    key = Key("KEYOFTHETESTS", "secret-of-the-tests")
    names = ["master.port", "volume.port", "filer.port", "s3.port", "admin.port"]
    names += [f"{name}.grpc" for name in names]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    arguments = [
        "-dir=.",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in ports.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-filer.localSocket=filer.sock",
        "-s3.localSocket=s3.sock",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        # As S3 behaves:
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
    ]
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}", key, key)
    environment = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
    # What it leaves, whatever TMPDIR is.
    sockets = [
        Path(f"/tmp/seaweedfs-{name.partition('.')[0]}-grpc-{port}.sock")
        for name, port in ports.items()
        if name.endswith(".grpc")
    ]
    _start(server, ["weed", "-logtostderr", "mini", *arguments], environment, sockets)
    return server


@cache
def moto() -> S3Server:
    """moto, in this process: it takes any key and any signature."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
    moto_server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto_server.start()
    atexit.register(moto_server.stop)
    host, port = moto_server.get_host_and_port()
    key = Key("ANYKEY", "any-secret")
    server = S3Server(f"http://{host}:{port}", key, key)
    server.client().create_bucket(Bucket=BUCKET)
    return server


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@cache
def _client(service: str, endpoint: str, key: Key) -> Any:
    config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(key, monkeypatch)
        return boto3.Session().client(service, endpoint_url=endpoint, config=config)


def _start(
    server: S3Server, command: Sequence[str], environment: Mapping[str, str], leftovers: Iterable[Path] = ()
) -> None:
    """Run a program of the environment that holds the servers, until this process ends; wait until `server` serves."""
    program = HOME / "bin" / command[0]
    if not program.exists():
        (pytest.fail if os.environ.get("SERVICES_REQUIRED") else pytest.skip)(f"no {program}: run `make services`")
    folder = tempfile.TemporaryDirectory(prefix=f"{command[0]}-")
    log = Path(folder.name, "log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", program, *command[1:]],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder.name,
            env={"PATH": os.defpath, "HOME": folder.name, "TMPDIR": folder.name, **environment},
            start_new_session=True,
        )
    atexit.register(_stop, process, folder, leftovers)
    deadline = time.monotonic() + PATIENCE
    while not _serves(server):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{command[0]} does not serve; it wrote:\n{log.read_text(errors='replace')[-3000:]}")
        _pause.wait(0.02)


def _serves(server: S3Server) -> bool:
    """Whether the bucket takes an object."""
    client = server.client()
    try:
        with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="first", Body=b"")
        client.delete_object(Bucket=BUCKET, Key="first")
    except (BotoCoreError, ClientError):
        return False
    return True


def _stop(
    process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str], leftovers: Iterable[Path]
) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    folder.cleanup()
    for path in leftovers:
        path.unlink(missing_ok=True)
