"""`mapreduce doctor` on real servers: those that are well, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Settings
from driver.doctor import examine
from mapreduce.finding import Finding
from mapreduce.objectstore import Access, MemoryStore
from mapreduce.objectstore.s3 import S3Store
from shuffle.redis import COMMANDS
from shuffle.redis.address import parse_address
from shuffle.redis.examining import commands
from tests.services import redis_servers
from tests.services.http_proxy import Proxy, always, script, without
from tests.services.redis_servers import PASSWORD, USER, Keys, RedisServer
from tests.services.s3_servers import Key, S3Server, ministack, place, seaweedfs, use

pytestmark = pytest.mark.process

REDIS = ["usable", "server", "connection", "memory", "commands", "round trip", "write, read, discard"]


def diagnose(output: str | None = None, **settings: str) -> dict[str, list[Finding]]:
    """What the doctor finds, by setting."""
    loaded = Settings.load({"executor": "inline", "storage": "memory://doctor", **settings})
    found = {setting: list(findings) for setting, _, findings in examine(loaded, output)}
    assert list(MemoryStore("doctor").list("")) == []
    return found


def faults(findings: list[Finding]) -> dict[str, Finding]:
    """What is not well, by what was looked at."""
    return {finding.what: finding for finding in findings if finding.verdict != "ok"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An S3 server, whose key the environment has."""
    server = ministack()
    use(server.key, monkeypatch)
    return server


def test_s3(server: S3Server) -> None:
    """S3 is well, as storage, as shuffle store and as output, and nothing stays."""
    where = place()
    found = diagnose(
        f"s3://{where}/out", storage=f"s3://{where}", shuffle=f"s3://{where}/jobs", endpoint_url=server.endpoint
    )
    assert [len(findings) for findings in found.values()] == [8, 2, 8]
    assert not any(map(faults, found.values()))
    assert list(S3Store(where, Access(endpoint_url=server.endpoint)).list("")) == []


@pytest.mark.slow
def test_s3_that_lists_folder_by_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """SeaweedFS lists in an order of its own, which is a warning."""
    server = seaweedfs()
    use(server.key, monkeypatch)
    found = diagnose(storage=f"s3://{place()}", endpoint_url=server.endpoint)
    [(what, fault)] = faults(found["storage"]).items()
    assert (what, fault.verdict) == ("list order", "warning")
    assert faults(found["shuffle"]) == {}


def test_s3_that_ignores_conditions(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not create exclusively cannot be used."""
    use(server.root, monkeypatch)  # whose signatures are not looked at
    with Proxy(server.endpoint) as proxy:
        proxy.script = script(without("If-None-Match"), "put", when=always)
        [fault] = diagnose(storage=f"s3://{place()}", endpoint_url=proxy.endpoint, shuffle="memory://doctor")["storage"]
    assert (fault.what, fault.verdict) == ("usable", "failed")
    assert "does not create objects exclusively" in fault.found


WRONG = Key("NOBODYSKEY", "not-to-be-shown")


@pytest.mark.parametrize(
    ("key", "bucket", "message"),
    [
        (WRONG, "", "InvalidAccessKeyId"),
        (None, "", "SignatureDoesNotMatch"),
        ("right", "no-such-bucket", "make the bucket, or correct its name"),
    ],
    ids=["unknown key", "wrong secret", "no bucket"],
)
def test_s3_that_cannot_be_used(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, key: Key | str | None, bucket: str, message: str
) -> None:
    """Wrong credentials and a bucket that does not exist are told as such, without the secret."""
    if key != "right":
        use(key if isinstance(key, Key) else Key(server.key.id, WRONG.secret), monkeypatch)
    storage = f"s3://{bucket or place()}"
    found = diagnose(storage=storage, shuffle=f"{storage}/jobs", endpoint_url=server.endpoint)
    for [fault] in found.values():
        assert (fault.what, fault.verdict) == ("usable", "failed")
        assert message in fault.found
    assert WRONG.secret not in repr(found)


def test_redis() -> None:
    """A Redis is well, and tells of itself; nothing stays."""
    server = redis_servers.standalone()
    with server.client() as client:
        keys = Keys([client]).flush()
        found = {finding.what: finding for finding in diagnose(shuffle=server.url)["shuffle"]}
        assert list(found) == REDIS
        assert faults(list(found.values())) == {}
        assert client.info()["redis_version"] in found["server"].found or "Valkey" in found["server"].found
        assert "no limit set" in found["memory"].found
        assert found["connection"].found.startswith("without TLS")
        assert found["round trip"].found.endswith(" ms, the median of 20")
        assert keys.names() == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sharded", "cluster"])
def test_several_nodes(kind: str) -> None:
    """All nodes of a store are looked at."""
    if kind == "sharded":
        servers = redis_servers.shards()
        url = redis_servers.sharded_url(servers)
    else:
        servers = redis_servers.cluster()
        url = f"{servers[0].url}?cluster=true"
    keys = Keys(server.client() for server in servers).flush()
    found = {finding.what: finding for finding in diagnose(shuffle=url)["shuffle"]}
    assert list(found) == REDIS
    assert faults(list(found.values())) == {}
    assert found["server"].found.endswith(" (each of 3 nodes)")
    assert found["round trip"].found.endswith(" ms at the slowest of 3 nodes, the median of 20")
    assert keys.names() == set()


def test_redis_with_tls() -> None:
    """TLS is told, and a password in the URL is not."""
    scheme, _, place = redis_servers.tls_url().partition("://")
    found = diagnose(shuffle=f"{scheme}://:{PASSWORD}@{place}")["shuffle"]
    assert faults(found) == {}
    assert ("connection", "ok", "TLS", "") in found


@pytest.mark.parametrize("password", ["not-to-be-shown", ""])
def test_redis_with_wrong_credentials(password: str) -> None:
    """A password that is wrong or missing is told as such, and not shown."""
    found = diagnose(shuffle=redis_servers.secured().url, redis_password=password)["shuffle"]
    [fault] = found
    assert (fault.what, fault.verdict) == ("usable", "failed")
    assert "set redis_username and redis_password" in fault.found
    assert "not-to-be-shown" not in repr(found)


@pytest.fixture
def evicting() -> Iterator[RedisServer]:
    """A Redis that drops keys when it is full."""
    server = RedisServer("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    yield server
    server.kill()


def test_redis_that_evicts(evicting: RedisServer) -> None:
    """A Redis that drops keys when it is full is a warning, with what that means and what to do."""
    found = diagnose(shuffle=evicting.url)["shuffle"]
    [(what, fault)] = faults(found).items()
    assert (what, fault.verdict) == ("usable", "warning")
    assert "lost shuffle data is made again: set maxmemory-policy to noeviction" in fault.found
    [memory] = [finding.found for finding in found if finding.what == "memory"]
    assert " of 52.4 MB used, " in memory
    assert memory.endswith(" free; when full it drops data (allkeys-lru)")


def test_redis_that_refuses_commands() -> None:
    """The commands that a user may not use are named, with what to allow."""
    server = redis_servers.secured()
    missing = {"strlen", "unlink"}
    allowed = [f"+{command}" for command in COMMANDS if command not in missing]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "restrained", "reset", "on", f">{PASSWORD}", "~mapreduce:*", *allowed)
        found = diagnose(shuffle=server.url, redis_username="restrained", redis_password=PASSWORD)["shuffle"]
        client.flushall()
    fault = faults(found)["commands"]
    assert fault.verdict == "failed"
    assert f"127.0.0.1:{server.port} refuses strlen, unlink: " in fault.found
    assert fault.remedy == "allow the user +strlen +unlink on the keys mapreduce:*"
    assert PASSWORD not in repr(found)


def test_a_user_who_may_do_no_more_than_needed() -> None:
    """The rights that the documentation names are enough to be looked at, too."""
    server = redis_servers.secured()
    with server.client() as client:
        keys = Keys([client]).flush()
        assert faults(diagnose(shuffle=server.url, redis_username=USER, redis_password=PASSWORD)["shuffle"]) == {}
        assert keys.names() == set()


def test_all_commands_are_tried() -> None:
    """What the store needs is what is tried."""
    cluster = parse_address("redis://host?cluster=true").servers
    other = parse_address("redis://host/3").servers
    assert {*commands("key", cluster), *commands("key", other)} == set(COMMANDS)
