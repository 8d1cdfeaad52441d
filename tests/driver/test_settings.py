"""Where settings come from, and how bad ones are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Settings
from mapreduce import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without config files."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder without config files."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def load(folder: Path, environ: dict[str, str] | None = None, **given: Any) -> Settings:
    return Settings.load(given, environ or {}, folder)


def test_precedence(folder: Path) -> None:
    """An argument wins over the environment, this over the config file, this over the default."""
    assert load(folder).retries == 2
    (folder / "mapreduce.toml").write_text("retries = 3\nmemory = '128MB'\n")
    assert load(folder).retries == 3
    environ = {"MAPREDUCE_RETRIES": "4"}
    assert load(folder, environ).retries == 4
    settings = load(folder, environ, retries=5)
    assert (settings.retries, settings.memory) == (5, 128_000_000)


def test_nearest_config_file(folder: Path, home: Path) -> None:
    """The config file of the working folder hides that of the home folder."""
    (home / ".config").mkdir()
    (home / ".config" / "mapreduce.toml").write_text("retries = 7\npartitions = 7\n")
    assert load(folder).retries == 7
    (folder / "mapreduce.toml").write_text("retries = 3\n")
    settings = load(folder)
    assert (settings.retries, settings.partitions) == (3, None)


def test_defaults(folder: Path) -> None:
    """Without settings there are local processes, two or more, and a storage of the user's own."""
    settings = load(folder)
    assert settings.executor == "local"
    assert settings.workers >= 2
    assert settings.storage.endswith(f"mapreduce-{os.getuid()}")
    assert settings.shuffle == f"{settings.storage}/jobs"


def test_empty_variables(folder: Path) -> None:
    """An empty variable is one that is not set."""
    assert load(folder, {"MAPREDUCE_WORKERS": "", "MAPREDUCE_NONSENSE": ""}) == load(folder)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "3", 3),
        ("memory", "1GiB", 1 << 30),
        ("split_size", "4096", 4096),
        ("partitions", "8", 8),
        ("retries", "0", 0),
        ("timeout", "0", None),
        ("timeout", "none", None),
        ("timeout", "2.5", 2.5),
        ("patience", "0", 0.0),
        ("patience", "1.5", 1.5),
        ("state", "/a/../b", "/b"),
        ("overwrite", "yes", True),
        ("overwrite", "FALSE", False),
        ("keep_intermediates", "1", True),
        ("executor", "inline", "inline"),
        ("storage", "/a/../b", "/b"),
        ("storage", "file:///a%20b", "/a b"),
        ("shuffle", "file:///c", "/c"),
    ],
)
def test_text_values(folder: Path, name: str, text: str, value: object) -> None:
    """The environment's text becomes the value that the argument would have been."""
    settings = load(folder, {f"MAPREDUCE_{name.upper()}": text})
    assert getattr(settings, name) == value
    given: dict[str, Any] = {name: value if value is not None else 0}
    assert settings == load(folder, **given)


def test_state(folder: Path) -> None:
    """Notebooks lie where the system wants such things."""
    assert load(folder).state == os.path.expanduser("~/.local/state/mapreduce")
    assert load(folder, {"XDG_STATE_HOME": "/a"}).state == "/a/mapreduce"


def test_going_on(folder: Path) -> None:
    """Another driver's job lies, and is divided, as that driver said; this one says how it is run and reached."""
    first = load(
        folder, storage="/first", workers=7, split_size=99, endpoint_url="http://first", retries=1, redis_password="x"
    )
    noted = json.loads(json.dumps(first.noted()))
    assert "x" not in noted.values()
    again = load(folder, storage="/second", workers=3, retries=5, profile="mine").going_on(noted)
    assert (again.storage, again.shuffle, again.workers, again.split_size) == ("/first", "/first/jobs", 7, 99)
    assert (again.endpoint_url, again.profile, again.retries) == ("http://first", "mine", 5)
    assert load(folder, endpoint_url="http://other").going_on(noted).endpoint_url == "http://other"


def test_paths(folder: Path) -> None:
    """A folder may be given as a path."""
    assert load(folder, storage=Path("/a/b")).storage == "/a/b"


BAD: list[tuple[str, Any]] = [
    ("workers", 0),
    ("workers", "two"),
    ("workers", 1.5),
    ("workers", True),
    ("workers", float("inf")),
    ("workers", float("nan")),
    ("workers", [2]),
    ("memory", "1MB"),
    ("memory", "lots"),
    ("memory", -1),
    ("split_size", 0),
    ("split_size", "64 parsecs"),
    ("partitions", 0),
    ("retries", -1),
    ("timeout", -1),
    ("timeout", float("inf")),
    ("timeout", "soon"),
    ("patience", -1),
    ("patience", "long"),
    ("state", "s3://bucket/state"),
    ("state", 5),
    ("overwrite", "perhaps"),
    ("keep_intermediates", 2),
    ("executor", "cloud"),
    ("executor", ["local"]),
    ("storage", 5),
    ("shuffle", ["/tmp"]),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_bad_arguments(folder: Path, name: str, value: Any) -> None:
    """A value that cannot be used is an error that names the setting, its origin and the value."""
    with pytest.raises(ConfigError, match=rf"^argument {name}: ") as caught:
        load(folder, **{name: value})
    assert str(value).strip("[]'") in str(caught.value)


def test_bad_variables(folder: Path) -> None:
    """A bad variable names the environment."""
    with pytest.raises(ConfigError, match=r"^environment workers: 'x' is not a number of 1 or more"):
        load(folder, {"MAPREDUCE_WORKERS": "x"})


def test_bad_config_values(folder: Path) -> None:
    """A bad value of a config file names the file."""
    (folder / "mapreduce.toml").write_text("retries = -1\n")
    with pytest.raises(ConfigError, match=r"work/mapreduce.toml retries: -1 is not"):
        load(folder)


@pytest.mark.parametrize("text", ["workers = \n", "workers\0", "\x80"])
def test_bad_config_files(folder: Path, text: str) -> None:
    """A config file that is no TOML is an error that names it."""
    (folder / "mapreduce.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"work/mapreduce.toml: "):
        load(folder)


def test_unknown_settings(folder: Path) -> None:
    """An unknown setting is an error that names its origin and the known ones, wherever it is."""
    with pytest.raises(ConfigError, match=r"^argument: there is no setting 'worker'; there are .*workers"):
        load(folder, worker=2)
    with pytest.raises(ConfigError, match=r"^environment: there is no setting 'worker'"):
        load(folder, {"MAPREDUCE_WORKER": "2"})
    (folder / "mapreduce.toml").write_text("[driver]\nworkers = 2\n")
    with pytest.raises(ConfigError, match=r"mapreduce.toml: there is no setting 'driver'"):
        load(folder)


def test_driver_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's settings come from its arguments, its environment and its working folder."""
    (folder / "mapreduce.toml").write_text("retries = 3\nworkers = 3\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MAPREDUCE_WORKERS", "4")
    settings = Driver(split_size="1KB").settings
    assert (settings.retries, settings.workers, settings.split_size) == (3, 4, 1000)
    with pytest.raises(ConfigError, match="executor"):
        Driver(executor="nowhere")


@pytest.mark.parametrize("name", ["storage", "shuffle"])
def test_memory_is_for_one_process(folder: Path, name: str) -> None:
    """Worker processes cannot see the driver's memory, so a store there is refused for them."""
    with pytest.raises(ConfigError, match=f"{name}: memory://x is in this process alone"):
        Settings.load({"executor": "local", name: "memory://x"}, {}, folder)
    assert getattr(Settings.load({"executor": "inline", name: "memory://x"}, {}, folder), name) == "memory://x"


def cloud(folder: Path, **given: Any) -> Settings:
    return load(folder, **{"executor": "lambda", "storage": "s3://bucket/scratch", **given})


def test_lambda(folder: Path) -> None:
    """On Lambda as many attempts run at once as accounts may run by default, unless it is said."""
    settings = cloud(folder)
    assert (settings.workers, settings.function, settings.invoke) == (1000, "mapreduce", "event")
    assert settings.shuffle == "s3://bucket/scratch/jobs"
    assert cloud(folder, workers=7).workers == 7
    assert load(folder, {"MAPREDUCE_WORKERS": "3"}, executor="lambda", storage="s3://b/c").workers == 3


def test_memory_on_lambda(folder: Path) -> None:
    """There the function's memory counts; what is set is kept to be compared with it."""
    assert cloud(folder).memory is None
    assert cloud(folder, memory="1GB").memory == 1_000_000_000
    assert load(folder).memory == 512_000_000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"invoke": "sometimes"}, "argument invoke: 'sometimes' is neither event nor request"),
        ({"function": ""}, "argument function: it must name a function"),
        ({"redis_secret": "open sesame"}, "argument redis_secret: it must say where a secret is"),
        ({"redis_password": "open sesame"}, "redis_password: a password is not sent to AWS Lambda"),
        ({"shuffle": "/here"}, "shuffle: functions on AWS Lambda cannot reach /here"),
        ({"storage": "memory://here"}, "storage: functions on AWS Lambda cannot reach memory://here"),
        ({"requirements": 3}, "argument requirements: it must be a list of requirements, or the path"),
    ],
)
def test_what_lambda_cannot_use(folder: Path, given: dict[str, Any], told: str) -> None:
    """It is refused with the setting's name; what may be a secret is not shown."""
    with pytest.raises(ConfigError, match=told) as caught:
        cloud(folder, **given)
    assert "sesame" not in str(caught.value)


def test_what_is_sent_to_lambda(folder: Path) -> None:
    """Workers there reach stores by their own rights: neither profile nor password goes along."""
    settings = cloud(folder, profile="me", redis_secret="ssm:/secret", endpoint_url="https://s3.example.com")
    assert settings.access.profile == "me"
    assert settings.worker_access.to_json() == {
        "endpoint_url": "https://s3.example.com",
        "redis_secret": "ssm:/secret",
    }


def test_requirements(folder: Path) -> None:
    """A list as it is, or a file, which pip reads."""
    assert load(folder, requirements=["numpy==2.0"]).requirements == ("numpy==2.0",)
    path = folder / "requirements.txt"
    path.write_text("numpy\n")
    assert load(folder, requirements=str(path)).requirements == (f"-r {path}",)
