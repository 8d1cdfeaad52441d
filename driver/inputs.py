"""What a job reads: from paths, folders and globs to files with sizes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from mapreduce.errors import InputError, StoreError
from mapreduce.objectstore import Access
from mapreduce.objectstore.registry import open_object, split_url

Inputs = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class InputFile(NamedTuple):
    """One object of the input."""

    url: str
    size: int


def find_inputs(inputs: Inputs, access: Access | None = None) -> list[InputFile]:
    """The files that `inputs` stands for, in the order given, each folder's or glob's sorted by name.

    A folder stands for all files below it; so does a prefix of keys, s3://bucket/prefix/, on an object
    store. In folders and globs, names that begin with "." or "_" are left out, as marker files are; a
    pattern or path that writes such a name gets it.

    Raises:
        InputError: an item matches nothing, cannot be read, or matches what another one does.
    """
    if not isinstance(inputs, str | os.PathLike | Iterable):
        raise InputError(f"the input must be a path, or a list of paths, not {inputs!r}")
    items = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not items:
        raise InputError("no input was given")
    found: dict[InputFile, str] = {}
    for item in items:
        text = os.fspath(item) if isinstance(item, os.PathLike) else item
        if not isinstance(text, str) or not text:
            raise InputError(f"an input must be a path, not {text!r}")
        for file in _matches(text, access):
            if file in found:
                other = found[file]
                twice = "twice" if other == text else f"by {other!r} and by {text!r}"
                raise InputError(f"{file.url} is named {twice}: its records would count double")
            found[file] = text
    return list(found)


def _matches(text: str, access: Access | None) -> list[InputFile]:
    scheme, path = split_url(text)
    if scheme != "file":
        return _objects(text, access)
    paths = _paths(path)
    if not paths:
        raise InputError(f"the input {text!r} matches no file (in {os.getcwd()})")
    return [InputFile(path, _size(path)) for path in paths]


def _objects(text: str, access: Access | None) -> list[InputFile]:
    """The objects of a store that `text` stands for: one key, all keys below a prefix, or a glob's."""
    try:
        store, wanted = open_object(text, access)
        store.reach()
        if not glob.has_magic(wanted):
            found = {info.key: info.size for info in store.list(wanted)}
            folder = f"{wanted.rstrip('/')}/" if wanted else ""
            if wanted in found and not wanted.endswith("/"):
                found = {wanted: found[wanted]}
            else:
                found = {key: size for key, size in found.items() if key.startswith(folder) and _shown(key, folder)}
        else:
            literal = wanted[: min(wanted.find(sign) for sign in "*?[" if sign in wanted)]
            folder = literal[: literal.rfind("/") + 1]
            pattern = wanted[len(folder) :].split("/")
            found = {
                info.key: info.size
                for info in store.list(literal)
                if not info.key.endswith("/") and _fits(info.key[len(folder) :].split("/"), pattern)
            }
    except StoreError as error:
        raise InputError(f"cannot find the input {text!r}: {error}") from error
    if not found:
        raise InputError(f"the input {text!r} matches no object")
    base = store.url
    return [InputFile(f"{base}/{key}", size) for key, size in sorted(found.items())]


def _fits(names: list[str], pattern: list[str]) -> bool:
    """Whether a glob, name by name, gives an object or a folder that holds it; see `find_inputs` on hidden names."""
    if "**" in pattern:  # which names files one by one; a plain wildcard means what is in a folder
        here = pattern.index("**")
        before, after = pattern[:here], pattern[here + 1 :] or ["*"]
        return (
            len(names) >= len(before) + len(after)
            and all(map(_matches_name, names, before))
            and all(map(_matches_name, names[-len(after) :], after))
            and not any(map(_hidden, names[here : -len(after)]))
        )
    return (
        len(names) >= len(pattern)
        and all(map(_matches_name, names, pattern))
        and not any(map(_hidden, names[len(pattern) :]))
    )


def _matches_name(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) and (not _hidden(name) or _hidden(pattern))


def _shown(key: str, folder: str) -> bool:
    """Whether an object below `folder` is input: no marker file, nor the empty object that stands for a folder."""
    return not key.endswith("/") and not any(map(_hidden, key[len(folder) :].split("/")))


def _paths(path: str) -> list[str]:
    if os.path.isdir(path):
        return _below(path)
    if os.path.exists(path):
        return [path]
    names = path.split(os.sep)
    depth = next((depth for depth, name in enumerate(names) if glob.has_magic(name)), 0)
    wanted = [name for name in names[depth:] if _hidden(name)]
    found = []
    for match in sorted(set(glob.glob(path, recursive=True))):
        hidden = filter(_hidden, match.split(os.sep)[depth:])
        if not all(any(fnmatchcase(name, pattern) for pattern in wanted) for name in hidden):
            continue
        if not os.path.isdir(match):
            found.append(match)
        elif "**" not in path:  # which names files one by one; a plain wildcard means what is in a folder
            found += _below(match)
    return found


def _below(folder: str) -> list[str]:
    found = []
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        found += [os.path.join(parent, name) for name in names if not _hidden(name)]
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _unreadable(error: OSError) -> None:
    raise InputError(f"cannot read the input folder {error.filename}: {error.strerror}")


def _size(path: str) -> int:
    try:
        if not os.path.isfile(path):  # a pipe has no size, and cannot be read by several workers
            raise InputError(f"cannot read the input {path}: it is no regular file")
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InputError(f"cannot read the input {path}: {error.strerror}") from None
