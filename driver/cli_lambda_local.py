"""The command `mapreduce lambda-local`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from mapreduce.errors import ConfigError


@click.command()
@click.option("--port", metavar="N", default=9001, show_default=True, help="To listen at, on 127.0.0.1; 0 for any.")
@click.option(
    "--s3-endpoint",
    metavar="URL",
    help="The S3 service of functions, of their code and of failure records.  [default: AWS_ENDPOINT_URL, else AWS]",
)
@click.option("--faults", metavar="FILE", type=click.Path(path_type=Path), help="Script of what goes wrong, in JSON.")
@click.option("--concurrency", metavar="N", default=100, show_default=True, help="Invocations that run at once.")
@click.option("--logs", metavar="DIR", default="", help="Folder for the logs.  [default: gone with the service]")
@click.option("--site-packages", is_flag=True, help="Functions find every package that is installed here.")
def lambda_local(
    port: int, s3_endpoint: str | None, faults: Path | None, concurrency: int, logs: str, *, site_packages: bool
) -> None:
    """Serve AWS Lambda on this machine, to test and rehearse against, until Ctrl-C.

    Functions run in processes of this machine, in the official runtime client, with their memory, time and
    payloads limited as on AWS. There are no signatures or policies: whoever reaches the port may call.
    """
    try:
        from driver.lambda_local import LambdaLocal
        from driver.lambda_local.faults import parse_faults
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; install it with: pip install 'bsp-mapreduce[lambda-local]'") from None
    script = parse_faults(faults.read_bytes(), str(faults)) if faults else []
    s3_endpoint = os.environ.get("AWS_ENDPOINT_URL", "") if s3_endpoint is None else s3_endpoint
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with LambdaLocal(
        port=port,
        s3_endpoint=s3_endpoint,
        faults=script,
        concurrency=concurrency,
        logs=logs,
        site_packages=site_packages,
    ) as service:
        click.echo(f"Lambda is served at {service.url}, with S3 at {s3_endpoint or 'AWS'}. Point tools here with:\n")
        click.echo(f"  export AWS_ENDPOINT_URL_LAMBDA={service.url} AWS_ENDPOINT_URL_LOGS={service.url}\n")
        click.echo(f"Faults: curl {service.url}/lambda-local/faults (GET, POST, DELETE). Ctrl-C ends it all.")
        while True:
            signal.pause()
