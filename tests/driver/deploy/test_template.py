"""Templates of every kind are valid, and hold what they must."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from driver.deploy.deployment import Deployment
from driver.deploy.template import METADATA, PARAMETER
from tests.driver.deploy.variants import GROUP, IMAGE, SUBNETS, VARIANTS, deployment, template_of
from worker.veil import KEY


@functools.cache
def rules() -> Any:
    """The rules of cfn-lint: it takes longer to load them than to apply them."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn(include_checks=["I"])).rules


def faults(template: dict[str, Any], *regions: str) -> list[str]:
    """What cfn-lint has against a template."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.decode import decode_str
    from cfnlint.runner import run_template_by_data

    read, errors = decode_str(json.dumps(template))
    assert errors == []
    config = ConfigMixIn(regions=list(regions), include_checks=["I"])
    found = run_template_by_data(read, config, rules())
    return [f"{one.rule.id}: {one.message} at {one.path}" for one in found]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what cfn-lint uses
def test_lint(subtests: pytest.Subtests) -> None:
    """CloudFormation's own schemas have nothing against any variant, with the function's code or before it is there."""
    for variant in VARIANTS:
        with subtests.test(variant):
            assert faults(template_of(deployment(variant)), "us-east-1") == []
        with subtests.test(f"{variant}, without code"):
            assert faults(template_of(deployment(variant), code=False), "us-east-1") == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lint_far_away() -> None:
    """What has all kinds of resources is right in other regions too."""
    made = template_of(deployment("redis"))
    kinds = {one["Type"] for one in made["Resources"].values()}
    assert kinds >= {one["Type"] for name in VARIANTS for one in template_of(deployment(name))["Resources"].values()}
    assert faults(made, "eu-west-1", "ap-northeast-1") == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lint_sees_faults() -> None:
    """The check is one: it has something against a template with a fault."""
    broken = template_of(Deployment())
    broken["Resources"]["Function"]["Properties"]["Timeout"] = 901
    [found] = faults(broken, "us-east-1")
    assert "901 is greater than the maximum of 900" in found
    assert faults(template_of(Deployment()), "us-east-1") == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_limits(variant: str) -> None:
    """A template is within what CloudFormation takes in a request."""
    assert len(json.dumps(template_of(deployment(variant)))) < 51_200


@pytest.mark.parametrize("variant", VARIANTS)
def test_remembers_options(variant: str) -> None:
    """What was deployed can be read off the template, which is the same after its way to the service and back."""
    made = deployment(variant)
    told = json.loads(json.dumps(template_of(made)))
    assert told == template_of(made)
    assert Deployment.from_json(told["Metadata"][METADATA]["deployment"]) == made


def resources(variant: str, *, code: bool = True) -> dict[str, Any]:
    """The resources of a variant's template."""
    found: dict[str, Any] = template_of(deployment(variant), code=code)["Resources"]
    return found


def test_role_arn_makes_no_iam_call() -> None:
    """With a role of the user's, nothing of IAM is in the template."""
    found = resources("role")
    assert not [one for one in found.values() if one["Type"].startswith("AWS::IAM::")]
    assert found["Function"]["Properties"]["Role"] == VARIANTS["role"]["role"]


def test_first_step_has_no_function() -> None:
    """The bucket comes before the code, and so before the function."""
    assert set(resources("plain")) - set(resources("plain", code=False)) == {"Function", "Invocation"}
    assert "Scratch" in resources("plain", code=False)
    assert "Scratch" not in resources("places")


def test_data_survives_the_stack() -> None:
    """The bucket is not deleted with the stack; it is encrypted, closed, and cleared of abandoned jobs alone."""
    bucket = resources("plain")["Scratch"]
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in bucket["Properties"]
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    expiring = [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule]
    assert expiring == ["mapreduce/jobs/", "aws/lambda/async/"]
    assert [rule["Id"] for rule in rules if "AbortIncompleteMultipartUpload" in rule] == ["unfinished-uploads"]


def test_options_reach_the_function() -> None:
    """What was asked for is what the function has; what was not is not said."""
    function, logs = (resources("sizes")[name]["Properties"] for name in ("Function", "Logs"))
    assert (function["MemorySize"], function["Timeout"], function["EphemeralStorage"]) == (10240, 1, {"Size": 512})
    assert (function["Architectures"], function["ReservedConcurrentExecutions"]) == (["x86_64"], 0)
    assert logs["RetentionInDays"] == 1
    plain = resources("plain")["Function"]["Properties"]
    assert not {"ReservedConcurrentExecutions", "VpcConfig", "PackageType"} & set(plain)
    network = resources("vpc")["Function"]["Properties"]["VpcConfig"]
    assert network["SubnetIds"] == list(SUBNETS)
    assert network["SecurityGroupIds"] == [{"Fn::GetAtt": ["FunctionGroup", "GroupId"]}]
    assert resources("vpc and groups")["Function"]["Properties"]["VpcConfig"]["SecurityGroupIds"] == [GROUP]
    image = resources("image")["Function"]["Properties"]
    assert (image["PackageType"], image["Code"]) == ("Image", {"ImageUri": IMAGE})
    assert not {"Runtime", "Handler"} & set(image)


def test_lambda_does_not_try_again() -> None:
    """The driver tries again; Lambda tells in the bucket what failed."""
    told = resources("plain")["Invocation"]["Properties"]
    assert told["MaximumRetryAttempts"] == 0
    assert told["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Scratch}"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_secret(variant: str) -> None:
    """The function's key and the password of Redis stand nowhere: the template says where they come from."""
    made = template_of(deployment(variant))
    if "Function" in made["Resources"]:
        assert made["Resources"]["Function"]["Properties"]["Environment"] == {"Variables": {KEY: {"Ref": PARAMETER}}}
        assert made["Parameters"][PARAMETER]["NoEcho"] is True
        assert "Default" not in made["Parameters"][PARAMETER]
    else:
        assert "Parameters" not in made
    if "Redis" in made["Resources"]:
        assert "{{resolve:" in json.dumps(made["Resources"]["Redis"]["Properties"]["AuthToken"])


@pytest.mark.parametrize("variant", ["redis", "redis and groups"])
def test_redis_is_reached_by_functions_alone(variant: str) -> None:
    """Only the group of the functions may connect to Redis, and only to its port; full, it refuses writes."""
    found = resources(variant)
    [entry] = found["RedisGroup"]["Properties"]["SecurityGroupIngress"]
    assert (entry["FromPort"], entry["ToPort"]) == (6379, 6379)
    assert "CidrIp" not in entry
    own = VARIANTS[variant].get("security_groups")
    assert entry["SourceSecurityGroupId"] == (own[0] if own else {"Fn::GetAtt": ["FunctionGroup", "GroupId"]})
    assert found["Redis"]["Properties"]["TransitEncryptionEnabled"] is True
    assert found["RedisParameters"]["Properties"]["Properties"] == {"maxmemory-policy": "noeviction"}


def test_ports_of_own_redis() -> None:
    """Functions may connect to the ports of the nodes that a URL names."""
    rules = resources("own redis")["FunctionGroup"]["Properties"]["SecurityGroupEgress"]
    assert [rule["FromPort"] for rule in rules] == [443, 6379, 6380]


def test_secret_endpoint_only_where_it_is_needed() -> None:
    """A VPC gets a way to the service of the secret if functions in it have a secret to read."""
    assert "SecretEndpoint" in resources("redis")
    assert "SecretEndpoint" not in resources("vpc")
    assert "SecretEndpoint" not in resources("redis outside")
    assert "SecretEndpoint" not in resources("redis and groups")  # --no-secret-endpoint
    service = resources("redis and parameter")["SecretEndpoint"]["Properties"]["ServiceName"]
    assert service == {"Fn::Sub": "com.amazonaws.${AWS::Region}.ssm"}
