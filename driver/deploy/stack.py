"""One CloudFormation stack: changed by change sets, waited for, its failures told with their reasons."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from driver.deploy.aws import Aws
from driver.deploy.errors import AwsError, DeployError
from driver.deploy.template import TAG

#: Told of what happens, a line at a time.
Tell = Callable[[str], None]

# Seconds between two looks at a stack that changes.
_PAUSE = 2.0
# Seconds after which CloudFormation has surely ended: it gives up a resource after hours at most.
_PATIENCE = 3 * 3600
# Change sets that would change nothing are refused in these words.
_NOTHING = ("didn't contain changes", "No updates are to be performed")
# What is said of resources that did not fail themselves.
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")
# A stack that was never made, or whose making failed: it can only be deleted.
_UNMADE = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_WORDS = {"CREATE": "made", "UPDATE": "changed", "DELETE": "removed", "IMPORT": "taken over"}


class State(NamedTuple):
    """What a stack says of itself."""

    id: str
    status: str
    reason: str
    outputs: dict[str, str]
    parameters: frozenset[str]
    ours: bool

    @property
    def stands(self) -> bool:
        """Whether it has been made, so that it can be changed."""
        return self.status not in _UNMADE


class Stack:
    """The stack of a name in an account and region.

    Args:
        aws: the account.
        name: of the stack.
        tell: is told of what happens.
        pause: waits for seconds.
    """

    def __init__(self, aws: Aws, name: str, tell: Tell, pause: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self._aws = aws
        self._tell = tell
        self._pause = pause

    def state(self) -> State | None:
        """What it says of itself; None where there is no such stack.

        Raises:
            DeployError: somebody else has made a stack of that name.
        """
        state = self._state(self.name)
        if state is not None and not state.ours:
            raise DeployError(
                f"the stack {self.name} was not made by `mapreduce deploy`, and is left as it is: choose another --name"
            )
        return state

    def template(self) -> dict[str, Any]:
        """The template that it was made of last."""
        body = self._call("get_template", StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return dict(json.loads(body) if isinstance(body, str) else body)

    def prepare(self, template: Mapping[str, Any]) -> str:
        """Have the change of the stack to `template` worked out: the id of the change set, "" for no change.

        The template's parameters, which are secrets all, keep their values, or get random ones.

        Raises:
            DeployError: it cannot be changed so.
        """
        state = self.state()
        if state is not None and not state.stands:
            self._tell(f"the stack {self.name} was left unmade ({state.status}); it is removed first")
            self.delete()
            state = None
        elif state is not None and state.status.endswith("_IN_PROGRESS"):
            raise DeployError(f"the stack {self.name} is being changed ({state.status}): try again when that has ended")
        made = self._call(
            "create_change_set",
            StackName=self.name,
            ChangeSetName=f"mapreduce-{time.time_ns()}",
            ChangeSetType="UPDATE" if state else "CREATE",
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "UsePreviousValue": True}
                if state and name in state.parameters
                else {"ParameterKey": name, "ParameterValue": secrets.token_hex(32)}
                for name in template.get("Parameters", ())
            ],
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": TAG, "Value": self.name}],
        )
        change_set, status, reason = made["Id"], "", ""
        for _ in self._looks():
            seen = self._call("describe_change_set", ChangeSetName=change_set, StackName=self.name)
            status, reason = seen["Status"], seen.get("StatusReason", "")
            if status not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
        if status == "CREATE_COMPLETE":
            return str(change_set)
        self.drop(change_set)
        if any(words in reason for words in _NOTHING):
            return ""
        raise DeployError(f"CloudFormation refuses to change the stack {self.name}: {reason or status}")

    def drop(self, change_set: str) -> None:
        """Remove a change set that is not to be executed, and the empty stack that it may have made."""
        self._call("delete_change_set", ChangeSetName=change_set, StackName=self.name)
        state = self.state()
        if state is not None and state.status == "REVIEW_IN_PROGRESS":
            self.delete()

    def execute(self, change_set: str) -> State:
        """Change the stack, and wait until that has ended.

        Raises:
            DeployError: it failed, and the stack is again what it was; the message gives the reasons.
        """
        before = self._seen(self.name)
        self._call("execute_change_set", ChangeSetName=change_set, StackName=self.name)
        state = self._wait(self.name, before)
        if state is None or state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeployError(self._failure(self.name, before, state))
        return state

    def delete(self) -> None:
        """Delete the stack, and wait until that has ended.

        Raises:
            DeployError: something of it could not be removed; the message gives the reasons.
        """
        state = self.state()
        if state is None:
            return
        before = self._seen(state.id)
        self._call("delete_stack", StackName=self.name)
        last = self._wait(state.id, before)  # by its id it can still be asked for
        if last is not None and last.status != "DELETE_COMPLETE":
            raise DeployError(self._failure(state.id, before, last))

    def resources(self) -> dict[str, str]:
        """What the stack has made: names in the template, and names in the account."""
        found = self._call("describe_stack_resources", StackName=self.name)["StackResources"]
        return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in found}

    def drift(self) -> dict[str, str]:
        """Resources that are not as the stack made them, by their names, and what CloudFormation says of each."""
        detection = self._call("detect_stack_drift", StackName=self.name)["StackDriftDetectionId"]
        for _ in self._looks():
            status = self._call("describe_stack_drift_detection_status", StackDriftDetectionId=detection)
            if status["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
        if status["DetectionStatus"] == "DETECTION_FAILED" and "DetectionStatusReason" in status:
            self._tell(f"not all could be looked at: {status['DetectionStatusReason']}")
        filters = ["MODIFIED", "DELETED"]
        found: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            page = self._call(
                "describe_stack_resource_drifts",
                StackName=self.name,
                StackResourceDriftStatusFilters=filters,
                **more,
            )
            for one in page["StackResourceDrifts"]:
                differences = [
                    f"{each['PropertyPath'].lstrip('/')}: {each['ExpectedValue']} -> {each['ActualValue']}"
                    for each in one.get("PropertyDifferences", ())
                ]
                found[one["LogicalResourceId"]] = "; ".join(differences) or one["StackResourceDriftStatus"].lower()
            if "NextToken" not in page:
                return found
            more = {"NextToken": page["NextToken"]}

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._aws.call("cloudformation", operation, **arguments)

    def _state(self, stack: str) -> State | None:
        try:
            [told] = self._call("describe_stacks", StackName=stack)["Stacks"]
        except AwsError as error:
            if error.code == "ValidationError" and "does not exist" in error.reason:
                return None
            raise
        outputs = {one["OutputKey"]: one["OutputValue"] for one in told.get("Outputs", ())}
        parameters = frozenset(one["ParameterKey"] for one in told.get("Parameters", ()))
        status = told["StackStatus"]
        # A stack of which there is nothing but a change set has no tags yet.
        ours = status == "REVIEW_IN_PROGRESS" or any(one["Key"] == TAG for one in told.get("Tags", ()))
        return State(told["StackId"], status, told.get("StackStatusReason", ""), outputs, parameters, ours)

    def _looks(self) -> Iterator[None]:
        """Once for each look at something that is to end, with pauses between."""
        for number in range(int(_PATIENCE / _PAUSE)):
            if number:
                self._pause(_PAUSE)
            yield
        raise DeployError(f"CloudFormation has not ended its work on the stack {self.name} for {_PATIENCE} s")

    def _wait(self, stack: str, seen: set[str]) -> State | None:
        """Wait until a stack changes no more, and tell of its events but those seen; None when it is gone."""
        told = set(seen)
        for _ in self._looks():
            state = self._state(stack)
            for event in self._events(stack, told):
                self._tell_of(event)
            if state is None or not state.status.endswith("_IN_PROGRESS"):
                return state
        raise AssertionError

    def _tell_of(self, event: Mapping[str, Any]) -> None:
        action, _, outcome = event["ResourceStatus"].partition("_")
        if event["LogicalResourceId"] == self.name or outcome == "IN_PROGRESS":
            return
        reason = event.get("ResourceStatusReason", "")
        how = f"{event['ResourceStatus']}: {reason}"
        if outcome in ("COMPLETE", "SKIPPED"):
            how = "kept" if outcome == "SKIPPED" else _WORDS.get(action, action.lower())
        self._tell(f"{event['LogicalResourceId']}: {how}")

    def _seen(self, stack: str) -> set[str]:
        """The ids of the events so far."""
        seen: set[str] = set()
        list(self._events(stack, seen))
        return seen

    def _events(self, stack: str, seen: set[str]) -> list[dict[str, Any]]:
        """The events not in `seen`, which they are added to, the oldest first."""
        found = []
        try:
            for page in self._aws.pages("cloudformation", "describe_stack_events", StackName=stack):
                fresh = [event for event in page["StackEvents"] if event["EventId"] not in seen]
                found += fresh
                if len(fresh) < len(page["StackEvents"]):
                    break  # the newest come first
        except AwsError as error:
            if "does not exist" not in error.reason:
                raise
        seen.update(event["EventId"] for event in found)
        return found[::-1]

    def _failure(self, stack: str, seen: set[str], state: State | None) -> str:
        """What went wrong, in the words of the resources that failed."""
        reasons = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
            for event in self._events(stack, set(seen))
            if event["ResourceStatus"].endswith("_FAILED")
            and event["LogicalResourceId"] != self.name
            and not event.get("ResourceStatusReason", "").startswith(_CONSEQUENCES)
        ]
        status = "is gone" if state is None else f"is in the state {state.status}"
        told = "; ".join(reasons) or (state.reason if state else "") or "CloudFormation gives no reason"
        return f"the stack {self.name} {status}: {told}"
