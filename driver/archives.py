"""Zip archives that are the same, byte for byte, wherever and whenever they are made of the same files."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

# What every file of an archive has: the oldest date that zip knows, and the rights that it needs.
_DATE = (1980, 1, 1, 0, 0, 0)
_FILE, _PROGRAM = 0o100644, 0o100755
_UNIX = 3
# Bytes of a file that tell whether it compresses, and the share of its size that it must get below.
_HEAD, _WORTH = 1 << 18, 0.97


def write_zip(target: Path | BinaryIO, files: Mapping[str, Path | bytes], level: int) -> None:
    """Write an archive, which depends on names, contents, and on what may be executed.

    Args:
        target: a path, or a file that is open for writing.
        files: names in the archive, and contents, or where these are.
        level: how hard to compress, 1 to 9.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, source in sorted(files.items()):
            program = isinstance(source, Path) and os.stat(source).st_mode & 0o100
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = _UNIX
            entry.external_attr = (_PROGRAM if program else _FILE) << 16
            entry.file_size = os.stat(source).st_size if isinstance(source, Path) else len(source)
            with _opened(source) as stream:
                entry.compress_type = zipfile.ZIP_DEFLATED if _compresses(stream) else zipfile.ZIP_STORED
                with archive.open(entry, "w") as copy:
                    shutil.copyfileobj(stream, copy, 1 << 20)


def unpacked_size(archive: Path) -> int:
    """Bytes of the files of an archive."""
    with zipfile.ZipFile(archive) as file:
        return sum(entry.file_size for entry in file.infolist())


def _compresses(stream: BinaryIO) -> bool:
    """Whether a file is worth compressing, which takes seconds for a large one: by how it begins."""
    head = stream.read(_HEAD)
    stream.seek(0)
    return len(head) < _HEAD or len(zlib.compress(head, 1)) < _WORTH * len(head)


def _opened(source: Path | bytes) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else BytesIO(source)
