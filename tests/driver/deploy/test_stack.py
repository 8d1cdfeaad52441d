"""Stacks in an account: what fails is told with its reason, and nothing half-made stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver.deploy.aws import Aws
from driver.deploy.deployed import find_deployed, found_settings
from driver.deploy.deploying import plan
from driver.deploy.deployment import Deployment
from driver.deploy.destroying import Doomed
from driver.deploy.errors import AwsError, DeployError
from driver.deploy.stack import Stack
from driver.deploy.status import look
from driver.deploy.template import template
from driver.deploy.vpc import look_up
from mapreduce import ConfigError
from tests.services.s3_servers import Key, ministack, use

pytestmark = pytest.mark.process

_numbers = itertools.count()


class Account:
    """An account of the emulator, and a stack there that is not yet made.

    Attributes:
        aws: the account.
        stack: the stack.
        told: what the stack has told.
    """

    def __init__(self) -> None:
        self.aws = Aws("us-east-1")
        self.told: list[str] = []
        self.stack = Stack(self.aws, f"stack-{next(_numbers)}", self.told.append, lambda _: None)

    def template(self, **options: Any) -> dict[str, Any]:
        """The template of a deployment without a function."""
        return template(Deployment().changed({"name": self.stack.name, **options}), None)

    def buckets(self) -> list[str]:
        """The buckets that stacks have made."""
        found = self.aws.call("s3", "list_buckets")["Buckets"]
        return [one["Name"] for one in found if one["Name"].startswith(self.stack.name)]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which everything is allowed."""
    server = ministack()
    use(server.root, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    made = Account()
    assert made.stack.state() is None  # the clients have their credentials now, whatever a test does
    yield made
    made.stack.delete()


def make(account: Account, **options: Any) -> Any:
    """Make or change the stack."""
    change_set = account.stack.prepare(account.template(**options))
    return account.stack.execute(change_set) if change_set else None


def test_make_change_delete(account: Account) -> None:
    """A stack is made, told of, changed only where it differs, and removed."""
    assert account.stack.state() is None
    state = make(account)
    assert state.outputs["Storage"] == f"s3://{state.outputs['Bucket']}/mapreduce"
    assert "Scratch: made" in account.told
    assert account.stack.template() == account.template()
    assert make(account) is None
    assert make(account, retention="30").outputs == state.outputs
    assert set(account.stack.resources()) == {"Scratch", "Logs", "Role"}
    account.stack.delete()
    assert account.stack.state() is None
    assert "Scratch: kept" in account.told


def test_dropped_change_set_leaves_nothing(account: Account) -> None:
    """A change that is not wanted after all leaves no empty stack."""
    account.stack.drop(account.stack.prepare(account.template()))
    assert account.stack.state() is None


def test_a_stack_of_somebody_else(account: Account) -> None:
    """It is neither taken for a deployment, nor changed, nor removed."""
    body = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"  # not even JSON
    account.aws.call("cloudformation", "create_stack", StackName=account.stack.name, TemplateBody=body)
    acts: list[Callable[[], object]] = [
        lambda: plan(account.aws, account.stack, {}),
        lambda: look(account.aws, account.stack, thorough=True),
        lambda: Doomed(account.aws, account.stack),
        lambda: account.stack.prepare(account.template()),
        account.stack.delete,
    ]
    try:
        for act in acts:
            with pytest.raises(DeployError, match=r"was not made by `mapreduce deploy`.*: choose another --name"):
                act()
        assert set(account.stack.resources()) == {"Topic"}
    finally:
        account.aws.call("cloudformation", "delete_stack", StackName=account.stack.name)


def test_failure_is_told_and_undone(account: Account) -> None:
    """What failed is named with the service's reason, what was made is gone, and the next try begins anew."""
    name = account.stack.name
    account.aws.call("events", "create_event_bus", Name=name)
    broken = account.template()
    # After all others; the emulator makes more twice than AWS does.
    bus = {"Type": "AWS::Events::EventBus", "DependsOn": ["Logs", "Role", "Scratch"], "Properties": {"Name": name}}
    broken["Resources"]["Bus"] = bus
    with pytest.raises(DeployError, match=rf"the stack {name} .*ROLLBACK_COMPLETE: Bus: .*already exists"):
        account.stack.execute(account.stack.prepare(broken))
    assert account.buckets() == []
    assert make(account) is not None
    assert any("was left unmade" in line for line in account.told)


def test_refused(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    """Who may not deploy is told what is missing, and where to read of it."""
    key = ministack().user(account.stack.name, {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    use(key, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack().endpoint)
    with pytest.raises(
        AwsError, match=r"cloudformation:DescribeStacks in us-east-1 failed: AccessDenied.*--print-policy"
    ):
        Stack(Aws("us-east-1"), account.stack.name, print).state()
    use(Key("NOBODYSKEY", "not-to-be-shown"), monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack().endpoint)
    with pytest.raises(AwsError, match="use credentials of this account") as caught:
        Stack(Aws("us-east-1"), account.stack.name, print).state()
    assert "not-to-be-shown" not in str(caught.value)


def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region it says how to give one."""
    use(Key("SOMEKEY", "secret"), monkeypatch)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigError, match="--region"):
        Aws()
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Aws().region == "eu-west-1"


def test_storage_of_what_is_deployed(account: Account) -> None:
    """A driver finds its storage in the stack; without a stack it says what to do."""
    assert find_deployed(account.stack.name, "us-east-1") is None
    for function in (account.stack.name, f"arn:aws:lambda:us-east-1:000000000000:function:{account.stack.name}"):
        with pytest.raises(ConfigError, match=f"no stack {account.stack.name} tells of one: run `mapreduce deploy`"):
            found_settings({"function": function, "region": "us-east-1"})


class Vpc:
    """A VPC of two subnets."""

    def __init__(self, aws: Aws) -> None:
        self.id = aws.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        blocks = ("10.9.1.0/24", "10.9.2.0/24")
        made = [aws.call("ec2", "create_subnet", VpcId=self.id, CidrBlock=block) for block in blocks]
        self.subnets = tuple(sorted(one["Subnet"]["SubnetId"] for one in made))


def test_vpc(account: Account) -> None:
    """Subnets say their VPC and their route tables; a way to S3 that is there is not made again."""
    vpc = Vpc(account.aws)
    wanted = Deployment().changed({"subnets": vpc.subnets, "redis": "create"})
    found = look_up(account.aws, wanted, ())
    assert found.vpc == vpc.id
    assert len(found.route_tables) == 1
    assert (found.s3_endpoint, found.secret_endpoint) == (True, True)
    way = account.aws.call(
        "ec2",
        "create_vpc_endpoint",
        VpcId=vpc.id,
        ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=list(found.route_tables),
    )["VpcEndpoint"]["VpcEndpointId"]
    assert look_up(account.aws, wanted, ()).s3_endpoint is False
    assert look_up(account.aws, wanted, {way}).s3_endpoint is True


@pytest.mark.slow
def test_into_a_vpc_and_out(account: Account) -> None:
    """Subnets may be given to what stands, and be taken back: what they need comes and goes with them."""
    make(account)
    before = account.stack.resources()
    vpc = Vpc(account.aws)
    found = look_up(account.aws, Deployment().changed({"name": account.stack.name, "subnets": vpc.subnets}), ())
    account.stack.execute(account.stack.prepare(template(found, None)))
    assert set(account.stack.resources()) - set(before) == {"FunctionGroup", "S3Endpoint"}
    make(account)
    assert account.stack.resources() == before


def test_subnets_of_two_vpcs(account: Account) -> None:
    """A function is in one VPC."""
    one, two = Vpc(account.aws), Vpc(account.aws)
    mixed = Deployment().changed({"subnets": (one.subnets[0], two.subnets[0])})
    with pytest.raises(ConfigError, match="--vpc-subnets: they are of several VPCs"):
        look_up(account.aws, mixed, ())


def test_no_such_subnet(account: Account) -> None:
    """The service says which subnet there is not."""
    with pytest.raises(AwsError, match="subnet-00000000000000000"):
        look_up(account.aws, Deployment().changed({"subnets": ("subnet-00000000000000000",)}), ())


@pytest.mark.slow
def test_redis_in_a_vpc(account: Account) -> None:
    """The stack of a VPC with Redis is made, is the same on a second run, and is removed whole."""
    vpc = Vpc(account.aws)
    found = look_up(
        account.aws, Deployment().changed({"name": account.stack.name, "subnets": vpc.subnets, "redis": "create"}), ()
    )
    wanted = template(found, None)
    state = account.stack.execute(account.stack.prepare(wanted))
    assert state.outputs["Redis"].startswith("rediss://")
    assert state.outputs["RedisSecret"].startswith("secretsmanager:")
    own = set(account.stack.resources().values())
    assert template(look_up(account.aws, found, own), None) == wanted
    assert account.stack.prepare(wanted) == ""
    account.stack.delete()
    assert account.stack.state() is None
