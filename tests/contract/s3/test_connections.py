"""How many connections the S3 store makes, and how long it waits for an answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mapreduce import StoreError
from mapreduce.objectstore import Access
from mapreduce.objectstore.s3 import S3Store
from mapreduce.objectstore.s3.clients import boto3_client
from tests.services.http_proxy import Connection, Proxy, Request, always, reset, script, stall
from tests.services.s3_servers import place

pytestmark = pytest.mark.process


def test_stores_share_connections(proxy: Proxy) -> None:
    """All stores of a process at one endpoint move bytes through one client, and list through another."""
    bucket = place()
    for number in range(5):
        store = S3Store(f"{bucket}/{number}", Access(endpoint_url=proxy.endpoint))
        store.put("a", b"1")
        assert [info.key for info in store.list("")] == ["a"]
    assert proxy.connections == 2


def test_connections_stay_for_as_many_requests_as_run_at_once(proxy: Proxy, store: S3Store) -> None:
    """What runs side by side finds the connections of what ran before."""
    meeting = threading.Barrier(store.concurrency)

    def meet(connection: Connection, request: Request) -> None:
        meeting.wait(30)
        connection.answer(connection.forward(request))

    proxy.script = script(meet, "list", when=always)
    with ThreadPoolExecutor(store.concurrency) as pool:
        for _ in range(3):
            assert list(pool.map(lambda _: list(store.list("")), range(store.concurrency))) == [[]] * store.concurrency
    assert proxy.connections == store.concurrency


@pytest.mark.slow
def test_silence(proxy: Proxy, store: S3Store) -> None:
    """A check gives up a service that never answers soon, and names the setting."""
    proxy.script = script(stall, when=always)
    for look in (store.reach, store.check):
        proxy.requests.clear()
        with pytest.raises(StoreError, match="does not answer: check the setting endpoint_url"):
            look()
        assert proxy.counts() == {"list": 2}


def test_patience_is_short() -> None:
    """Whatever happens, a look takes no more than ten seconds; others wait for long, but not for ever."""
    config = _boto3_config(patient=False)
    assert (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"] <= 10
    assert _boto3_config(patient=True).retries["total_max_attempts"] > 5


def test_a_check_that_breaks_off(proxy: Proxy, store: S3Store, direct: S3Store) -> None:
    """A service that goes away between the two creates of a check is an error like any other; nothing stays."""
    proxy.script = script(reset, "put", when=lambda number: number > 0)
    with pytest.raises(StoreError, match=r"cannot write .*/probe-"):
        store.check()
    assert list(direct.list("")) == []


def _boto3_config(*, patient: bool) -> Any:
    return boto3_client(Access(endpoint_url="http://127.0.0.1:9"), patient=patient).meta.config
