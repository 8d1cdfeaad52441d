"""What NumPy must know of the processor before it is imported."""

from __future__ import annotations

import os
import sys

# AMD's family 25 has AVX-512 from Zen 4 on, of these models. There NumPy's AVX-512 sort stores compressed
# registers to memory, which is microcode: 5 million integers took 0.33 s with it, 0.065 s with AVX2.
_ZEN_4 = (range(0x10, 0x20), range(0x60, 0x80), range(0xA0, 0xB0))
_VARIABLE = "NPY_DISABLE_CPU_FEATURES"


def prepare(cpuinfo: str = "/proc/cpuinfo") -> None:
    """Keep NumPy, which must not be imported yet, from what is slow on this processor; whoever set it decides."""
    if _VARIABLE in os.environ or "numpy" in sys.modules:
        return
    if slow_avx512(cpuinfo) and (features := _features()):
        os.environ[_VARIABLE] = " ".join(features)


def slow_avx512(cpuinfo: str) -> bool:
    """Whether the processor that the file describes sorts faster without AVX-512."""
    try:
        with open(cpuinfo, encoding="ascii", errors="replace") as file:
            lines = [file.readline() for _ in range(32)]
    except OSError:  # no Linux
        return False
    fields = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    try:
        family, model = int(fields["cpu family"]), int(fields["model"])
    except (KeyError, ValueError):  # no x86
        return False
    return fields.get("vendor_id") == "AuthenticAMD" and family == 25 and any(model in some for some in _ZEN_4)


def _features() -> list[str]:
    """NumPy's names for AVX-512; it warns of names that it does not know. None where there is no NumPy."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        major, minor = (int(part) for part in version("numpy").split(".")[:2])
    except PackageNotFoundError:
        return []
    if (major, minor) >= (2, 4):
        return ["X86_V4"]
    return ["AVX512F", "AVX512CD", "AVX512_SKX", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL"]
