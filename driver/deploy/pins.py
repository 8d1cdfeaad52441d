"""Which distributions a function needs, in the versions that are installed here.

What runs there is then what was tried here, and the same environment gives the same package.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from driver.deploy.errors import DeployError
from driver.deploy.platforms import Platform

#: What mapreduce, shuffle and worker import beside the standard library. Without NumPy, which alone would
#: take the package beyond its size, and without boto3, which Lambda's runtime has.
NEEDED = ("blake3", "cloudpickle", "obstore", "psutil", "redis[hiredis]", "zstandard")


def pins(requirements: Iterable[str], platform: Platform) -> dict[str, str]:
    """All distributions that `requirements` lead to on `platform`, by their normal names: their versions here.

    Raises:
        DeployError: one is not installed, or not in a version that is required.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        installed = _installed(requirement.name)
        if not requirement.specifier.contains(installed.version, prereleases=True):
            raise DeployError(
                f"{requirement} is required in the function, and {installed.version} is installed here: install one"
                " that fits, so that the function gets what you have tried"
            )
        found[canonicalize_name(requirement.name)] = installed.version
        for text in installed.requires or ():
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({**platform.markers, "extra": extra}) for extra in {*extras, ""}
            ):
                needed.marker = None
                waiting.append(needed)
    return dict(sorted(found.items()))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise DeployError(
            f"{name} is not installed here: install it, so that the function gets the version that you have tried"
        ) from None
