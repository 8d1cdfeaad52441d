"""From an account with nothing in it to a result, and back: deploy, run, edit, look, destroy."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.deploy import deploying
from driver.deploy.deployment import Deployment
from driver.deploy.permissions import for_deploying, for_functions
from tests.acceptance.cloud import ACCOUNT, ARCH, Cloud, run, same_as_here
from tests.driver.deploy.packages import built
from tests.driver.wheels import required, wheel
from tests.services.redis_servers import PASSWORD, secured
from tests.services.s3_servers import REGION, use

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture(scope="module", autouse=True)
def _package() -> Iterator[None]:
    """The code package is built once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploying, "build", built)
        yield


def test_from_nothing_to_a_result_and_back(cloud: Cloud, tmp_path: Path) -> None:
    """Deployed in one command, the function gives byte for byte what this machine gives; edits are applied."""
    redis = secured()
    parameter, url = f"/{cloud.name}/redis", f"redis://127.0.0.1:{redis.port}"
    cloud.client("ssm").put_parameter(Name=parameter, Value=f"{PASSWORD}", Type="SecureString")
    options = ("--input", cloud.inputs, "--output", cloud.outputs, "--redis", url, "--redis-secret", f"ssm:{parameter}")

    code, output, errors = cloud.deploy("--dry-run", "--arch", ARCH, *options)
    assert code == 0
    assert set(json.loads(output)["Resources"]) == {"Scratch", "Logs", "Role", "Function", "Invocation"}
    assert errors.count("\nadd ") == 5
    assert cloud.cli("status", "--name", cloud.name)[0] == 1  # still nothing

    code, _, errors = cloud.deploy("--arch", ARCH, *options)
    assert code == 0, errors
    assert re.search(r"^code package: [\d.]+ MB, [\d.]+ MB unpacked, SHA-256 [0-9a-f]{64}$", errors, re.MULTILINE)
    assert "Function: " in errors

    assert cloud.cli("run", "jobs.py", "texts", "--output", "here")[0] == 0
    here = {f"counts/{path.name}": path.read_bytes() for path in (tmp_path / "here").glob("part-*")}
    assert len(here) == 3
    for shuffle in ((), ("--shuffle", url)):
        errors = same_as_here(cloud, here, *shuffle)
        assert "lines: 6,000" in errors
        [job] = set(re.findall(r"\d{8}-\d{6}-[0-9a-f]{8}", errors))
        code, output, errors = cloud.cli("logs", job, "0/0")
        assert code == 0, errors
        assert output.startswith("round 0, task 0, attempt 0| counting words\n")
        assert f"job {job} ended after" in output

    code, output, _ = cloud.cli("status", "--name", cloud.name, "--drift")
    assert (code, "the code is what is installed here" in output) == (0, True)
    assert f"  Redis: {url}" in output

    before = cloud.client("cloudformation").describe_stack_events(StackName=cloud.name)["StackEvents"]
    code, _, errors = cloud.deploy()
    assert (code, "nothing to change" in errors) == (0, True)
    assert cloud.client("cloudformation").describe_stack_events(StackName=cloud.name)["StackEvents"] == before

    key = cloud.key()
    code, _, errors = cloud.deploy("--memory", "512", "--timeout", "60")
    assert code == 0, errors
    assert "MemorySize: 1769 -> 512" in errors
    assert "add " not in errors
    function = cloud.client("lambda").get_function_configuration(FunctionName=cloud.name)
    assert (function["MemorySize"], function["Timeout"], function["Architectures"]) == (512, 60, [ARCH])
    assert cloud.key() == key
    assert "memory: it is set to 1.0 GB, but workers have" in same_as_here(cloud, here, "--memory", "1GB")

    bucket = cloud.outputs_of_the_stack()["Bucket"]
    code, _, errors = cloud.cli("destroy", "--name", cloud.name, "--yes")
    assert code == 0, errors
    assert "left:" not in errors
    assert bucket not in {one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]}
    assert cloud.cli("status", "--name", cloud.name)[0] == 1
    assert not [one for one in cloud.client("iam").list_roles()["Roles"] if one["RoleName"].startswith(cloud.name)]
    assert cloud.objects(cloud.outputs)  # results are the user's


def test_secrets_stand_nowhere(cloud: Cloud) -> None:
    """Neither Redis' password nor the function's key is in what describes the stack, or in its bucket."""
    parameter = f"/{cloud.name}/redis"
    cloud.client("ssm").put_parameter(Name=parameter, Value=f"{PASSWORD}", Type="SecureString")
    code, output, errors = cloud.deploy(
        "--arch", ARCH, "--redis", "redis://127.0.0.1", "--redis-secret", f"ssm:{parameter}"
    )
    assert code == 0, errors
    key = cloud.key()
    assert re.fullmatch("[0-9a-f]{64}", key)
    stacks = cloud.client("cloudformation")
    told = [
        stacks.describe_stacks(StackName=cloud.name),
        stacks.describe_stack_events(StackName=cloud.name),
        stacks.get_template(StackName=cloud.name),
        cloud.cli("status", "--name", cloud.name, "--json"),
        (output, errors),
        cloud.objects(f"s3://{cloud.outputs_of_the_stack()['Bucket']}"),
    ]
    for where in told:
        assert key not in repr(where)
        assert PASSWORD not in repr(where)


def test_data_stays(cloud: Cloud) -> None:
    """A bucket with data outlives its stack, and serves the next; only what jobs made is ever deleted from it."""
    assert cloud.deploy("--arch", ARCH)[0] == 0
    bucket = cloud.outputs_of_the_stack()["Bucket"]
    job, stranger = "mapreduce/jobs/20260101-000000-0123abcd/job.json", "mapreduce/jobs/notes.txt"
    bundle = f"mapreduce/bundles/{'0' * 64}"
    for key in (job, stranger, bundle, f"{bundle}.used", "other"):
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"12")
    _, _, errors = cloud.cli("destroy", "--name", cloud.name, "--yes")
    assert f"left: the bucket {bucket} holds 5 objects (10 B), and stays" in errors

    code, _, errors = cloud.deploy("--arch", ARCH, "--bucket", bucket)
    assert (code, "add Scratch" in errors) == (0, False), errors
    assert cloud.outputs_of_the_stack()["Bucket"] == bucket
    _, _, errors = cloud.cli("destroy", "--name", cloud.name, "--yes", "--delete-data")
    assert f"left: the bucket {bucket} was not made here; below mapreduce/ it holds 1 objects" in errors
    assert set(cloud.objects(f"s3://{bucket}")) == {stranger, "other"}


def test_code_that_somebody_replaced(cloud: Cloud) -> None:
    """A function whose code is not what was deployed is noticed, whoever changed it and where."""
    assert cloud.deploy("--arch", ARCH)[0] == 0
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("worker/handler.py", "def handle(event, context): ...")
    cloud.client("lambda").update_function_code(FunctionName=cloud.name, ZipFile=other.getvalue())
    code, output, _ = cloud.cli("status", "--name", cloud.name)
    assert (code, "Function: code: " in output) == (1, True)
    cloud.client("lambda").update_function_configuration(FunctionName=cloud.name, MemorySize=256)
    code, output, _ = cloud.cli("status", "--name", cloud.name)
    assert (code, "Function: memory: 1769 -> 256; code: " in output) == (1, True), output


# Statements of the role that a job with libraries cannot do without; and those that Lambda itself uses, or that
# tell an absent object from a forbidden one: the emulator lets these pass.
NEEDED = {"WriteJobs", "ReadInputs", "WriteOutputs", "ReadBundles"}
UNSEEN = {"ListScratch", "ListInputs", "ListOutputs", "WriteFailures", "SeeFailures", "WriteLogs"}


def test_role_of_the_function(cloud: Cloud, tmp_path: Path) -> None:
    """A job needs what its role allows: without one of the statements it fails, and says what was refused."""
    cloud.deploy("--arch", ARCH, "--input", cloud.inputs, "--output", cloud.outputs)
    iam = cloud.client("iam")
    [role] = [one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].startswith(cloud.name)]
    policy = iam.get_role_policy(RoleName=role, PolicyName="tasks")["PolicyDocument"]
    assert {statement["Sid"] for statement in policy["Statement"]} == NEEDED | UNSEEN | {"InvokeItself"}

    def allow_all_but(sid: str) -> None:
        less = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
        iam.put_role_policy(RoleName=role, PolicyName="tasks", PolicyDocument=json.dumps({**policy, "Statement": less}))

    # Who waits for the answer learns of attempts that cannot even write down why they failed; of others Lambda
    # writes that to the bucket, and its emulator does not.
    wheel(tmp_path / "wheels", "greeting_of_tests", "1.0", "")
    (tmp_path / "requirements.txt").write_text("\n".join(required(tmp_path / "wheels", "greeting-of-tests")))
    once = ("--retries", "0", "--invoke", "request")
    libraries = ("--requirements", "requirements.txt")
    for sid in sorted(NEEDED):
        allow_all_but(sid)
        code, _, errors = run(cloud, f"{cloud.outputs}/{sid}", *once, *(libraries if sid == "ReadBundles" else ()))
        assert (code, "AccessDenied" in errors) == (1, True), (sid, errors)
    start = json.dumps({"start": {"common": {"attempt": {}}, "attempts": [[["job", 0, 0, 0], ["plan", 0, 1]]]}})
    refused = {}
    for sid in ("InvokeItself", ""):
        allow_all_but(sid)
        answer = cloud.client("lambda").invoke(FunctionName=cloud.name, Payload=start)
        told = json.load(answer["Payload"])
        refused[sid] = "AccessDenied" in json.dumps(told["refused"])
    assert refused == {"InvokeItself": True, "": False}
    assert run(cloud, f"{cloud.outputs}/all", *once, *libraries)[0] == 0


def test_role_of_the_users(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --role-arn whoever deploys may do nothing with IAM but to pass that role on; the job runs."""
    iam, name = cloud.client("iam"), f"{cloud.name}-role"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    wanted = Deployment(name=cloud.name, inputs=(cloud.inputs,), outputs=(cloud.outputs,), role=arn)
    rights = for_functions(wanted, "aws", REGION, ACCOUNT)
    iam.put_role_policy(RoleName=name, PolicyName="tasks", PolicyDocument=json.dumps(rights))
    statements = for_deploying(wanted, "aws", REGION, ACCOUNT)["Statement"]
    assert [one["Action"] for one in statements if "iam:" in json.dumps(one["Action"])] == [["iam:PassRole"]]
    use(cloud.server.user(name, *statements), monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.server.endpoint)
    code, _, errors = cloud.deploy(
        "--arch", ARCH, "--input", cloud.inputs, "--output", cloud.outputs, "--role-arn", arn
    )
    assert code == 0, errors
    assert run(cloud, cloud.outputs)[0] == 0
    code, _, errors = cloud.cli("destroy", "--name", cloud.name, "--yes", "--delete-data")
    assert code == 0, errors
    assert name in {one["RoleName"] for one in iam.list_roles()["Roles"]}
