"""`mapreduce doctor` finds what is wrong with stores, says what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from driver import Settings, doctor
from driver.cli import main
from driver.doctor import examine
from mapreduce import ConfigError, StoreError
from mapreduce.columns import Buffer
from mapreduce.finding import Finding
from mapreduce.objectstore import Access, MemoryStore, ObjectInfo, ObjectStore, open_store
from mapreduce.objectstore import registry as objectstores
from shuffle import AttemptId, ObjectShuffle, Piece, Receipt
from shuffle import registry as shuffles
from shuffle.base import Partitioned
from tests.contract.faulty_store import SCRIPTS, FailAt, FaultyStore, Script

OBJECT_STORE = [
    "usable",
    "write and read",
    "ranged read",
    "exclusive create",
    "listing",
    "list order",
    "move",
    "delete",
]
FOLDER = ["usable", "room", *OBJECT_STORE[1:]]
SHUFFLE = ["usable", "write, read, discard"]


class Diagnosis:
    """What the doctor found.

    Attributes:
        findings: by setting.
    """

    def __init__(self, output: str | None = None, **settings: str) -> None:
        given = {"executor": "inline", **settings}
        self.findings = {
            examined.setting: list(examined.findings) for examined in examine(Settings.load(given), output)
        }

    def names(self, setting: str) -> list[str]:
        """What was looked at."""
        return [finding.what for finding in self.findings[setting]]

    def faults(self, setting: str = "storage") -> dict[str, Finding]:
        """What is not well, by what was looked at."""
        return {finding.what: finding for finding in self.findings[setting] if finding.verdict != "ok"}


class Scripted(FaultyStore):
    """The store at `scripted://<place>`: that at `memory://<place>`, with faults of a subclass."""

    @classmethod
    def connect(cls, place: str, access: Access) -> Scripted:
        store = cls(MemoryStore(place), SCRIPTS.get(place, lambda name, key: None))
        store.url = f"scripted://{place}"
        return store


class LastWins(Scripted):
    """Ignores the condition, as many services do."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


class Racy(Scripted):
    """Is exclusive within a thread alone."""

    def __init__(self, inner: ObjectStore, script: Script) -> None:
        super().__init__(inner, script)
        self._mine = threading.local()

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if key in vars(self._mine):
            return False
        setattr(self._mine, key, True)
        self.put(key, data)
        return True


class Unlucky(Scripted):
    """Loses the answer to whoever wins a race."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return super().put_if_absent(key, data) and "race" not in key


class Rangeless(Scripted):
    """Gives whole objects, whatever was asked for."""

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return super().get(key)


class Damaging(Scripted):
    """Writes less than it was given."""

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data[:-1])


class ByFolder(Scripted):
    """Lists folder by folder."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(sorted(super().list(prefix), key=lambda info: info.key.split("/")))


class Forgetful(Scripted):
    """Loses the last object of a page."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return (info for number, info in enumerate(super().list(prefix)) if number % self.page != self.page - 1)


class Immobile(Scripted):
    """Cannot move."""

    def move(self, source: str, target: str) -> None:
        raise NotImplementedError("no copies")


class Keeping(Scripted):
    """Deletes nothing, and does not say so."""

    def delete(self, keys: Iterable[str]) -> None:
        list(keys)


@pytest.fixture
def scripted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a store of the class that the test is parametrized by, or of a plain one."""
    cls = getattr(request, "param", Scripted)
    monkeypatch.setitem(objectstores.STORES, "scripted", f"tests.driver.test_doctor:{cls.__name__}")
    return f"scripted://{request.node.name}"


def left(url: str) -> list[str]:
    """The keys that are still in a scripted store."""
    return [info.key for info in open_store(url.replace("scripted", "memory", 1)).list("")]


@pytest.fixture
def script(scripted: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the scripted store does at each operation."""
    return lambda act: monkeypatch.setitem(SCRIPTS, scripted.partition("://")[2], act)


def test_all_is_well(tmp_path: Path) -> None:
    """Of folders that are as they should be, every look is well, and they are not even there afterwards."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    found = Diagnosis(str(tmp_path / "out"), storage=str(tmp_path / "some" / "storage"))
    assert found.names("storage") == found.names("output") == FOLDER
    assert found.names("shuffle") == SHUFFLE
    assert not any(map(found.faults, found.findings))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


@pytest.mark.parametrize(
    ("scripted", "what", "verdict", "found"),
    [
        (LastWins, "exclusive create", "failed", "one after the other, not the first alone won"),
        (Racy, "exclusive create", "failed", "of 4 that raced to create one object 4 were told that they won"),
        (Unlucky, "exclusive create", "warning", "none was told that it won"),
        (Rangeless, "ranged read", "failed", "from 3 to 7 of b'0123456789' came as b'0123456789', not as b'3456'"),
        (Damaging, "write and read", "failed", "65536 bytes were written, and other 65535 came back"),
        (ByFolder, "list order", "warning", "a/b comes before a!"),
        (Forgetful, "listing", "failed", "of 7 objects, 2 a page, 3 did not come and 0 came twice"),
        (Immobile, "move", "failed", "NotImplementedError: no copies"),
        (Keeping, "delete", "failed", "16 of 17 objects are still there"),
    ],
    indirect=["scripted"],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_faults_of_object_stores(scripted: str, what: str, verdict: str, found: str) -> None:
    """Each fault is found by the look that is there for it, and by no other, with what to do about it."""
    faults = Diagnosis(storage=scripted, shuffle="memory://well").faults()
    assert list(faults) == [what]
    assert faults[what].verdict == verdict
    assert found in faults[what].found
    assert faults[what].remedy
    assert left(scripted) == [] or what == "delete"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A folder that cannot be written is told as such, once, and no further look is taken."""
    (tmp_path / "file").write_text("mine")
    found = Diagnosis(storage=str(tmp_path / "file" / "storage"), shuffle="memory://well")
    assert found.names("storage") == ["usable"]
    [fault] = found.faults().values()
    assert fault.verdict == "failed"
    assert fault.found == f"the folder {tmp_path}/file/storage cannot be written: Not a directory; choose another"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk(scripted: str, script: Any) -> None:
    """A disk without room is told in the system's words."""

    def full(name: str, key: str) -> None:
        if name == "created":
            raise StoreError(f"cannot write {key}: No space left on device")

    script(full)
    found = Diagnosis(storage=scripted, shuffle="memory://well")
    assert found.names("storage") == ["usable", "write and read", "delete"]
    assert "No space left on device" in found.faults()["write and read"].found
    assert left(scripted) == []


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that will soon be full is a warning."""
    monkeypatch.setattr("mapreduce.objectstore.folder.FolderStore.free", lambda self: 12_345_678)
    [fault] = Diagnosis(storage=str(tmp_path)).faults().values()
    assert fault == ("room", "warning", "12.3 MB are free", "make room, or name a folder on another disk")


def test_any_operation_may_fail(scripted: str, script: Any) -> None:
    """Wherever a store fails once, that is found and told, and still nothing is left behind."""
    number, failed = 0, True
    while failed:
        fail = FailAt(number)
        script(fail)
        found = Diagnosis(storage=scripted, shuffle="memory://well")
        assert left(scripted) == [] or "delete" in found.faults(), fail.seen[number]
        failed = number < len(fail.seen)
        assert bool(found.faults()) is failed
        for key in left(scripted):
            open_store(scripted.replace("scripted", "memory", 1)).delete([key])
        number += 1
    assert number > 50


def test_who_wants_to_know_no_more(scripted: str) -> None:
    """A look that is broken off leaves nothing behind either."""
    [storage, _] = examine(Settings.load({"executor": "inline", "storage": scripted}))
    assert next(storage.findings).what == "usable"
    assert next(storage.findings).what == "write and read"
    assert len(left(scripted)) == 1
    storage.findings.close()  # type: ignore[attr-defined]  # a generator is behind it
    assert left(scripted) == []


def test_silence(scripted: str, script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is given up, and asked no further."""
    over = threading.Event()
    monkeypatch.setattr(doctor, "PATIENCE", 0.4)
    script(lambda name, key: over.wait() if name == "size" else None)
    try:
        found = Diagnosis(storage=scripted, shuffle="memory://well")
    finally:
        over.set()
    assert found.names("storage") == ["usable", "write and read", "delete"]
    fault = found.faults()["write and read"]
    assert fault.found == "there was no answer within 1.2 s"
    assert fault.remedy == "see that what storage names can be reached from here"
    assert left(scripted) == []


def test_stores_that_cannot_be_opened() -> None:
    """A URL that no store serves is a failed look, in the words of the error."""
    found = Diagnosis("ftp://there", storage="memory://well", shuffle="memory://well")
    [fault] = found.faults("output").values()
    assert (fault.what, fault.verdict) == ("usable", "failed")
    assert "output: no store serves 'ftp://there'" in fault.found


class Shuffle(ObjectShuffle):
    """A shuffle store with a fault that its URL names: `trouble://fault`."""

    @classmethod
    def connect(cls, url: str, access: Access, spare: ObjectStore | None) -> Shuffle:
        store = cls(MemoryStore(url))
        store.url = url
        store.fault = url.partition("://")[2].rpartition("@")[2]
        return store

    fault = ""

    def check(self, estimate: int) -> list[str]:
        if self.fault == "check":
            raise ConfigError(f"shuffle: {self.url} cannot be used")
        return ["it may rain: take an umbrella"] if self.fault == "warning" else []

    def examine(self) -> Iterator[Finding]:
        yield Finding("weather", "ok", "fine")
        if self.fault == "examine":
            raise StoreError("clouds came")

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        receipt = super().write(attempt, partitions)
        if self.fault == "write":
            raise StoreError("the store is full")
        if self.fault == "receipt":
            receipt.pieces.popitem()
        return receipt

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        blocks = list(super().read(pieces))
        return iter(blocks[1:] if self.fault == "read" else blocks)

    def discard(self, receipts: Iterable[Receipt]) -> None:
        if self.fault != "discard":
            super().discard(receipts)


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("check", ("usable", "failed", "shuffle: trouble://check cannot be used")),
        ("warning", ("usable", "warning", "it may rain: take an umbrella")),
        ("examine", ("facts", "failed", "clouds came")),
        ("write", ("write, read, discard", "failed", "the store is full")),
        ("read", ("write, read, discard", "failed", "what was written came back otherwise")),
        ("receipt", ("write, read, discard", "failed", "what was written came back otherwise")),
        ("discard", ("write, read, discard", "warning", "what was discarded can still be read")),
    ],
)
def test_faults_of_shuffle_stores(monkeypatch: pytest.MonkeyPatch, fault: str, finding: tuple[str, str, str]) -> None:
    """A shuffle store's own words come through, a small write is read back, and nothing is left."""
    monkeypatch.setitem(shuffles._STORES, "trouble", "tests.driver.test_doctor:Shuffle")
    url = f"trouble://{fault}"
    found = Diagnosis(storage="memory://well", shuffle=url)
    [told] = found.faults("shuffle").values()
    assert told[:3] == finding
    assert list(MemoryStore(url).list("")) == []
    assert ("weather" in found.names("shuffle")) == (fault != "check")


def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password in a URL shows neither as the store's name nor in errors that show the URL."""
    monkeypatch.setitem(shuffles._STORES, "trouble", "tests.driver.test_doctor:Shuffle")
    settings = Settings.load({"executor": "inline", "storage": "memory://well", "shuffle": "trouble://me:sesame@check"})
    told = [(url, list(findings)) for _, url, findings in examine(settings, "ftp://me:sesame@there")]
    assert "sesame" not in repr(told)
    assert repr(told).count("me:***@") == 3


class Cli:
    """Runs `mapreduce doctor` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        with pytest.raises(SystemExit) as caught:
            main(["doctor", *arguments])
        assert isinstance(caught.value.code, int)
        return caught.value.code, *self._capsys.readouterr()


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAPREDUCE_EXECUTOR", "inline")
    return Cli(capsys)


def test_lines(cli: Cli) -> None:
    """There is a line for each look, under a line for each store, and 0 where all is well."""
    code, output, errors = cli("--storage", "a", "--shuffle", "memory://b", "--output", "c")
    assert (code, errors) == (0, "")
    assert [line for line in output.splitlines() if not line.startswith(" ")] == [
        f"storage: {Path('a').absolute()}",
        "shuffle: memory://b",
        "output: c",
    ]
    assert [line.split(":")[0] for line in output.splitlines() if line.startswith(" ")] == [
        f"  ok       {what}" for what in [*FOLDER, *SHUFFLE, *FOLDER]
    ]


@pytest.mark.parametrize("scripted", [Damaging], indirect=True)
def test_a_fault(cli: Cli, scripted: str) -> None:
    """A look that failed is told with what to do, and the exit code is 1."""
    code, output, errors = cli("--storage", scripted, "--shuffle", "memory://b")
    assert (code, errors) == (1, "")
    [line] = [number for number, line in enumerate(output.splitlines()) if line.startswith("  failed   ")]
    assert output.splitlines()[line].startswith("  failed   write and read: 65536 bytes were ")
    assert output.splitlines()[line + 1].startswith("           to do: use another store: ")


@pytest.mark.parametrize("scripted", [ByFolder], indirect=True)
def test_a_warning(cli: Cli, scripted: str) -> None:
    """A warning is told, and the exit code is 0."""
    code, output, _ = cli("--storage", scripted)
    assert code == 0
    assert "  warning  list order: " in output


def test_json(cli: Cli) -> None:
    """With --json standard output is one JSON document that tells the same."""
    code, output, errors = cli("--json", "--storage", "a", "--shuffle", "ftp://b")
    told = json.loads(output)
    assert (code, errors) == (1, "")
    assert told["failed"] is True
    assert [(store["setting"], store["url"]) for store in told["stores"]] == [
        ("storage", str(Path("a").absolute())),
        ("shuffle", "ftp://b"),
    ]
    assert [finding["what"] for finding in told["stores"][0]["findings"]] == FOLDER
    [finding] = told["stores"][1]["findings"]
    assert finding["verdict"] == "failed"
    assert sorted(finding) == ["found", "remedy", "verdict", "what"]
    code, output, _ = cli("--json", "--storage", "a")
    assert (code, json.loads(output)["failed"]) == (0, False)


def test_settings(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no option says comes from the environment and the config file, as for `run`."""
    Path("mapreduce.toml").write_text("storage = 'memory://from-file'\n")
    monkeypatch.setenv("MAPREDUCE_SHUFFLE", "memory://from-environment")
    told = json.loads(cli("--json")[1])
    assert [store["url"] for store in told["stores"]] == ["memory://from-file", "memory://from-environment"]
    code, _, errors = cli("--endpoint-url", "nonsense")
    assert (code, "argument endpoint_url: 'nonsense' is no URL" in errors) == (1, True)


def test_help(cli: Cli) -> None:
    """The command explains itself, and its options."""
    code, output, _ = cli("--help")
    assert (code, output.startswith("Usage: mapreduce doctor")) == (0, True)
    for name in ("storage", "shuffle", "output", "endpoint-url", "profile", "json", "debug"):
        assert f"--{name} " in output
