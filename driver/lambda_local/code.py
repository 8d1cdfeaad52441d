"""Code of functions: zip files, unpacked once each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from driver.lambda_local.errors import Refusal, invalid

if TYPE_CHECKING:
    from driver.lambda_local.remote import Remote

#: Bytes of a zip file in a request, at most; larger ones come through S3.
ZIPPED = 50 * 1024 * 1024
#: Bytes of its content, at most.
UNZIPPED = 262_144_000


class Code(NamedTuple):
    """Unpacked code.

    Attributes:
        folder: where it is.
        sha256: of the zip file, in base64.
        size: bytes of the zip file.
    """

    folder: str
    sha256: str
    size: int


def fetch(source: Mapping[str, Any], home: str, remote: Remote) -> Code:
    """The code that a request's `Code` or that the request itself describes, unpacked below `home`.

    Raises:
        Refusal: it is too large, no zip file, or not there.
    """
    if source.get("ZipFile"):
        try:
            data = base64.b64decode(source["ZipFile"], validate=True)
        except (binascii.Error, ValueError):
            raise invalid("ZipFile is not base64.") from None
        if len(data) > ZIPPED:
            raise Refusal("RequestEntityTooLargeException", 413, f"ZipFile must be at most {ZIPPED} bytes.")
    elif source.get("S3Bucket") and source.get("S3Key"):
        data = remote.get(source["S3Bucket"], source["S3Key"], source.get("S3ObjectVersion"))
    else:
        raise invalid("This service takes code as a ZipFile, or by S3Bucket and S3Key.")
    return _unpack(data, home)


def _unpack(data: bytes, home: str) -> Code:
    digest = hashlib.sha256(data)
    code = Code(os.path.join(home, digest.hexdigest()), base64.b64encode(digest.digest()).decode(), len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > UNZIPPED:
                raise invalid(f"Unzipped size must be smaller than {UNZIPPED} bytes")
            if not os.path.isdir(code.folder):
                archive.extractall(code.folder)
    except (zipfile.BadZipFile, NotImplementedError):
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    return code
