"""Nothing passes that was not sealed with the same secret, in the same context, as the same bytes."""

from __future__ import annotations

import pickle

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import AuthenticationError
from mapreduce.seal import TAG_SIZE, Seal

SEAL = Seal(b"secret")


def test_tag() -> None:
    """A tag is BLAKE3, keyed by what is derived from the secret, of the context's length, the context and the bytes."""
    key = blake3(b"secret", derive_key_context="bsp-mapreduce 2025 tags of a job").digest()
    expected = blake3(b"\3\0\0\0a/b" + b"data", key=key).digest()
    assert SEAL.tag("a/b", b"data") == expected
    assert len(expected) == TAG_SIZE


@given(st.lists(st.binary()), st.text(st.characters()))
def test_parts_are_joined(parts: list[bytes], context: str) -> None:
    """The tag is that of the concatenation, in any context, of any buffers."""
    tag = SEAL.tag(context, *parts)
    assert tag == SEAL.tag(context, b"".join(parts))
    assert SEAL.check(tag, context, *[memoryview(part) for part in parts])
    assert SEAL.check(memoryview(tag), context, b"".join(parts))


@given(st.binary(), st.text(max_size=20))
def test_round_trip(data: bytes, context: str) -> None:
    """What was wrapped unwraps, with another seal of the same secret too."""
    assert Seal(SEAL.secret).unwrap(context, SEAL.wrap(context, data)) == data


def test_every_flip_is_refused() -> None:
    """No bit of a sealed object can change."""
    sealed = SEAL.wrap("job/code", b"payload")
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(AuthenticationError, match=r"^job/code: the tag does not match"):
                SEAL.unwrap("job/code", bytes(changed))


def test_every_length_is_refused() -> None:
    """Nothing can be cut off or added."""
    sealed = SEAL.wrap("job/code", b"payload")
    for wrong in [sealed[:size] for size in range(len(sealed))] + [sealed + b"\0", sealed + sealed]:
        with pytest.raises(AuthenticationError):
            SEAL.unwrap("job/code", wrong)


@pytest.mark.parametrize("other", [Seal(b"other"), Seal(b""), Seal.fresh()], ids=["other", "empty", "fresh"])
def test_other_secrets(other: Seal) -> None:
    """Another job's seal opens nothing."""
    with pytest.raises(AuthenticationError):
        other.unwrap("a", SEAL.wrap("a", b"data"))
    assert not other.check(SEAL.tag("a", b"data"), "a", b"data")


@pytest.mark.parametrize(("context", "data"), [("b", b"xy"), ("ax", b"y"), ("", b"axy"), ("a", b"xyz"), ("a", b"x")])
def test_other_places(context: str, data: bytes) -> None:
    """An authentic tag serves for no other context, nor where context and data are cut elsewhere."""
    assert SEAL.check(SEAL.tag("a", b"xy"), "a", b"xy")
    assert not SEAL.check(SEAL.tag("a", b"xy"), context, data)


def test_fresh_secrets_differ() -> None:
    """Each job has its own."""
    secrets = {Seal.fresh().secret for _ in range(10)}
    assert len(secrets) == 10
    assert {len(secret) for secret in secrets} == {32}


def test_seals_do_not_travel() -> None:
    """A seal cannot slip into a pickle; only its secret travels, and knowingly."""
    with pytest.raises(TypeError):
        pickle.dumps(SEAL)
    assert b"secret" not in repr(SEAL).encode()
