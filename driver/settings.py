"""Settings: from arguments, else the environment, else a config file, else defaults."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mapreduce.errors import ConfigError
from mapreduce.objectstore import Access
from mapreduce.objectstore.registry import split_url
from mapreduce.sizes import parse_size

#: The environment variable of a setting is this and its name in capitals: MAPREDUCE_WORKERS.
PREFIX = "MAPREDUCE_"
#: Config files, the nearer one first; only the first that exists is read.
CONFIG_FILES = ("mapreduce.toml", "~/.config/mapreduce.toml")

# Environment variables with the prefix that are no settings.
_OTHERS = ("MAPREDUCE_WORKER_HOME",)
# More than anybody means.
_INFINITE = 1e9
_MINIMAL_MEMORY = 64_000_000
# The concurrency that accounts on AWS Lambda have by default; a smaller one is found out.
_CLOUD_WORKERS = 1000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where and how a driver runs jobs; every value is checked and in its final form.

    Attributes:
        executor: where attempts run: "local" (processes of this machine), "inline" (this process) or "lambda".
        workers: how many attempts run at once.
        memory: bytes of memory that one worker may use; on AWS Lambda it is the function's that counts, and None
            unless somebody named it.
        split_size: bytes of input, at most, that one map task reads.
        partitions: number of reduce tasks of jobs that do not say it; None: by the size of the input.
        storage: URL of the object store of control keys and of results without an output folder.
        shuffle: URL of the shuffle store; by default the job's folder in `storage`.
        endpoint_url: of the S3 service; "": what AWS_ENDPOINT_URL says, else AWS.
        profile: of the AWS configuration files; "": the usual chain of credentials.
        redis_username: of a Redis ACL user; "": the default user.
        redis_secret: where workers find the password of Redis: "ssm:NAME" or "secretsmanager:NAME".
        redis_password: of Redis; it may stand in the shuffle's URL too, from where it is taken out.
        exchange: how map and reduce exchange data: "direct", "two-level" (a round of merge tasks between them,
            for fewer requests), or "auto" (what takes less time).
        retries: how many times a task that failed is tried again.
        timeout: seconds that one attempt may take; None: any.
        requirements: lines of a requirements file, of libraries that workers are to have.
        function: name or ARN of the function that runs attempts on AWS Lambda.
        region: of AWS, for the function; "": what AWS's configuration says.
        invoke: how the function is invoked: "event" (asynchronously) or "request".
        patience: seconds for which the driver tries again while a store cannot be reached.
        state: folder for what the driver keeps of its jobs on this machine, their secrets among it.
        overwrite: whether an output folder's earlier result may be replaced.
        keep_intermediates: whether code, control keys and shuffle data stay when a job has ended.
    """

    executor: str = "local"
    workers: int = 2
    memory: int | None = 512_000_000
    split_size: int = 128_000_000
    partitions: int | None = None
    storage: str = ""
    shuffle: str = ""
    endpoint_url: str = ""
    profile: str = ""
    redis_username: str = ""
    redis_secret: str = ""
    redis_password: str = field(default="", repr=False)
    exchange: str = "auto"
    retries: int = 2
    timeout: float | None = 3600.0
    requirements: tuple[str, ...] = ()
    function: str = "mapreduce"
    region: str = ""
    invoke: str = "event"
    patience: float = 600.0
    state: str = ""
    overwrite: bool = False
    keep_intermediates: bool = False

    @classmethod
    def load(
        cls, given: Mapping[str, Any], environ: Mapping[str, str] = os.environ, folder: str | os.PathLike[str] = "."
    ) -> Settings:
        """The settings that result from these arguments, of which None means not given.

        Args:
            given: arguments by name.
            environ: the environment.
            folder: where a relative config file is looked for.

        Raises:
            ConfigError: a setting is unknown or has an unusable value; the message tells from where.
        """
        known = {one.name for one in fields(cls)}
        values: dict[str, Any] = {
            "workers": _processors(),
            "storage": _default_storage(),
            "state": _default_state(environ),
        }
        origins = (_config_file(Path(folder)), ("environment", _environment(environ)), ("argument", given))
        sources = [source for _, source in origins]
        for origin, source in origins:
            for name, value in source.items():
                if name not in known:
                    raise ConfigError(f"{origin}: there is no setting {name!r}; there are {', '.join(sorted(known))}")
                if value is not None:
                    values[name] = _CHECKS[name](value, f"{origin} {name}")
        if values.get("executor") == "lambda":
            values |= _of_the_cloud(values, {name for source in sources for name, value in source.items() if value})
        if not values.get("shuffle"):
            values["shuffle"] = values["storage"].rstrip("/") + "/jobs"
        if values["shuffle"].startswith(("redis://", "rediss://")):
            from shuffle.redis import split_credentials

            values["shuffle"], username, password = split_credentials(values["shuffle"])
            if username or password:
                values.update(redis_username=username, redis_password=password)
        settings = cls(**values)
        settings._check_places()
        settings._check_requirements()
        return settings

    def _check_requirements(self) -> None:
        if self.requirements and self.executor == "inline":
            raise ConfigError(
                "requirements: with executor inline attempts have what this process has: install them here"
            )

    def _check_places(self) -> None:
        """Refuse stores that the workers cannot reach, or not safely."""
        for name, url in (("storage", self.storage), ("shuffle", self.shuffle)):
            if self.executor == "lambda":
                refuse_local(name, url)
            elif self.executor != "inline" and url.startswith("memory://"):
                raise ConfigError(f"{name}: {url} is in this process alone; it needs executor inline")
        if self.executor == "lambda" and self.redis_password:
            raise ConfigError(
                "redis_password: a password is not sent to AWS Lambda: put it into the Parameter Store or Secrets"
                " Manager, and say where by redis_secret, as ssm:/path/of/it or secretsmanager:name"
            )

    def noted(self) -> dict[str, Any]:
        """What another driver needs to go on with a job of this one: all but what is secret, or the machine's."""
        return {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("redis_password", "state")
        }

    def going_on(self, noted: Mapping[str, Any]) -> Settings:
        """These settings for a job that another driver began: what its plan depends on is as it was.

        Args:
            noted: what `noted` gave of that driver's settings.
        """
        planned = ("storage", "shuffle", "exchange", "workers", "split_size", "overwrite", "keep_intermediates")
        ways = {
            name: getattr(self, name) or noted.get(name, "")
            for name in ("endpoint_url", "profile", "redis_username", "redis_secret")
        }
        return replace(self, **{name: noted[name] for name in planned if name in noted}, **ways)

    @property
    def access(self) -> Access:
        """How stores are reached, beside their URLs."""
        return Access(
            endpoint_url=self.endpoint_url,
            profile=self.profile,
            redis_username=self.redis_username,
            redis_password=self.redis_password,
            redis_secret=self.redis_secret,
        )

    @property
    def worker_access(self) -> Access:
        """How workers reach stores: on AWS Lambda with the rights of their function, not of this machine."""
        return replace(self.access, profile="") if self.executor == "lambda" else self.access


def refuse_local(what: str, url: str) -> None:
    """Refuse a place of this machine where workers run elsewhere.

    Raises:
        ConfigError: it is one.
    """
    if split_url(url)[0] in ("file", "memory"):
        raise ConfigError(
            f"{what}: functions on AWS Lambda cannot reach {url}, which is on this machine; name a place like"
            " s3://bucket/prefix"
        )


def _of_the_cloud(values: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """The values of settings on AWS Lambda that are not given."""
    found: dict[str, Any] = {"workers": _CLOUD_WORKERS, "memory": None}
    if "storage" not in given:
        from driver.deploy.deployed import found_settings

        found |= found_settings(values)
    return {name: value for name, value in found.items() if name not in given}


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _OTHERS and value
    }


def _processors() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, available)


def _default_storage() -> str:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return os.path.join(tempfile.gettempdir(), f"mapreduce-{user}")


def _default_state(environ: Mapping[str, str]) -> str:
    home = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(home, "mapreduce")


def _config_file(folder: Path) -> tuple[str, dict[str, Any]]:
    for name in CONFIG_FILES:
        path = folder / Path(name).expanduser()
        if path.is_file():
            import tomllib

            try:
                return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path}: {error}") from None
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}") from None
    return "", {}


def _number(least: float, kind: type) -> Any:
    def check(value: Any, setting: str) -> Any:
        try:
            number = kind(value)
            usable = not isinstance(value, bool) and least <= number < _INFINITE and float(value) == number
        except (TypeError, ValueError, OverflowError):
            usable = False
        if not usable:
            raise ConfigError(f"{setting}: {value!r} is not a number of {least:g} or more")
        return number

    return check


def _memory(value: Any, setting: str) -> int:
    size = parse_size(value, setting)
    if size < _MINIMAL_MEMORY:
        raise ConfigError(f"{setting}: {value!r} is too little; a worker needs 64MB or more")
    return size


def _executor(value: Any, setting: str) -> str:
    from driver.executors import EXECUTORS

    if not isinstance(value, str) or value not in EXECUTORS:
        raise ConfigError(f"{setting}: {value!r} is none of {', '.join(sorted(EXECUTORS))}")
    return value


def _exchange(value: Any, setting: str) -> str:
    if value not in ("auto", "direct", "two-level"):
        raise ConfigError(f"{setting}: {value!r} is none of auto, direct, two-level")
    return str(value)


def _requirements(value: Any, setting: str) -> tuple[str, ...]:
    """The lines of a list, or of the file at a path."""
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return tuple(value)
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{setting}: it must be a list of requirements, or the path of a file of them")
    path = Path(value).absolute()
    try:
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error}") from None
    return (f"-r {path}",)  # pip itself reads it, with all that may stand in it


def _invoke(value: Any, setting: str) -> str:
    if value not in ("event", "request"):
        raise ConfigError(f"{setting}: {value!r} is neither event nor request")
    return str(value)


def _function(value: Any, setting: str) -> str:
    if not _text(value, setting):
        raise ConfigError(f"{setting}: it must name a function")
    return str(value)


def _secret(value: Any, setting: str) -> str:
    text = _text(value, setting)
    if text and not re.fullmatch("(ssm|secretsmanager):[^:].*", text):  # it may be the secret itself: not shown
        raise ConfigError(f"{setting}: it must say where a secret is, as ssm:NAME or secretsmanager:NAME")
    return text


def _switch(value: Any, setting: str) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[str(value).lower()]
    except KeyError:
        raise ConfigError(f"{setting}: {value!r} is neither true nor false") from None


def _url(value: Any, setting: str) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text:
        raise ConfigError(f"{setting}: {value!r} is neither a path nor a URL")
    scheme, place = split_url(text)
    return place if scheme == "file" else text


def _folder(value: Any, setting: str) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "://" in text:
        raise ConfigError(f"{setting}: {value!r} is no path of a folder")
    return os.path.abspath(os.path.expanduser(text))


def _text(value: Any, setting: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{setting}: it must be text, not {type(value).__name__}")
    return value


def _endpoint(value: Any, setting: str) -> str:
    text = _text(value, setting)
    if text and not text.startswith(("http://", "https://")):
        raise ConfigError(f"{setting}: {text!r} is no URL; write it like https://s3.example.com")
    return text


def _timeout(value: Any, setting: str) -> float | None:
    return None if str(value).lower() in ("none", "0") else float(_number(0.001, float)(value, setting))


_CHECKS = {
    "executor": _executor,
    "workers": _number(1, int),
    "memory": _memory,
    "split_size": parse_size,
    "partitions": _number(1, int),
    "storage": _url,
    "shuffle": _url,
    "endpoint_url": _endpoint,
    "profile": _text,
    "redis_username": _text,
    "redis_secret": _secret,
    "redis_password": _text,
    "exchange": _exchange,
    "retries": _number(0, int),
    "timeout": _timeout,
    "requirements": _requirements,
    "function": _function,
    "region": _text,
    "invoke": _invoke,
    "patience": _number(0, float),
    "state": _folder,
    "overwrite": _switch,
    "keep_intermediates": _switch,
}
