"""A small Lambda service of one's own, to test and to rehearse against: `mapreduce lambda-local`.

Clients are the real ones, boto3 with `endpoint_url`, and functions run in the official runtime client,
`awslambdaric`, in processes of this machine:

    from driver.lambda_local import Fault, LambdaLocal

    with LambdaLocal(s3_endpoint="http://127.0.0.1:9000", faults=[Fault(do="kill", first=3)]) as service:
        functions = boto3.client("lambda", endpoint_url=service.url, region_name="us-east-1")
        functions.create_function(FunctionName="f", Runtime=RUNTIME, Handler="module.function", Role="any",
                                  Code={"ZipFile": zipped}, MemorySize=512, Timeout=30)
        functions.invoke(FunctionName="f", Payload=b"{}")
        service.faults.add(Fault(do="throttle", times=5))

`RUNTIME` is the only runtime, the Python that runs the service. As on AWS a function finds what is in its
zip file, and boto3; with `site_packages=True` all that is installed here. Functions have AWS_ENDPOINT_URL
(that S3 service), and AWS_ENDPOINT_URL_LAMBDA and _LOGS (this one). Anybody who reaches the port may call:
there are no signatures, roles or policies.

What differs from AWS, apart from what the service says that it has not:

- /tmp is the machine's. A sandbox's own folder is in TMPDIR, where `tempfile` looks; it is held to the
  function's size by a look every 0.2 s or so, and the sandbox is killed where on AWS a write would fail.
- Memory is looked at every 20 ms or so, and at the end of each invocation: what is beyond the limit for
  shorter may pass. There are no shares of processors, and no limit of the network.
- A start may take a minute, not ten seconds, because there are not as many processors as sandboxes.
- An event is tried again after 1 and 2 seconds, not minutes, unless told otherwise.
- Concurrency that one function has reserved is not taken from the others.
- Code may be written to, and a function that changed is ready at once.
- Messages of several lines on standard output are several log events.
"""

from __future__ import annotations

from driver.lambda_local.faults import Fault
from driver.lambda_local.functions import RUNTIME
from driver.lambda_local.service import LambdaLocal

__all__ = ["RUNTIME", "Fault", "LambdaLocal"]
