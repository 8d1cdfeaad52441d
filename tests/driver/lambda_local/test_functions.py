from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from driver.lambda_local import RUNTIME
from tests.driver.lambda_local.calls import SOURCE, Functions, zipped
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.process


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_function_is_created_read_listed_and_deleted(functions: Functions) -> None:
    code = zipped(app=SOURCE)
    name = functions.create(Code={"ZipFile": code}, MemorySize=1769, Timeout=900, Description="one", Tags={"a": "b"})
    told = functions.api.get_function(FunctionName=name)
    expected = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Handler": "app.handle",
        "MemorySize": 1769,
        "Timeout": 900,
        "Description": "one",
        "State": "Active",
        "CodeSize": len(code),
        "CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(),
    }
    assert expected.items() <= told["Configuration"].items()
    assert told["Tags"] == {"a": "b"}
    functions.api.get_waiter("function_active_v2").wait(FunctionName=name)
    assert name in [one["FunctionName"] for one in functions.api.list_functions()["Functions"]]
    functions.api.delete_function(FunctionName=name)
    with pytest.raises(functions.api.exceptions.ResourceNotFoundException, match=f"function:{name}"):
        functions.api.get_function(FunctionName=name)


def test_a_name_is_taken_once(functions: Functions) -> None:
    name = functions.create()
    request = {"Runtime": RUNTIME, "Handler": "app.handle", "Role": "arn:aws:iam::000000000000:role/any"}
    with pytest.raises(functions.api.exceptions.ResourceConflictException, match=name):
        functions.api.create_function(FunctionName=name, Code={"ZipFile": zipped(app=SOURCE)}, **request)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"Runtime": "nodejs22.x"}, RUNTIME),
        ({"MemorySize": 12_288}, "MemorySize"),
        ({"Timeout": 901}, "Timeout"),
        ({"EphemeralStorage": {"Size": 10_241}}, "EphemeralStorage"),
        ({"Environment": {"Variables": {"AWS_REGION": "here"}}}, "reserved keys.*AWS_REGION"),
        ({"Environment": {"Variables": {"LONG": "x" * 4096}}}, "4KB"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:some:1"]}, "layers"),
        ({"FileSystemConfigs": [{"Arn": "any", "LocalMountPath": "/mnt/any"}]}, "FileSystemConfigs"),
        ({"Code": {"ZipFile": b"no zip file"}}, "unzip"),
        ({"Code": {"ImageUri": "any"}}, "ZipFile"),
        ({"Code": {"S3Bucket": "tests", "S3Key": "nothing/here"}}, "s3://tests/nothing/here"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_aws_or_this_service_cannot_do_is_refused(
    functions: Functions, settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(ClientError, match=f"InvalidParameterValueException.*{what}"):
        functions.create(**settings)


def test_code_that_is_too_large_unzipped_is_refused(functions: Functions) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as entry:
        for _ in range(251):
            entry.write(bytes(1 << 20))
    with pytest.raises(ClientError, match="smaller than 262144000 bytes"):
        functions.create(Code={"ZipFile": file.getvalue()})


def test_code_comes_from_s3(functions: Functions, s3: S3Server) -> None:
    s3.client().put_object(Bucket="tests", Key="code.zip", Body=zipped(app="def handle(event, context): return 1"))
    name = functions.create(Code={"S3Bucket": "tests", "S3Key": "code.zip"})
    assert functions.call(name).value == 1
    s3.client().put_object(Bucket="tests", Key="code.zip", Body=zipped(app="def handle(event, context): return 2"))
    functions.api.update_function_code(FunctionName=name, S3Bucket="tests", S3Key="code.zip")
    assert functions.call(name).value == 2


def test_edits_hold_from_the_next_invocation_on(functions: Functions) -> None:
    name = functions.create(MemorySize=256)
    look = "import os; answer = [os.environ.get('EDIT'), context.memory_limit_in_mb, os.getpid()]"
    before = functions.call(name, look).value
    told = functions.api.update_function_configuration(
        FunctionName=name, MemorySize=512, Environment={"Variables": {"EDIT": "yes"}}
    )
    functions.api.get_waiter("function_updated_v2").wait(FunctionName=name)
    after = functions.call(name, look).value
    assert (before[:2], after[:2]) == ([None, "256"], ["yes", "512"])
    assert before[2] != after[2]
    assert (told["MemorySize"], told["Timeout"]) == (512, 60)


def test_a_function_of_an_earlier_ones_name_has_its_own_code(functions: Functions) -> None:
    name = functions.create("def handle(event, context): return 1")
    assert functions.call(name).value == 1
    functions.api.delete_function(FunctionName=name)
    functions.api.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Handler="app.handle",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": zipped(app="def handle(event, context): return 2")},
    )
    assert functions.call(name).value == 2


def test_concurrency_is_reserved_and_freed(functions: Functions) -> None:
    name = functions.create()
    reserved = {"ReservedConcurrentExecutions": 7}
    assert "Concurrency" not in functions.api.get_function(FunctionName=name)
    functions.api.put_function_concurrency(FunctionName=name, **reserved)
    assert functions.api.get_function(FunctionName=name)["Concurrency"] == reserved
    assert functions.api.get_function_concurrency(FunctionName=name).items() >= reserved.items()
    account = functions.api.get_account_settings()["AccountLimit"]
    # Other tests of this process have reserved some too.
    assert account["ConcurrentExecutions"] == 100
    assert account["UnreservedConcurrentExecutions"] <= 93
    functions.api.delete_function_concurrency(FunctionName=name)
    assert "ReservedConcurrentExecutions" not in functions.api.get_function_concurrency(FunctionName=name)
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        functions.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=100_000)


def test_what_holds_for_events_is_set_and_read(functions: Functions) -> None:
    name = functions.create()
    with pytest.raises(functions.api.exceptions.ResourceNotFoundException, match="EventInvokeConfig"):
        functions.api.get_function_event_invoke_config(FunctionName=name)
    functions.api.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    destination = {"OnFailure": {"Destination": "arn:aws:s3:::tests"}}
    functions.api.update_function_event_invoke_config(FunctionName=name, DestinationConfig=destination)
    told = functions.api.get_function_event_invoke_config(FunctionName=name)
    assert (told["MaximumRetryAttempts"], told["DestinationConfig"]) == (0, destination)
    functions.api.delete_function_event_invoke_config(FunctionName=name)
    with pytest.raises(functions.api.exceptions.ResourceNotFoundException):
        functions.api.delete_function_event_invoke_config(FunctionName=name)


@pytest.mark.parametrize(
    "settings",
    [
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:queue"}}},
        {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::tests"}}},
    ],
    ids=["queue", "success"],
)
def test_what_cannot_hold_for_events_is_refused(functions: Functions, settings: dict[str, Any]) -> None:
    name = functions.create()
    with pytest.raises(ClientError) as refused:
        functions.api.put_function_event_invoke_config(FunctionName=name, **settings)
    assert _code(refused) == "InvalidParameterValueException"


def test_other_operations_are_refused_by_name(functions: Functions) -> None:
    with pytest.raises(ClientError, match=r"no operation GET /2018-10-31/layers") as refused:
        functions.api.list_layers()
    assert _code(refused) == "NotImplementedException"
    with pytest.raises(ClientError, match="CreateLogGroup"):
        functions.logs.create_log_group(logGroupName="any")
