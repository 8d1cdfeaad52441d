"""Which modules are the user's own."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from driver.modules import find_modules
from tests.driver.conftest import Project


def shipped() -> list[str]:
    return sorted(find_modules().files)


def test_nothing(project: Project) -> None:
    """A script without modules of its own ships none, whatever lies beside it."""
    project({"main.py": "import json, numpy, mapreduce, driver", "other.py": "", "data/part.py": ""})
    found = find_modules()
    assert (found.files, found.names, found.unfindable) == ({}, (), [])


def test_modules_beside_the_script(project: Project) -> None:
    """What the script imports is found, and what that imports, by the text alone."""
    project({"main.py": "import one", "one.py": "from two import x", "two.py": "x = 1", "three.py": ""})
    found = find_modules()
    assert sorted(found.files) == ["one.py", "two.py"]
    assert found.names == ("one", "two")


def test_imports_in_functions(project: Project) -> None:
    """An import in a function or under a condition is followed too."""
    project(
        {
            "main.py": "def f():\n    import one",
            "one.py": "class C:\n    def g(self):\n        if 1:\n            import two.deep as d",
            "two/__init__.py": "",
            "two/deep.py": "",
        }
    )
    assert shipped() == ["one.py", "two/__init__.py", "two/deep.py"]


def test_imported_by_a_computed_name(project: Project) -> None:
    """What has been imported already is found however that happened."""
    project({"main.py": "", "one.py": "import two", "two.py": ""})
    importlib.import_module("one")
    assert shipped() == ["one.py", "two.py"]


def test_packages(project: Project) -> None:
    """A package goes as a whole, with its data, and without caches and hidden folders."""
    project(
        {
            "main.py": "import pack.sub.deep",
            "pack/__init__.py": "",
            "pack/words.txt": "",
            "pack/sub/__init__.py": "",
            "pack/sub/deep.py": "from .. import other",
            "pack/other.py": "",
            "pack/data/table.csv": "",
            "pack/__pycache__/other.cpython-311.pyc": "",
            "pack/.git/config": "",
        }
    )
    assert shipped() == [
        "pack/__init__.py",
        "pack/data/table.csv",
        "pack/other.py",
        "pack/sub/__init__.py",
        "pack/sub/deep.py",
        "pack/words.txt",
    ]


def test_namespace_packages(project: Project) -> None:
    """A folder without __init__.py is a package when it is imported, of its code alone."""
    project({"main.py": "import space.one", "space/one.py": "", "space/sub/two.py": "", "space/big.dat": ""})
    assert shipped() == ["space/one.py", "space/sub/two.py"]
    importlib.import_module("space.one")
    assert shipped() == ["space/one.py", "space/sub/two.py"]


def test_other_folders_of_the_search_path(project: Project, tmp_path: Path) -> None:
    """Folders that the user has put on the search path hold modules of the user's."""
    project({"main.py": "import one"})
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.py").write_text("")
    sys.path.append(str(tmp_path / "more"))
    assert shipped() == ["one.py"]


def test_installed_libraries(project: Project, tmp_path: Path) -> None:
    """Libraries stay where they are, also one that is found before a folder of its name."""
    library = tmp_path / "lib" / "site-packages"
    (library / "lib_one").mkdir(parents=True)
    (library / "lib_one" / "__init__.py").write_text("")
    (library / "lib_two.py").write_text("")
    sys.path.append(str(library))
    project({"main.py": "import lib_one, lib_two, click", "lib_one/notes.py": ""})
    importlib.import_module("lib_two")
    assert shipped() == []


def test_our_own_packages(project: Project) -> None:
    """The framework is not shipped."""
    project({"main.py": "import mapreduce, driver, worker, shuffle, benchmarks.demo"})
    assert shipped() == []


def test_modules_by_path(project: Project) -> None:
    """A module that no search path leads to is told, and what it imports is found."""
    folder = project({"main.py": "", "odd/by_path.py": "import one", "one.py": ""})
    spec = importlib.util.spec_from_file_location("by_path", folder / "odd" / "by_path.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["by_path"] = module
    spec.loader.exec_module(module)
    found = find_modules()
    assert found.unfindable == [module]
    assert sorted(found.files) == ["one.py"]


@pytest.mark.parametrize("text", ["def (", "\0", "# coding: nonsense\n"])
def test_files_that_do_not_parse(project: Project, text: str) -> None:
    """A file that is no Python is shipped as it is; it imports nothing."""
    project({"main.py": "import one", "one.py": text})
    assert shipped() == ["one.py"]


def test_odd_files(project: Project) -> None:
    """Links that lead nowhere, and pipes, are left out."""
    folder = project({"main.py": "import pack", "pack/__init__.py": ""})
    (folder / "pack" / ".#lock.py").symlink_to("nowhere")
    os.mkfifo(folder / "pack" / "pipe")
    assert shipped() == ["pack/__init__.py"]
