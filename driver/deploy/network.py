"""The part of the stack that lies in a VPC: security groups, ways to S3 and to the secret, Redis."""

from __future__ import annotations

from typing import Any

from driver.deploy.deployment import CREATE, Deployment
from driver.deploy.policy import secret_resource, sub

_REDIS_PORT = 6379
_TLS_PORT = 443
_ANYWHERE = "0.0.0.0/0"


def network(deployment: Deployment) -> dict[str, Any]:
    """The resources of a deployment in a VPC, by their names in the template; none without subnets."""
    if not deployment.subnets:
        return {}
    made: dict[str, Any] = {}
    if not deployment.security_groups:
        made["FunctionGroup"] = _group(deployment, "functions of mapreduce", outgoing=_outgoing(deployment))
    if deployment.s3_endpoint:
        made["S3Endpoint"] = {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcEndpointType": "Gateway",
                "ServiceName": sub("com.amazonaws.${AWS::Region}.s3"),
                "VpcId": deployment.vpc,
                "RouteTableIds": list(deployment.route_tables),
            },
        }
    if needs_secret_endpoint(deployment):
        made |= _secret_endpoint(deployment)
    if deployment.redis == CREATE:
        made |= _redis(deployment)
    return made


def needs_secret_endpoint(deployment: Deployment) -> bool:
    """Whether functions reach the service that keeps the secret only by an endpoint of the stack's own."""
    return bool(deployment.subnets and deployment.secret_endpoint and secret_resource(deployment)[0])


def redis_url(deployment: Deployment) -> Any:
    """The URL of Redis."""
    if deployment.redis != CREATE:
        return deployment.redis
    return sub("rediss://${Redis.PrimaryEndPoint.Address}:${Redis.PrimaryEndPoint.Port}")


def redis_secret(deployment: Deployment) -> Any:
    """Where the password of Redis is: ssm:NAME or secretsmanager:NAME, of a name or an ARN; "" without one."""
    if deployment.redis_secret:
        return deployment.redis_secret
    return sub("secretsmanager:${RedisSecret}") if deployment.redis == CREATE else ""


def _outgoing(deployment: Deployment) -> list[dict[str, Any]]:
    """Where functions may connect to: AWS's services, and Redis."""
    rules = [_rule(_TLS_PORT, "services of AWS", CidrIp=_ANYWHERE)]
    if deployment.redis == CREATE:  # its group, which names this one, says who may connect
        rules.append(_rule(_REDIS_PORT, "Redis", CidrIp=_ANYWHERE))
    elif deployment.redis:
        nodes = deployment.redis.partition("://")[2].partition("?")[0].split(",")
        ports = {int(node.rpartition(":")[2]) if node.rpartition(":")[2].isdecimal() else _REDIS_PORT for node in nodes}
        rules += [_rule(port, "Redis", CidrIp=_ANYWHERE) for port in sorted(ports)]
    return rules


def _rule(port: int, why: str, **where: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "Description": why, **where}


def _id(group: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [group, "GroupId"]}


def _group(
    deployment: Deployment, what: str, *, outgoing: list[dict[str, Any]], incoming: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    properties = {"GroupDescription": what, "VpcId": deployment.vpc, "SecurityGroupEgress": outgoing}
    if incoming:
        properties["SecurityGroupIngress"] = incoming
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}


def _from_functions(deployment: Deployment, port: int) -> list[dict[str, Any]]:
    """Rules that let functions in."""
    sources: list[Any] = list(deployment.security_groups) or [_id("FunctionGroup")]
    return [_rule(port, "from functions", SourceSecurityGroupId=source) for source in sources]


def _secret_endpoint(deployment: Deployment) -> dict[str, Any]:
    """The way to the service that keeps the secret."""
    service, _ = secret_resource(deployment)
    endpoint = {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcEndpointType": "Interface",
            "ServiceName": sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
            "VpcId": deployment.vpc,
            "SubnetIds": list(deployment.subnets),
            "SecurityGroupIds": [_id("SecretGroup")],
            "PrivateDnsEnabled": True,
        },
    }
    incoming = _from_functions(deployment, _TLS_PORT)
    group = _group(deployment, "way to the secret of mapreduce", outgoing=[_nowhere()], incoming=incoming)
    return {"SecretGroup": group, "SecretEndpoint": endpoint}


def _nowhere() -> dict[str, Any]:
    """A rule that lets nothing out: without any rule, AWS makes one that lets everything out."""
    return {"IpProtocol": "-1", "CidrIp": "127.0.0.1/32", "Description": "nowhere"}


def _redis(deployment: Deployment) -> dict[str, Any]:
    """A replication group of one node, with TLS and a password that nobody has seen."""
    service, _ = secret_resource(deployment)
    made: dict[str, Any] = {}
    if deployment.redis_secret:
        name = deployment.redis_secret.partition(":")[2]
        if service == "ssm" and name.startswith("arn:"):
            name = name.partition(":parameter")[2]
        source = {"ssm": "ssm-secure", "secretsmanager": "secretsmanager"}[service]
        token: Any = f"{{{{resolve:{source}:{name}}}}}"
    else:
        made["RedisSecret"] = {
            "Type": "AWS::SecretsManager::Secret",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "Description": "password of the Redis of mapreduce",
                "GenerateSecretString": {"PasswordLength": 64, "ExcludePunctuation": True},
            },
        }
        token = sub("{{resolve:secretsmanager:${RedisSecret}}}")
    made |= {
        "RedisGroup": _group(
            deployment,
            "Redis of mapreduce",
            outgoing=[_nowhere()],
            incoming=_from_functions(deployment, _REDIS_PORT),
        ),
        "RedisSubnets": {
            "Type": "AWS::ElastiCache::SubnetGroup",
            "Properties": {"Description": "Redis of mapreduce", "SubnetIds": list(deployment.subnets)},
        },
        "RedisParameters": {
            "Type": "AWS::ElastiCache::ParameterGroup",
            "Properties": {
                "CacheParameterGroupFamily": "valkey8",
                "Description": "Redis of mapreduce",
                # Evicted keys are lost shuffle data, to be made again: a full store must say so.
                "Properties": {"maxmemory-policy": "noeviction"},
            },
        },
        "Redis": {
            "Type": "AWS::ElastiCache::ReplicationGroup",
            # Shuffle data is made again when it is lost: no replica, no snapshot.
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "ReplicationGroupDescription": "shuffle data of mapreduce",
                "Engine": "valkey",
                "EngineVersion": "8.0",
                "CacheNodeType": deployment.redis_node,
                "NumCacheClusters": 1,
                "AutomaticFailoverEnabled": False,
                "TransitEncryptionEnabled": True,
                "AtRestEncryptionEnabled": True,
                "AuthToken": token,
                "Port": _REDIS_PORT,
                "CacheSubnetGroupName": {"Ref": "RedisSubnets"},
                "CacheParameterGroupName": {"Ref": "RedisParameters"},
                "SecurityGroupIds": [_id("RedisGroup")],
            },
        },
    }
    return made
