"""Authentication: tags that only the holder of the job's secret can make.

The secret travels in invoke payloads alone, never through a store, so whoever can write to the
bucket still cannot make bytes that a worker or the driver would load.
"""

from __future__ import annotations

import hmac
import os

from mapreduce.errors import AuthenticationError

TAG_SIZE = 32  # bytes of keyed BLAKE3

# Every byte of a shuffle is tagged once and checked once. BLAKE3 with a key is a MAC as HMAC-SHA256 is,
# and takes a third of its time where processors have instructions for SHA-256, a tenth where not.
_PURPOSE = "bsp-mapreduce 2025 tags of a job"


class Seal:
    """Tags bytes with keyed BLAKE3 under one job's secret.

    Every tag covers a context (which object, which part of it) besides the bytes, so authentic bytes
    do not pass for others that the same job made.
    """

    __slots__ = ("_keyed", "secret")

    def __init__(self, secret: bytes) -> None:
        from blake3 import blake3

        self.secret = secret
        self._keyed = blake3(key=blake3(secret, derive_key_context=_PURPOSE).digest())

    @classmethod
    def fresh(cls) -> Seal:
        """A seal with a new random secret of 32 bytes."""
        return cls(os.urandom(32))

    def tag(self, context: str, *parts: bytes | memoryview) -> bytes:
        """The tag, `TAG_SIZE` bytes, of the concatenated `parts` in `context`."""
        name = context.encode("utf-8", "surrogatepass")
        mac = self._keyed.copy()
        mac.update(len(name).to_bytes(4, "little"))
        mac.update(name)
        for part in parts:
            mac.update(part)
        return mac.digest()

    def check(self, tag: bytes | memoryview, context: str, *parts: bytes | memoryview) -> bool:
        """Whether `tag` is the tag of `parts` in `context`, compared in constant time."""
        return hmac.compare_digest(bytes(tag), self.tag(context, *parts))

    def wrap(self, context: str, data: bytes) -> bytes:
        """`data` behind its tag, written as a line of hexadecimal digits."""
        return self.tag(context, data).hex().encode() + b"\n" + data

    def unwrap(self, context: str, sealed: bytes) -> bytes:
        """The data that `wrap` sealed in the same context.

        Raises:
            AuthenticationError: the tag is not of this secret, context and data.
        """
        tag, line_end, data = sealed.partition(b"\n")
        if not line_end or not hmac.compare_digest(tag, self.tag(context, data).hex().encode()):
            raise AuthenticationError(
                f"{context}: the tag does not match this job's secret: the object was damaged, or written by"
                " someone else; it was not loaded"
            )
        return data
