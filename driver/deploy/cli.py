"""The commands `mapreduce deploy`, `mapreduce status` and `mapreduce destroy`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driver.deploy.deployment import ARCHITECTURES, Deployment

if TYPE_CHECKING:
    from driver.deploy.aws import Aws
    from driver.deploy.deploying import Wanted

F = TypeVar("F", bound=Callable[..., Any])

# Options that mean nothing outside a VPC.
_OF_VPC = ("s3_endpoint", "secret_endpoint", "redis_node")

_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_WHERE = [
    click.option("--name", metavar="NAME", help="Of the stack and the function.  [default: mapreduce]"),
    click.option("--region", metavar="REGION", help="[default: AWS_REGION, else that of the profile]"),
    click.option("--profile", metavar="NAME", help="Of the AWS configuration files.  [default: AWS_PROFILE]"),
]


def _several(option: str, name: str, metavar: str, text: str) -> Any:
    return click.option(option, name, metavar=metavar, multiple=True, help=text)


_OPTIONS = [
    click.option("--memory", metavar="MB", help="Of the function: 128 to 10240; 1769 are one processor."),
    click.option("--timeout", metavar="SECONDS", help="That one invocation may take: 1 to 900."),
    click.option("--tmp", metavar="MB", help="Of the function's disk: 512 to 10240."),
    click.option("--arch", type=click.Choice(ARCHITECTURES), help="Processor; arm64 costs a fifth less."),
    _several("--with", "libraries", "NAME", "Library that the package holds, as installed here; may be repeated."),
    click.option("--image", metavar="URI", help="Container image in ECR, in place of a code package."),
    click.option("--bucket", metavar="NAME", help="For scratch data.  [default: one that the stack makes]"),
    click.option("--prefix", metavar="PREFIX", help="Of all keys that are made in the bucket.  [default: mapreduce]"),
    _several("--input", "inputs", "URL", "What functions may read; may be repeated."),
    _several("--output", "outputs", "URL", "What functions may read and write; may be repeated."),
    _several("--vpc-subnets", "subnets", "ID,...", "Subnets that functions are in."),
    _several("--vpc-security-groups", "security_groups", "ID,...", "Of functions.  [default: one of the stack's]"),
    click.option("--s3-endpoint/--no-s3-endpoint", default=None, help="Make the VPC's way to S3, if it has none."),
    click.option(
        "--secret-endpoint/--no-secret-endpoint", default=None, help="Make the VPC's way to the secret, if it has none."
    ),
    click.option("--redis", metavar="create|URL", help="Redis for shuffles: one that the stack makes, or yours."),
    click.option("--redis-node", metavar="TYPE", help="Type of the stack's Redis.  [default: cache.r7g.large]"),
    click.option("--redis-secret", metavar="REF", help="Where its password is: ssm:NAME or secretsmanager:NAME."),
    click.option("--role-arn", "role", metavar="ARN", help="Use this role, and leave IAM alone."),
    click.option("--reserved-concurrency", "concurrency", metavar="N", help="Functions at once: so many, and no more."),
    click.option("--log-days", "retention", metavar="DAYS", help="Days that logs are kept.  [default: 14]"),
]


def _with(options: Sequence[Any]) -> Callable[[F], F]:
    def give(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return give


@click.command()
@_with([*_WHERE, *_OPTIONS, _YES])
@click.option("--dry-run", is_flag=True, help="Show the template and the changes, and do nothing.")
@click.option(
    "--print-policy",
    type=click.Choice(["user", "role"]),
    is_flag=False,
    flag_value="user",
    help="Print what whoever deploys must be allowed, or with `role` what the role for --role-arn must be.",
)
def deploy(
    name: str | None,
    region: str | None,
    profile: str | None,
    *,
    yes: bool,
    dry_run: bool,
    print_policy: str | None,
    **given: Any,
) -> None:
    """Put the worker onto AWS Lambda, or change what is there.

    Options that are not given stay as they are deployed, "none" takes one back, and of those that may be repeated all
    are replaced. A second run changes nothing.
    """
    from driver.deploy.deploying import carry_out, plan
    from driver.deploy.stack import Stack

    first = Deployment().changed({"name": name})
    if print_policy:
        click.echo(_policy(print_policy, first.changed(given), region, profile))
        return
    aws = _aws(region, profile)
    stack = Stack(aws, first.name, _tell)
    wanted = plan(aws, stack, given)
    _show(wanted, aws, first.name)
    if dry_run:
        click.echo(json.dumps(wanted.new, indent=2))
        return
    if wanted.new == wanted.old:
        _tell("nothing to change")
        return
    _confirm(f"{'change' if wanted.old else 'make'} the stack {first.name} in {aws.region}", yes=yes)
    deployed = carry_out(aws, stack, wanted, _tell)
    _tell(f"the function {deployed.function} stands in {deployed.region}; its storage is {deployed.storage}")


@click.command()
@_with(_WHERE)
@click.option("--drift", is_flag=True, help="Have CloudFormation compare all that it made with the template.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def status(name: str | None, region: str | None, profile: str | None, *, drift: bool, as_json: bool) -> int:
    """Show what is deployed, and whether it is what is installed here.

    Exits with 1 if nothing is deployed, or something else than what is installed.
    """
    from driver.deploy.stack import Stack
    from driver.deploy.status import look

    aws = _aws(region, profile)
    found = look(aws, Stack(aws, Deployment().changed({"name": name}).name, _tell), thorough=drift)
    well = bool(found.outputs) and found.matches is not False and not found.drift
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return 0 if well else 1
    click.echo(f"{found.stack} in {found.region}: {found.state or 'no stack'}")
    if found.version:
        click.echo(f"version {found.version}")
    click.echo(found.verdict)
    for title, told in (("provides", found.outputs), ("options", found.options), ("differs", found.drift)):
        if told:
            click.echo(f"{title}:")
        for key, value in told.items():
            if value not in ("", []) and (key not in _OF_VPC or found.options["subnets"]):
                click.echo(f"  {key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return 0 if well else 1


@click.command()
@_with([*_WHERE, _YES])
@click.option("--delete-data", is_flag=True, help="Delete what jobs left in the bucket too.")
def destroy(name: str | None, region: str | None, profile: str | None, *, yes: bool, delete_data: bool) -> None:
    """Remove what `mapreduce deploy` made, and say what is left."""
    from driver.deploy.destroying import Doomed
    from driver.deploy.stack import Stack

    aws = _aws(region, profile)
    stack = Stack(aws, Deployment().changed({"name": name}).name, _tell)
    doomed = Doomed(aws, stack)
    if not doomed.present:
        _tell(f"there is no stack {stack.name} in {aws.region}: nothing to remove")
        return
    for resource, there in doomed.resources.items():
        _tell(f"remove {resource} ({there})")
    _confirm(f"remove the stack {stack.name} in {aws.region}", yes=yes)
    left = doomed.remove(data=delete_data, tell=_tell)
    _tell(f"the stack {stack.name} is removed")
    for sentence in left:
        _tell(f"left: {sentence}")


def _aws(region: str | None, profile: str | None) -> Aws:
    from driver.deploy.aws import Aws
    from driver.settings import Settings

    # Where jobs run does not matter here, and to find it out may need what is to be deployed.
    return Aws(region or "", Settings.load({"profile": profile, "executor": "local"}).profile)


def _show(wanted: Wanted, aws: Aws, name: str) -> None:
    """Say what is going to change."""
    from mapreduce.sizes import format_size

    if wanted.package is not None:
        size, unpacked = format_size(len(wanted.package.data)), format_size(wanted.package.unpacked)
        _tell(f"code package: {size}, {unpacked} unpacked, SHA-256 {wanted.package.digest}")
    changes = wanted.changes
    _tell(f"{name} in {aws.region}: {len(changes) or 'no'} change{'' if len(changes) == 1 else 's'}")
    for change in changes:
        _tell(str(change))


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"nobody can be asked whether to {what}: say --yes")
    click.confirm(f"{what[0].upper()}{what[1:]}?", abort=True, err=True)


def _policy(whose: str, deployment: Deployment, region: str | None, profile: str | None) -> str:
    from driver.deploy.permissions import for_deploying, for_functions

    aws = _aws(region, profile)
    make = for_deploying if whose == "user" else for_functions
    return json.dumps(make(deployment, aws.partition, aws.region, aws.account), indent=2)


def _tell(line: str) -> None:
    click.echo(line, err=True)
