from __future__ import annotations

import psutil
import pytest

from tests.driver.lambda_local.calls import Functions, until

pytestmark = pytest.mark.process

_KEEP = "import time; time.sleep(1000)"


def test_too_much_memory_ends_the_sandbox(functions: Functions) -> None:
    name = functions.create(MemorySize=128)
    pid = functions.call(name).value
    answer = functions.call(name, f"kept = b'x' * (200 << 20); {_KEEP}")
    assert answer.failed
    assert answer.value == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request} Error: Runtime exited with error: signal: killed",
    }
    assert "Max Memory Used: 128 MB" in answer.log[-1]
    assert "Error Type: Runtime.OutOfMemory" in answer.log[-1]
    assert functions.call(name).value != pid


def test_a_moment_of_too_much_memory_is_noticed_at_the_end(functions: Functions) -> None:
    name = functions.create(MemorySize=128)
    answer = functions.call(name, "len(b'x' * (200 << 20)); answer = 'too late'")
    assert answer.failed
    assert "signal: killed" in answer.value["errorMessage"]


def test_memory_of_processes_that_a_function_starts_counts(functions: Functions) -> None:
    name = functions.create(MemorySize=256)
    child = f"kept = b'x' * (150 << 20); {_KEEP}"
    answer = functions.call(
        name,
        "import subprocess, sys;[subprocess.Popen([sys.executable, '-c', event['child']]) for _ in range(2)][0].wait()",
        child=child,
    )
    assert "Error Type: Runtime.OutOfMemory" in answer.log[-1]


def test_address_space_that_is_not_used_does_not_count(functions: Functions) -> None:
    name = functions.create(MemorySize=128)
    assert functions.call(name, "import mmap; kept = mmap.mmap(-1, 8 << 30); answer = len(kept)").value == 8 << 30


def test_too_many_files_in_tmp_end_the_sandbox(functions: Functions) -> None:
    name = functions.create(EphemeralStorage={"Size": 512})
    fill = (
        "import os, tempfile; file = open(os.path.join(tempfile.mkdtemp(), 'big'), 'wb');"
        "os.posix_fallocate(file.fileno(), 0, event['size'] << 20)"
    )
    assert not functions.call(name, fill, size=300).failed
    answer = functions.call(name, f"{fill}; {_KEEP}", size=300)
    assert answer.failed
    assert "signal: killed" in answer.value["errorMessage"]
    assert any("No space left on device" in line for line in answer.log)


def test_a_sandboxs_files_go_with_it(functions: Functions) -> None:
    name = functions.create()
    path = functions.call(name, "import tempfile; path = tempfile.mkstemp()[1]; answer = path").value
    assert functions.call(name, "import os; answer = os.path.exists(event['path'])", path=path).value
    pid = functions.call(name).value
    functions.api.delete_function(FunctionName=name)
    until(lambda: not psutil.pid_exists(pid))
    again = functions.create()
    until(lambda: not functions.call(again, "import os; answer = os.path.exists(event['path'])", path=path).value)
