"""Code packages for the tests: always the same bytes, so each is built once by a process of tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from driver.deploy.package import Package, build, fingerprint
from driver.deploy.platforms import Platform


def built(platform: Platform, libraries: Sequence[str] = ()) -> Package:
    """The real package."""
    return _built(platform, tuple(libraries), fingerprint(platform, libraries))


@cache
def _built(platform: Platform, libraries: tuple[str, ...], _made_of: str) -> Package:
    return build(platform, libraries)
