"""The job's secret in an event, for the function's eyes only.

Services write events down: Lambda puts one that failed into a bucket, as it came. Were the job's secret in
it, whoever reads and writes that bucket could make code that workers and the driver load. So the secret
travels encrypted under a key of the function's own, which is in its configuration and which it tells those
who may invoke it; they may have it run any code anyway.
"""

from __future__ import annotations

import hmac
import secrets

#: The variable of the function's environment that holds its key.
KEY = "MAPREDUCE_KEY"

_PURPOSE = "bsp-mapreduce 2026 secrets in events"
_NONCE = 16
_TAG = 16


def veil(secret: bytes, key: str) -> str:
    """A secret as it may be written down, hexadecimal; never twice the same."""
    nonce = secrets.token_bytes(_NONCE)
    hidden = _xor(secret, _digest(key, b"pad", nonce, len(secret)))
    return (nonce + hidden + _digest(key, b"tag", nonce + hidden, _TAG)).hex()


def unveil(text: str, key: str) -> bytes:
    """The secret that `veil` hid.

    Raises:
        ValueError: it was hidden under another key, or is no longer what it was.
    """
    data = bytes.fromhex(text)
    nonce, hidden, tag = data[:_NONCE], data[_NONCE:-_TAG], data[-_TAG:]
    if not hmac.compare_digest(tag, _digest(key, b"tag", nonce + hidden, _TAG)):
        raise ValueError(
            "the secret in the event is not for this function: it was deployed anew when the driver had begun; run"
            " the job again, or `mapreduce resume` it"
        )
    return _xor(hidden, _digest(key, b"pad", nonce, len(hidden)))


def _digest(key: str, use: bytes, data: bytes, size: int) -> bytes:
    """Bytes that only who has the key can make: keyed BLAKE3, of any length."""
    from blake3 import blake3

    derived = blake3(key.encode(), derive_key_context=_PURPOSE).digest()
    return blake3(use + data, key=derived).digest(length=size)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
