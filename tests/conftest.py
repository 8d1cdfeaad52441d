"""What all tests share."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator

import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite(
    "mapreduce.objectstore.testing",
    "shuffle.testing",
    "tests.contract.executor",
    "tests.worker.build",
)

# No deadlines: a busy machine is no failure.
settings.register_profile(
    "normal",
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("normal"), max_examples=8, stateful_step_count=10)
settings.register_profile("thorough", settings.get_profile("normal"), max_examples=3000, stateful_step_count=50)
settings.load_profile("normal")


def pytest_configure(config: pytest.Config) -> None:
    """Where the slow tests are left out, others take fewer examples; --hypothesis-profile is stronger."""
    if "not slow" in config.getoption("markexpr"):
        settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: what is left for the end is divided well."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Thousands of tests are no garbage: it is not looked for among them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers keep their notebooks where the tests' own files are."""
    monkeypatch.setenv("MAPREDUCE_STATE", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="session", autouse=True)
def _models() -> Iterator[None]:
    """Clients of AWS are made by the hundred: what botocore knows of its services is read once, not for each."""
    found: dict[tuple[str, ...], list[str]] = {}
    look = Loader.list_available_services

    def look_once(loader: Loader, type_name: str) -> list[str]:
        places = (type_name, *loader.search_paths)
        if places not in found:
            found[places] = look(loader, type_name)
        return found[places]

    load_once = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda loader, path: load_once(path))
        patch.setattr(Loader, "list_available_services", look_once)
        yield
