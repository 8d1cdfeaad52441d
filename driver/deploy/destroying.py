"""`mapreduce destroy`: removes what `mapreduce deploy` made, and says what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driver.deploy.aws import Aws
from driver.deploy.deployment import Deployment
from driver.deploy.errors import AwsError
from driver.deploy.scratch import clear_code, clear_data, left
from driver.deploy.stack import Stack, Tell
from driver.deploy.template import METADATA
from mapreduce.sizes import format_size


class Doomed:
    """A deployment that is to be removed.

    Args:
        aws: the account.
        stack: that is to be removed.

    Attributes:
        present: whether there is one.
        resources: what the stack has made: names in the template, and names in the account.
    """

    def __init__(self, aws: Aws, stack: Stack) -> None:
        self._aws = aws
        self._stack = stack
        state = stack.state()
        self.present = state is not None
        self.resources: dict[str, str] = {}
        self._template: Mapping[str, Any] = {"Resources": {}}
        self._bucket = ""
        self._deployment = Deployment(name=stack.name)
        if state is not None and state.stands:
            self.resources = stack.resources()
            self._template = stack.template()
            self._bucket = state.outputs.get("Bucket", "")
            self._deployment = Deployment.from_json(self._template["Metadata"][METADATA]["deployment"])

    @property
    def _own_bucket(self) -> bool:
        return "Scratch" in self._template["Resources"]

    def remove(self, *, data: bool, tell: Tell) -> list[str]:
        """Remove the stack, and of the bucket what this program put there.

        Args:
            data: whether what jobs made is removed from the bucket too.
            tell: is told of what happens.

        Returns:
            What is left, in sentences.

        Raises:
            DeployError: something of it could not be removed.
        """
        self._stack.delete()
        if not self._bucket:
            return []
        deleted = clear_code(self._aws, self._bucket, self._deployment)
        if data:
            deleted += clear_data(self._aws, self._bucket, self._deployment)
        tell(f"{deleted} objects deleted from {self._bucket}")
        return self._left()

    def _left(self) -> list[str]:
        found = left(self._aws, self._bucket, "" if self._own_bucket else f"{self._deployment.prefix}/")
        what = f"{found.objects} objects ({format_size(found.size)})"
        if not self._own_bucket:
            if not found.objects:
                return []
            return [f"the bucket {self._bucket} was not made here; below {self._deployment.prefix}/ it holds {what}"]
        if found.objects:
            return [f"the bucket {self._bucket} holds {what}, and stays: deploy with --bucket {self._bucket} to use it"]
        try:
            self._aws.call("s3", "delete_bucket", Bucket=self._bucket)
        except AwsError as error:
            return [f"the bucket {self._bucket} stays: {error}"]
        return []
