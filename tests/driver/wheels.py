"""Wheels made for tests."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path


def wheel(
    folder: Path, name: str, version: str, source: str, tag: str = "py3-none-any", data: bytes | None = None
) -> None:
    """Put a wheel of one module into a folder; it may have data beside the module, as <name>.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        archive.writestr(f"{name}.py", source)
        if data is not None:
            archive.writestr(f"{name}.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{name}.bin,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


def required(folder: Path, *lines: str) -> Sequence[str]:
    """The lines of a requirements file that finds wheels in a folder alone."""
    return ["--no-index", f"--find-links {folder}", *lines]
