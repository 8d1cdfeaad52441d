"""What a job reads: from paths, folders and globs to files with sizes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from mapreduce.errors import InputError
from mapreduce.objectstore.registry import split_url

Inputs = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class InputFile(NamedTuple):
    """One object of the input."""

    url: str
    size: int


def find_inputs(inputs: Inputs) -> list[InputFile]:
    """The files that `inputs` stands for, in the order given, each folder's or glob's sorted by name.

    A folder stands for all files below it. In folders and globs, names that begin with "." or "_" are
    left out, as marker files are; a pattern or path that writes such a name gets it.

    Raises:
        InputError: an item matches nothing, cannot be read, or matches what another one does.
    """
    if not isinstance(inputs, str | os.PathLike | Iterable):
        raise InputError(f"the input must be a path, or a list of paths, not {inputs!r}")
    items = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not items:
        raise InputError("no input was given")
    found: dict[str, str] = {}
    for item in items:
        text = os.fspath(item) if isinstance(item, os.PathLike) else item
        if not isinstance(text, str) or not text:
            raise InputError(f"an input must be a path, not {text!r}")
        paths = _matches(text)
        if not paths:
            raise InputError(f"the input {text!r} matches no file (in {os.getcwd()})")
        for path in paths:
            if path in found:
                other = found[path]
                twice = "twice" if other == text else f"by {other!r} and by {text!r}"
                raise InputError(f"{path} is named {twice}: its records would count double")
            found[path] = text
    return [InputFile(path, _size(path)) for path in found]


def _matches(text: str) -> list[str]:
    scheme, path = split_url(text)
    if scheme != "file":
        raise InputError(f"the input {text!r} is on a store that cannot be read as input yet")
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
