"""Bundles of libraries: built by pip, from wheels alone, the same bytes for the same libraries."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver import Driver
from driver.bundles import Bundle, check_room, make_bundle
from mapreduce import CodeError, ConfigError, Job, Mapper
from tests.driver.wheels import required, wheel

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with two versions of a library."""
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "greeting_of_tests", version, f"TEXT = 'hello from {version}'\n")
    return tmp_path / "wheels"


def test_a_bundle_is_the_same(wheels: Path, tmp_path: Path) -> None:
    """Two builds of the same libraries are one file, named by its content; other versions are another."""
    one, two = (make_bundle(required(wheels, "greeting-of-tests==1.0"), cache=tmp_path / name) for name in "ab")
    assert one.digest == two.digest == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert one.path != two.path
    with zipfile.ZipFile(one.path) as archive:
        assert archive.read("greeting_of_tests.py") == b"TEXT = 'hello from 1.0'\n"
        assert one.unpacked == sum(entry.file_size for entry in archive.infolist())
    assert make_bundle(required(wheels, "greeting-of-tests"), cache=tmp_path / "a").digest != one.digest


def test_it_is_built_once(wheels: Path, tmp_path: Path) -> None:
    """What has been built for the same libraries is used again, however they are required."""
    first = make_bundle(required(wheels, "greeting-of-tests==2.0"), cache=tmp_path / "cache")
    made = first.path.stat().st_ino
    again = make_bundle(required(wheels, "greeting-of-tests>=1.0"), cache=tmp_path / "cache")
    assert (again, again.path.stat().st_ino) == (first, made)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_wheels_for_the_function(wheels: Path, tmp_path: Path) -> None:
    """The bundle has the wheels of the function's processor, not this machine's."""
    for machine in ("x86_64", "aarch64"):
        wheel(wheels, "native_of_tests", "1.0", f"MACHINE = {machine!r}\n", f"py3-none-manylinux2014_{machine}")
    for machine in ("x86_64", "aarch64"):
        bundle = make_bundle(required(wheels, "native-of-tests"), machine, tmp_path / "cache")
        with zipfile.ZipFile(bundle.path) as archive:
            assert archive.read("native_of_tests.py").decode() == f"MACHINE = {machine!r}\n"


def test_what_there_is_no_wheel_for(wheels: Path, tmp_path: Path) -> None:
    """The error has what pip says."""
    wheel(wheels, "foreign_of_tests", "1.0", "", "py3-none-win_amd64")
    with pytest.raises(CodeError, match="No matching distribution found for foreign-of-tests"):
        make_bundle(required(wheels, "foreign-of-tests"), cache=tmp_path / "cache")


def test_a_bundle_that_is_too_large() -> None:
    """It is refused with how large it is, and what to do."""
    bundle = Bundle(Path("any"), "", 300_000_000, 900_000_000)
    check_room(bundle, 1_200_000_000)
    check_room(bundle, None)
    with pytest.raises(CodeError, match=r"have 900 MB, 300 MB zipped, .* room for 512 MB: give .* larger /tmp"):
        check_room(bundle, 512_000_000)


class Greets(Mapper[str, str, str]):
    """Yields what a library of the bundle says."""

    def map(self, record: str) -> Iterator[tuple[str, str]]:
        import greeting_of_tests  # type: ignore[import-not-found]  # it is in the bundle alone

        yield record, greeting_of_tests.TEXT


@pytest.mark.parametrize("from_file", [False, True], ids=["list", "file"])
def test_local_workers_have_the_libraries(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_file: bool
) -> None:
    """Workers of this machine import what a job requires; they unpack it once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "in.txt").write_text("a\nb\nc\nd\n")
    lines = required(wheels, "greeting-of-tests==1.0")
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    given = tmp_path / "requirements.txt" if from_file else lines
    with Driver(storage=tmp_path / "storage", workers=2, requirements=given) as driver:
        for _ in range(2):
            result = driver.run(Job(mapper=Greets()), tmp_path / "in.txt")
            assert dict(result) == dict.fromkeys("abcd", "hello from 1.0")
            result.close()
    assert len(list((tmp_path / "storage" / "bundles").iterdir())) == 2  # and the sign that it is used


def test_not_inline(wheels: Path, tmp_path: Path) -> None:
    """This process has its libraries already."""
    with pytest.raises(ConfigError, match="requirements: with executor inline"):
        Driver(executor="inline", requirements=["anything"])
    with pytest.raises(ConfigError, match="requirements: cannot read"):
        Driver(requirements=str(tmp_path / "nothing.txt"))
