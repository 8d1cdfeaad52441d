"""The stores that are compared."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.compare.places import Place, named_place
from benchmarks.compare.run import choose, gather, name_places
from mapreduce import ConfigError


def test_kinds() -> None:
    """By scheme, with TLS or without."""
    for url, kind in (
        ("/folder", "file"),
        ("file:///folder", "file"),
        ("s3://bucket/prefix", "s3"),
        ("redis://host:6379", "redis"),
        ("rediss://host:6379", "redis"),
    ):
        assert Place(name="", url=url).kind == kind


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in a URL is taken out of it; what is not said comes from the settings."""
    monkeypatch.setenv("MAPREDUCE_ENDPOINT_URL", "http://localhost:9000")
    place = named_place("redis://someone:secret-word@host:6379")
    assert (place.name, place.url) == ("redis://host:6379", "redis://host:6379")
    assert (place.access.redis_username, place.access.redis_password) == ("someone", "secret-word")
    assert "secret-word" not in repr(place)
    assert named_place("s3://bucket").access.endpoint_url == "http://localhost:9000"
    assert named_place("s3://bucket", endpoint_url="http://other").access.endpoint_url == "http://other"


def test_names() -> None:
    """A URL of another kind is an error, which does not show what may be a password."""
    assert [place.url for place in name_places("s3://bucket/prefix", ["redis://one", "rediss://two"])] == [
        "s3://bucket/prefix",
        "redis://one",
        "rediss://two",
    ]
    with pytest.raises(ConfigError, match="--s3: 'bucket/prefix' is no URL of S3"):
        name_places("bucket/prefix", [])
    with pytest.raises(ConfigError, match="--redis: that is no URL of Redis") as caught:
        name_places(None, ["secret-word@host"])
    assert "secret-word" not in str(caught.value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the comparison's own is reached with its own keys, and the user's come back in the end."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "my-key")
    before = dict(os.environ)
    place = Place(name="", url="s3://bucket", environ={"AWS_ACCESS_KEY_ID": "its-key"})
    with place.environment():
        assert {name: value for name, value in os.environ.items() if name.startswith("AWS_")} == {
            "AWS_ACCESS_KEY_ID": "its-key"
        }
    assert dict(os.environ) == before
    with suppress(ZeroDivisionError), place.environment():
        raise ZeroDivisionError
    assert dict(os.environ) == before
    with Place(name="", url="s3://bucket").environment():
        assert dict(os.environ) == before


def test_problems(tmp_path: Path) -> None:
    """A store that cannot be used says why, and one that can what may go wrong."""
    place = Place(name="", url=tmp_path.as_uri())
    assert (place.problem(), place.check(1)) == ("", [])
    assert ["will be full" in said for said in place.check(10**18)] == [True]
    assert "host-that-is-not.invalid" in Place(name="", url="redis://host-that-is-not.invalid:6379").problem()
    assert "known are" in Place(name="", url="nothing://there").problem()


def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a problem of the store that needs it."""

    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'redis'")

    monkeypatch.setattr("benchmarks.compare.places.open_shuffle", missing)
    assert Place(name="", url="redis://host").problem() == "redis://host needs a package: No module named 'redis'"


def test_gather() -> None:
    """A folder is compared always; of the other kinds those that are named, and of the rest it is said how."""
    with gather([], local=False) as (places, absent):
        assert [place.kind for place in places] == ["file"]
        assert os.path.isdir(places[0].url.removeprefix("file://"))
        assert sorted(absent) == ["redis", "s3"]
    assert not os.path.exists(places[0].url.removeprefix("file://"))
    with gather(name_places("s3://bucket", ["redis://one", "redis://two"]), local=False) as (places, absent):
        assert [place.kind for place in places] == ["file", "s3", "redis", "redis"]
        assert absent == {}


def test_choose() -> None:
    """All parts by default, and always in the same order; an unknown one is an error that lists the known."""
    assert choose(None)[0] == "words"
    assert choose(["clients", "words"]) == ["words", "clients"]
    with pytest.raises(ConfigError, match="--parts: there is no part 'lunch'; there are words, shuffle, "):
        choose(["lunch"])
