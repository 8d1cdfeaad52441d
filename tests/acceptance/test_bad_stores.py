"""Stores that cannot be used: a sentence that names the setting, before anything is started or written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from driver.cli import main
from tests.services import redis_servers
from tests.services.http_proxy import Proxy, always, script, stall, without
from tests.services.redis_servers import PASSWORD, USER
from tests.services.s3_servers import BUCKET, Key, S3Server, free_ports, ministack, moto, place, use

pytestmark = [pytest.mark.process, pytest.mark.slow]

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENY_PUT = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
SECRET = "a-secret-that-must-not-show"
JOBS = """
from mapreduce import Job, Mapper, FoldBy

class Words(Mapper):
    def map(self, line):
        raise SystemExit("a task has been started")
        yield

words = Job(mapper=Words(), reducer=FoldBy(max))
"""


class Account(NamedTuple):
    """Who runs a job, and where; `options` are what is wrong with it.

    Attributes:
        root: URL of a place that can be used.
        stack: closes what is begun.
        monkeypatch: sets whose credentials are used.
    """

    root: str
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch

    def be(self, key: Key) -> None:
        """Use these credentials."""
        use(key, self.monkeypatch)

    def endpoint(self, url: str) -> tuple[str, ...]:
        """Reach S3 there."""
        return ("--endpoint-url", url)

    def behind(self, server: S3Server, fault: Any) -> tuple[str, ...]:
        """Reach a server through a proxy, which does this to every request."""
        proxy = self.stack.enter_context(Proxy(server.endpoint))
        proxy.script = script(fault, when=always)
        return self.endpoint(proxy.endpoint)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """The working folder has a file of jobs, and its input."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "in.txt").write_text("a b\n")
    monkeypatch.chdir(tmp_path)
    use(ministack().key, monkeypatch)
    with ExitStack() as stack:
        yield Account(f"s3://{place()}", stack, monkeypatch)


def wrong_key(account: Account) -> tuple[str, ...]:
    account.be(Key("AKIAOFSOMEBODYELSE00", SECRET))
    return ("--storage", account.root, *account.endpoint(ministack().endpoint))


def wrong_secret(account: Account) -> tuple[str, ...]:
    account.be(Key(ministack().key.id, SECRET))
    return ("--storage", account.root, *account.endpoint(ministack().endpoint))


def absent_bucket(account: Account) -> tuple[str, ...]:
    return ("--shuffle", "s3://no-such-bucket/x", *account.endpoint(ministack().endpoint))


def absent_bucket_of_output(account: Account) -> tuple[str, ...]:
    return ("--output", "s3://no-such-bucket/x", *account.endpoint(ministack().endpoint))


def nobody_there(account: Account) -> tuple[str, ...]:
    return ("--storage", account.root, *account.endpoint(f"http://127.0.0.1:{free_ports(1)[0]}"))


def silence(account: Account) -> tuple[str, ...]:
    return ("--storage", account.root, *account.behind(ministack(), stall))


def tls_where_none_is_spoken(account: Account) -> tuple[str, ...]:
    return ("--storage", account.root, *account.endpoint(ministack().endpoint.replace("http:", "https:")))


def read_only_storage(account: Account) -> tuple[str, ...]:
    account.be(ministack().user(f"reader-{account.root[-3:]}", ALLOW, DENY_PUT))
    return ("--storage", account.root, *account.endpoint(ministack().endpoint))


def read_only_output(account: Account) -> tuple[str, ...]:
    account.be(ministack().user(f"reader-{account.root[-3:]}", ALLOW, DENY_PUT))
    return ("--output", account.root, *account.endpoint(ministack().endpoint))


def no_conditional_writes(account: Account) -> tuple[str, ...]:
    account.be(moto().key)
    return ("--storage", f"s3://{BUCKET}/careless", *account.behind(moto(), without("If-None-Match")))


def redis_password(account: Account) -> tuple[str, ...]:
    return ("--shuffle", f"redis://{USER}:{SECRET}@127.0.0.1:{redis_servers.secured().port}")


def redis_nobody_there(account: Account) -> tuple[str, ...]:
    return ("--shuffle", f"redis://:{SECRET}@127.0.0.1:{redis_servers.free_port()}")


def redis_tls_where_none_is_spoken(account: Account) -> tuple[str, ...]:
    return ("--shuffle", f"rediss://:{SECRET}@127.0.0.1:{redis_servers.standalone().port}")


def redis_no_tls_where_it_is_spoken(account: Account) -> tuple[str, ...]:
    port = redis_servers.tls_url().partition("?")[0].rpartition(":")[2]
    return ("--shuffle", f"redis://{USER}:{PASSWORD}@127.0.0.1:{port}")


def redis_unknown_authority(account: Account) -> tuple[str, ...]:
    url = redis_servers.tls_url().partition("?")[0]
    return ("--shuffle", url.replace("://", f"://{USER}:{PASSWORD}@"))


CASES: dict[Callable[[Account], tuple[str, ...]], str] = {
    wrong_key: r"storage: .*InvalidAccessKeyId.*AWS_ACCESS_KEY_ID, setting profile",
    wrong_secret: r"storage: .*AWS_SECRET_ACCESS_KEY, setting profile",
    absent_bucket: r"shuffle: .*NoSuchBucket.*make the bucket",
    absent_bucket_of_output: r"output: .*NoSuchBucket.*make the bucket",
    nobody_there: r"storage: .*check the setting endpoint_url and the network",
    silence: r"storage: .*does not answer: check the setting endpoint_url",
    tls_where_none_is_spoken: r"storage: .*check the setting endpoint_url: http:// or https://",
    read_only_storage: r"storage: .*AccessDenied.*setting profile",
    read_only_output: r"output folder s3://\S+ cannot be written: .*AccessDenied.*setting profile",
    no_conditional_writes: r"storage: .*does not create objects exclusively.*use a service that does",
    redis_password: r"shuffle: .*refuses the credentials.*set redis_username and redis_password",
    redis_nobody_there: r"shuffle: .*does not answer.*see that it runs",
    redis_tls_where_none_is_spoken: r"shuffle: .*if its port is a plain one, write redis://",
    redis_no_tls_where_it_is_spoken: r"shuffle: .*does not answer.*write rediss://",
    redis_unknown_authority: r"shuffle: .*certificate that is not trusted.*add ca_certs=PATH",
}


@pytest.mark.parametrize(("wrong", "message"), CASES.items(), ids=[case.__name__ for case in CASES])
def test_stores_that_cannot_be_used(
    account: Account,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: Callable[[Account], tuple[str, ...]],
    message: str,
) -> None:
    """The exit code is 1, one sentence says what is wrong and what to do, and nothing was begun."""
    options = wrong(account)
    given = ("run", "jobs.py", "in.txt", *options)
    given += () if "--output" in options else ("--output", "out")
    given += () if "--storage" in options else ("--storage", "storage")
    with pytest.raises(SystemExit) as caught:
        main(given)
    told = capsys.readouterr()
    assert (caught.value.code, told.out) == (1, "")
    [line] = [line for line in told.err.splitlines() if not line.isspace()]
    assert re.match(rf"Error: .*{message}", line), line
    assert SECRET not in told.err
    assert PASSWORD not in told.err
    # But for what Python keeps of a module that it has compiled.
    names = {path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert names == {"jobs.py", "in.txt"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(ministack().root, monkeypatch)
        client = ministack().client()
        bucket, _, prefix = account.root.removeprefix("s3://").partition("/")
        assert client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["KeyCount"] == 0
