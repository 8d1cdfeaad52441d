"""Looking up what subnets imply: their VPC, their route tables, and the ways out that it has already."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from driver.deploy.aws import Aws
from driver.deploy.deployment import Deployment
from driver.deploy.network import needs_secret_endpoint
from driver.deploy.policy import secret_resource
from mapreduce.errors import ConfigError


def look_up(aws: Aws, deployment: Deployment, own: Collection[str]) -> Deployment:
    """The deployment with what its subnets imply.

    A way to S3 or to the secret that the VPC has already is not made again: AWS refuses a second one.

    Args:
        aws: the account.
        deployment: whose subnets are looked at.
        own: ids of what the stack has made, which it keeps.

    Raises:
        ConfigError: the subnets are not of one VPC.
        AwsError: there are no such subnets, or they may not be looked at.
    """
    if not deployment.subnets:
        return replace(deployment, vpc="", route_tables=())
    subnets = aws.call("ec2", "describe_subnets", SubnetIds=list(deployment.subnets))["Subnets"]
    vpcs = sorted({subnet["VpcId"] for subnet in subnets})
    if len(vpcs) != 1:
        raise ConfigError(f"--vpc-subnets: they are of several VPCs, {', '.join(vpcs)}: name subnets of one")
    [vpc] = vpcs
    tables = _route_tables(aws, vpc, deployment.subnets)
    found = replace(deployment, vpc=vpc, route_tables=tuple(tables))
    ways = [way for way in _ways(aws, vpc) if way["VpcEndpointId"] not in own]
    has_s3 = any(
        way["ServiceName"].endswith(".s3") and set(tables) <= set(way.get("RouteTableIds", ())) for way in ways
    )
    service, _ = secret_resource(found)
    has_secret = needs_secret_endpoint(found) and any(way["ServiceName"].endswith(f".{service}") for way in ways)
    return replace(
        found,
        s3_endpoint=found.s3_endpoint and not has_s3,
        secret_endpoint=found.secret_endpoint and not has_secret,
    )


def _route_tables(aws: Aws, vpc: str, subnets: Iterable[str]) -> list[str]:
    """The route tables of subnets: those that they name, or the VPC's main one."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    main, named = "", {}
    for table in aws.call("ec2", "describe_route_tables", Filters=filters)["RouteTables"]:
        for link in table.get("Associations", ()):
            if link.get("Main"):
                main = table["RouteTableId"]
            elif "SubnetId" in link:
                named[link["SubnetId"]] = table["RouteTableId"]
    return sorted({named.get(subnet, main) for subnet in subnets} - {""})


def _ways(aws: Aws, vpc: str) -> list[dict[str, Any]]:
    """The endpoints of a VPC."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    found = aws.call("ec2", "describe_vpc_endpoints", Filters=filters)["VpcEndpoints"]
    return [way for way in found if way.get("State", "").lower() not in ("deleting", "deleted", "failed", "rejected")]
