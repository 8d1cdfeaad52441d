"""Which class serves the object stores of a URL scheme."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from mapreduce.errors import ConfigError
from mapreduce.objectstore.access import Access
from mapreduce.objectstore.base import ObjectStore

#: scheme -> "module:Class"; imported at first use.
STORES = {
    "file": "mapreduce.objectstore.folder:FolderStore",
    "memory": "mapreduce.objectstore.memory:MemoryStore",
    "s3": "mapreduce.objectstore.s3:S3Store",
}
#: Installed distributions add object stores of their own under this group: scheme = module:Class.
ENTRY_POINTS = "mapreduce.object_stores"


def open_store(url: str | os.PathLike[str], setting: str = "storage", access: Access | None = None) -> ObjectStore:
    """The object store at `url`: a folder's path or file:// URL, s3://bucket/prefix, or memory://name.

    Args:
        url: of the store.
        setting: names it in errors.
        access: how it is reached.

    Raises:
        ConfigError: no store serves such a URL; the message names `setting`.
    """
    text = os.fspath(url)
    scheme, place = split_url(text)
    cls = find_class(scheme, STORES, ENTRY_POINTS)
    if cls is None:
        raise unserved(text, setting, STORES)
    store: ObjectStore = cls.connect(place, access or Access())
    return store


def unserved(url: str, setting: str, known: Iterable[str]) -> ConfigError:
    """The error for a URL that no store serves: `setting` names it there, and `known` are the schemes that one has."""
    schemes = ", ".join(f"{name}://" for name in sorted(known))
    return ConfigError(f"{setting}: no store serves {shown_url(url)!r}; known are a folder's path and {schemes}")


def find_class(scheme: str, known: dict[str, str], group: str) -> Any:
    """The class that serves a URL scheme: one of `known`, or of an installed entry point; None if none does."""
    if scheme in known:
        module, _, name = known[scheme].partition(":")
        return getattr(import_module(module), name)
    from importlib.metadata import entry_points  # it takes a while, and hardly anybody needs it

    for point in entry_points(group=group, name=scheme):
        return point.load()
    return None


def open_object(url: str, access: Access | None = None) -> tuple[ObjectStore, str]:
    """The store that holds the object at `url`, and the object's key there.

    Raises:
        ConfigError: no store serves such a URL.
    """
    scheme, place = split_url(url)
    if scheme == "file":
        return open_store("/", "input"), place.lstrip("/")
    name, _, key = place.partition("/")
    return open_store(f"{scheme}://{name}", "input", access), key


def shown_url(text: str) -> str:
    """`text` without what may be a password: whatever stands before an @."""
    scheme, separator, rest = text.partition("://")
    return f"{scheme}{separator}...@{rest.rpartition('@')[2]}" if "@" in rest else text


def split_url(text: str) -> tuple[str, str]:
    """Scheme and place of `text`: ('file', absolute path) for paths and file:// URLs."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "file", os.path.abspath(os.path.expanduser(text))
    if scheme == "file":
        return "file", os.path.abspath(unquote(urlsplit(text).path))
    return scheme, rest
