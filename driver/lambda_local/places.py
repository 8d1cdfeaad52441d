"""What sandboxes are made of: a command, an environment, and folders below the service's home."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution

from driver.lambda_local.functions import LATEST, Function
from driver.lambda_local.logs import Logs
from driver.lambda_local.reaper import Reaper
from mapreduce.errors import ConfigError

#: What AWS's runtime for Python has beside Python.
PROVIDED = (
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
    *("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"),
)


class Places:
    """Everything that a new sandbox needs.

    Args:
        home: a folder of the service's own.
        logs: where sandboxes log.
        reaper: ends them with the service.
        given: environment variables that every sandbox gets.
        site_packages: whether functions find all packages that the service's Python has; otherwise only
            those of AWS's runtime, and what is in their zip file.
    """

    def __init__(self, home: str, logs: Logs, reaper: Reaper, given: Mapping[str, str], *, site_packages: bool) -> None:
        self.logs = logs
        self.reaper = reaper
        self._home = home
        self._given = dict(given)
        self._runtime = "" if site_packages else _link_runtime(os.path.join(home, "runtime"))

    @property
    def code(self) -> str:
        """Where code is unpacked."""
        return os.path.join(self._home, "code")

    def tmp(self, sandbox: str) -> str:
        """A new folder that stands for /tmp."""
        folder = os.path.join(self._home, "tmp", sandbox)
        os.makedirs(folder)
        return folder

    def discard(self, tmp: str) -> None:
        """Remove such a folder."""
        shutil.rmtree(tmp, ignore_errors=True)

    def command(self, function: Function) -> list[str]:
        """The official runtime client; without a site, packages are found where PYTHONPATH says alone."""
        isolated = ["-S"] if self._runtime else []
        return [sys.executable, "-P", *isolated, "-m", "awslambdaric", function.settings["Handler"]]

    def environment(self, function: Function, runtime_api: str, stream: str, tmp: str) -> dict[str, str]:
        """The environment of a sandbox: nothing of the service's own."""
        variables = function.variables
        path = [function.code.folder, variables.pop("PYTHONPATH", ""), self._runtime]
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._given,
            **variables,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "HOME": tmp,  # where nobody's AWS configuration is
            "TMPDIR": tmp,
            "_HANDLER": function.settings["Handler"],
            "LAMBDA_TASK_ROOT": function.code.folder,
            "LAMBDA_RUNTIME_DIR": self._runtime,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.settings['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
        }


def _link_runtime(folder: str) -> str:
    """Have in `folder` the packages that AWS's runtime provides, as they are installed here."""
    os.makedirs(folder)
    for name in PROVIDED:
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise ConfigError(
                f"{name} is not installed; it comes with: pip install 'bsp-mapreduce[lambda-local]'"
            ) from None
        tops = {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}
        for top in tops:
            os.symlink(str(package.locate_file(top)), os.path.join(folder, top))
    return folder
