"""Which class serves the object stores of a URL scheme."""

from __future__ import annotations

import os
from importlib import import_module
from urllib.parse import unquote, urlsplit

from mapreduce.errors import ConfigError
from mapreduce.objectstore.base import ObjectStore

#: scheme -> "module:Class"; imported at first use.
_STORES = {
    "file": "mapreduce.objectstore.folder:FolderStore",
    "memory": "mapreduce.objectstore.memory:MemoryStore",
}


def open_store(url: str | os.PathLike[str], setting: str = "storage") -> ObjectStore:
    """The object store at `url`: a folder's path or file:// URL, or memory://name.

    Raises:
        ConfigError: no store serves such a URL; the message names `setting`.
    """
    text = os.fspath(url)
    scheme, place = split_url(text)
    if scheme not in _STORES:
        known = ", ".join(f"{name}://" for name in sorted(_STORES))
        raise ConfigError(f"{setting}: no store serves {text!r}; known are a folder's path and {known}")
    module, _, name = _STORES[scheme].partition(":")
    store: ObjectStore = getattr(import_module(module), name)(place)
    return store


def open_object(url: str) -> tuple[ObjectStore, str]:
    """The store that holds the object at `url`, and the object's key there.

    Raises:
        ConfigError: no store serves such a URL.
    """
    scheme, place = split_url(url)
    if scheme == "file":
        return open_store("/", "input"), place.lstrip("/")
    name, _, key = place.partition("/")
    return open_store(f"{scheme}://{name}", "input"), key


def split_url(text: str) -> tuple[str, str]:
    """Scheme and place of `text`: ('file', absolute path) for paths and file:// URLs."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "file", os.path.abspath(os.path.expanduser(text))
    if scheme == "file":
        return "file", os.path.abspath(unquote(urlsplit(text).path))
    return scheme, rest
