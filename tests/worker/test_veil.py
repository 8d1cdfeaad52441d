"""Secrets in events: back with the key, and of no use without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.veil import unveil, veil

keys = st.text(min_size=1, max_size=80)
secrets = st.binary(min_size=1, max_size=100)


@given(secrets, keys)
def test_back_with_the_key(secret: bytes, key: str) -> None:
    """Who has the key gets the secret back, which does not show, nor does that it is the same one."""
    hidden = veil(secret, key)
    assert unveil(hidden, key) == secret
    assert veil(secret, key) != hidden
    if len(secret) > 3:  # fewer bytes may be anywhere by chance
        assert secret not in bytes.fromhex(hidden)


@given(secrets, keys, keys)
def test_not_without_the_key(secret: bytes, key: str, other: str) -> None:
    """Another key gives nothing, and it is said what may have happened."""
    if key == other:
        return
    with pytest.raises(ValueError, match="it was deployed anew"):
        unveil(veil(secret, key), other)


@given(secrets, keys, st.data())
def test_altered(secret: bytes, key: str, data: st.DataObject) -> None:
    """A veiled secret of which a bit was changed gives nothing."""
    hidden = bytearray.fromhex(veil(secret, key))
    hidden[data.draw(st.integers(0, len(hidden) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="is not for this function"):
        unveil(hidden.hex(), key)


@pytest.mark.parametrize("text", ["", "00", "no digits"])
def test_nothing_veiled(text: str) -> None:
    """What was never veiled is refused."""
    with pytest.raises(ValueError, match=r"not for this function|hexadecimal"):
        unveil(text, "key")
