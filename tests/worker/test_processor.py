"""NumPy is told of processors on which its widest instructions are the slow ones, before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.process import with_ours
from worker.processor import slow_avx512

INFO = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: any: one\n\n"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "slow"),
    [
        ("AuthenticAMD", 25, 0x11, True),
        ("AuthenticAMD", 25, 0x61, True),
        ("AuthenticAMD", 25, 0xA0, True),
        ("AuthenticAMD", 25, 0x01, False),
        ("AuthenticAMD", 26, 0x11, False),
        ("GenuineIntel", 6, 143, False),
        ("GenuineIntel", 25, 0x11, False),
    ],
)
def test_processors(vendor: str, family: int, model: int, slow: bool, tmp_path: Path) -> None:
    """AMD's Zen 4 is one; Zen 3, Zen 5 and Intel's are none."""
    (tmp_path / "cpuinfo").write_text(INFO.format(vendor, family, model))
    assert slow_avx512(str(tmp_path / "cpuinfo")) == slow


def test_other_systems(tmp_path: Path) -> None:
    """Where nothing is known, nothing is done."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 243.75\n")
    assert not slow_avx512(str(tmp_path / "cpuinfo"))
    assert not slow_avx512(str(tmp_path / "absent"))


@pytest.mark.parametrize(("given", "expected"), [(None, "without"), ("", "")])
def test_numpy_is_told(given: str | None, expected: str, tmp_path: Path) -> None:
    """It takes what it is told without a warning, and what the user set is left alone."""
    (tmp_path / "cpuinfo").write_text(INFO.format("AuthenticAMD", 25, 0x11))
    script = (
        f"from worker.processor import prepare; prepare({str(tmp_path / 'cpuinfo')!r})\n"
        "import os, numpy; print(os.environ['NPY_DISABLE_CPU_FEATURES'], numpy.sort([2, 1]).tolist())"
    )
    environ = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    if given is not None:
        environ["NPY_DISABLE_CPU_FEATURES"] = given
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        env={**environ, **with_ours()},
        check=True,
    )
    told = done.stdout.removesuffix(" [1, 2]\n")
    assert (told != "") == (expected == "without")
    assert set(told.split()) <= {
        "X86_V4",
        "AVX512F",
        "AVX512CD",
        "AVX512_SKX",
        "AVX512_CLX",
        "AVX512_CNL",
        "AVX512_ICL",
    }
