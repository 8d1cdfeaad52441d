from __future__ import annotations

import base64
import json
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from driver.lambda_local import LambdaLocal
from tests.driver.lambda_local.calls import FAIL, PID, SOURCE, Functions, until, zipped

pytestmark = pytest.mark.process


def test_a_function_answers(functions: Functions) -> None:
    name = functions.create()
    answer = functions.api.invoke(FunctionName=name, Payload=b'{"run": "answer = {\'one\': [1, None]}"}')
    assert json.loads(answer["Payload"].read()) == {"one": [1, None]}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer


def test_a_warm_sandbox_is_used_again_and_keeps_its_state(functions: Functions) -> None:
    name = functions.create("count = 0\n" + SOURCE)
    count = "import app; app.count += 1; answer = app.count"
    assert [functions.call(name, count).value for _ in range(3)] == [1, 2, 3]


def test_an_exception_is_answered_and_the_sandbox_is_kept(functions: Functions) -> None:
    name = functions.create()
    pid = functions.call(name).value
    answer = functions.call(name, FAIL)
    assert answer.failed
    assert (answer.value["errorType"], answer.value["errorMessage"]) == ("ValueError", "as asked")
    assert answer.value["requestId"] == answer.request
    assert "exec(event" in "".join(answer.value["stackTrace"])
    assert functions.call(name).value == pid


def test_a_module_that_cannot_be_imported_is_told(functions: Functions) -> None:
    name = functions.create("import nothing_of_this_name")
    answer = functions.call(name)
    assert answer.failed
    assert answer.value["errorType"] == "Runtime.ImportModuleError"
    functions.api.update_function_code(FunctionName=name, ZipFile=zipped(app=SOURCE))
    assert not functions.call(name).failed


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal: killed"),
    ],
    ids=["exit", "signal"],
)
def test_a_process_that_ends_is_told_and_replaced(functions: Functions, end: str, how: str) -> None:
    name = functions.create()
    pid = functions.call(name).value
    answer = functions.call(name, end)
    assert answer.failed
    assert answer.value == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request} Error: Runtime exited with error: {how}",
    }
    assert functions.call(name).value != pid


def test_the_time_limit_ends_the_sandbox_and_what_it_started(functions: Functions) -> None:
    name = functions.create(Timeout=1)
    pid = functions.call(name).value
    forever = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid); subprocess.run(['sleep', '1000'])"
    answer = functions.call(name, forever)
    assert answer.failed
    assert answer.value == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request} Error: Task timed out after 1.00 seconds",
    }
    assert f"{answer.request} Task timed out after 1.00 seconds" in answer.log
    assert "Status: timeout" in answer.log[-1]
    assert not psutil.pid_exists(pid)
    until(lambda: not psutil.pid_exists(int(answer.log[1])))
    assert functions.call(name).value != pid


def test_a_start_that_takes_too_long_is_given_up() -> None:
    with LambdaLocal(init_timeout=0.5) as service:
        functions = Functions(service)
        answer = functions.call(functions.create("import time; time.sleep(1000)"))
        assert answer.failed
        assert "Init timed out after 0.50 seconds" in answer.value["errorMessage"]


def test_a_function_knows_its_time_and_what_it_is(functions: Functions) -> None:
    name = functions.create(Timeout=30, MemorySize=256)
    told = functions.call(
        name,
        "answer = [context.get_remaining_time_in_millis(), context.aws_request_id, context.function_name,"
        " context.memory_limit_in_mb, context.invoked_function_arn]",
    )
    left, *others = told.value
    assert 20_000 < left <= 30_000
    assert others == [told.request, name, "256", f"arn:aws:lambda:us-east-1:000000000000:function:{name}"]


def test_a_function_has_awss_environment_and_nothing_of_the_service(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "secret")
    name = functions.create(MemorySize=512, Environment={"Variables": {"OF_THE_FUNCTION": "its own"}})
    answer = functions.call(
        name, "import os, tempfile; answer = [dict(os.environ), os.getcwd(), tempfile.gettempdir()]"
    )
    variables, folder, temporary = answer.value
    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ANYKEY",
        "AWS_ENDPOINT_URL_LAMBDA": functions.service.url,
        "LAMBDA_TASK_ROOT": folder,
        "TMPDIR": temporary,
        "OF_THE_FUNCTION": "its own",
    }
    assert expected.items() <= variables.items()
    assert "SECRET_OF_THE_SERVICE" not in variables


def test_a_function_finds_boto3_and_not_what_else_is_installed_here(functions: Functions) -> None:
    look = (
        "import importlib.util as of; answer = [bool(of.find_spec(name)) for name in ('boto3', 'pytest', 'mapreduce')]"
    )
    assert functions.call(functions.create(), look).value == [True, False, False]
    with LambdaLocal(site_packages=True) as service:
        others = Functions(service)
        assert others.call(others.create(), look).value == [True, True, True]


def test_a_function_calls_another_and_s3(functions: Functions) -> None:
    callee = functions.create()
    nested = (
        "import boto3, json;"
        "answer = json.loads(boto3.client('lambda').invoke(FunctionName=event['callee'],"
        " Payload=json.dumps({'run': 'answer = 5'}))['Payload'].read()),"
        " [one['Name'] for one in boto3.client('s3').list_buckets()['Buckets']]"
    )
    value, buckets = functions.call(functions.create(), nested, callee=callee).value
    assert value == 5
    assert "tests" in buckets


def test_the_clients_context_reaches_the_function(functions: Functions) -> None:
    context = base64.b64encode(b'{"custom": {"of": "the client"}}').decode()
    payload = json.dumps({"run": "answer = context.client_context.custom"})
    answer = functions.api.invoke(FunctionName=functions.create(), Payload=payload, ClientContext=context)
    assert json.loads(answer["Payload"].read()) == {"of": "the client"}


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6 << 20), ("Event", 1 << 20)])
def test_requests_are_limited(functions: Functions, kind: str, limit: int) -> None:
    name = functions.create("def handle(event, context): return len(event)")
    fits = b'"' + b"x" * (limit - 2) + b'"'
    functions.api.invoke(FunctionName=name, InvocationType=kind, Payload=fits)["Payload"].read()
    with pytest.raises(functions.api.exceptions.RequestTooLargeException, match=f"smaller than {limit} bytes"):
        functions.api.invoke(FunctionName=name, InvocationType=kind, Payload=fits + b" ")


def test_responses_are_limited(functions: Functions) -> None:
    name = functions.create(MemorySize=512)
    fits = functions.call(name, "answer = 'x' * (6 * 1024 * 1024 - 2)")
    assert len(fits.value) == (6 << 20) - 2
    answer = functions.call(name, "answer = 'x' * (6 * 1024 * 1024 - 1)")
    assert answer.failed
    assert answer.value["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_dry_run_runs_nothing(functions: Functions) -> None:
    name = functions.create()
    assert functions.api.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert functions.log(name) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Payload": b"no json"}, "InvalidRequestContentException"),
        ({"InvocationType": "Sometime"}, "InvalidParameterValueException"),
        ({"Qualifier": "7"}, "ResourceNotFoundException"),
        ({"FunctionName": "of-no-function"}, "ResourceNotFoundException"),
    ],
    ids=["payload", "type", "qualifier", "function"],
)
def test_wrong_requests_are_refused(functions: Functions, change: dict[str, Any], error: str) -> None:
    request = {"FunctionName": functions.create(), **change}
    with pytest.raises(ClientError) as refused:
        functions.api.invoke(**request)
    assert refused.value.response["Error"]["Code"] == error


def test_a_function_is_known_by_its_arn(functions: Functions) -> None:
    arn = functions.api.get_function_configuration(FunctionName=functions.create())["FunctionArn"]
    assert not functions.call(arn, PID).failed
    assert not functions.call(f"{arn}:$LATEST", PID).failed
