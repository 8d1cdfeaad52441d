"""The platforms that Lambda runs Python functions on, and the wheels that work there."""

from __future__ import annotations

import sys
from typing import NamedTuple

from mapreduce.errors import ConfigError

# Python's minor versions that Lambda has, with the minor version of their glibc 2: Amazon Linux 2 has 2.26,
# Amazon Linux 2023 has 2.34. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_GLIBC = {11: 26, 12: 34, 13: 34, 14: 34}
# How wheels, and Python itself, call the processors.
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# The oldest glibc that wheels are tagged for: that of manylinux2014.
_OLDEST = 17


class Platform(NamedTuple):
    """A Python on a processor.

    Attributes:
        minor: of Python 3.
        arch: "arm64" or "x86_64".
    """

    minor: int
    arch: str

    @property
    def python(self) -> str:
        """As "3.12"."""
        return f"3.{self.minor}"

    @property
    def runtime(self) -> str:
        """Lambda's name of it."""
        return f"python{self.python}"

    @property
    def machine(self) -> str:
        """The processor as `platform.machine()` tells it."""
        return _MACHINES[self.arch]

    @property
    def tags(self) -> list[str]:
        """The platform tags of wheels that work there, the best first."""
        newest = _GLIBC[self.minor]
        numbered = [f"manylinux_2_{glibc}_{self.machine}" for glibc in range(newest, _OLDEST - 1, -1)]
        old = [f"manylinux2014_{self.machine}"]
        if self.arch == "x86_64":
            old += [f"manylinux{year}_{self.machine}" for year in ("_2_12", "2010", "_2_5", "1")]
        return [*numbered, *old, f"linux_{self.machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """What the markers of requirements are compared with there."""
        return {
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "python_version": self.python,
        }


def platform_of(arch: str, minor: int = sys.version_info.minor) -> Platform:
    """The platform of functions for a driver of this Python: code objects are for one minor version.

    Raises:
        ConfigError: Lambda does not have it.
    """
    if minor not in _GLIBC:
        known = ", ".join(f"3.{number}" for number in sorted(_GLIBC))
        raise ConfigError(
            f"Lambda has no runtime for Python 3.{minor}: run mapreduce with one of {known}, or deploy an image"
            " that has this Python (--image)"
        )
    return Platform(minor, arch)
