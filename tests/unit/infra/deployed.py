"""template.yaml as CloudFormation gets it, translated by SAM's translator and resolved for given parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from samtranslator.yaml_helper import yaml_parse

from sam_offline.template.intrinsics import Resolver
from sam_offline.template.translate import translate

ROOT = Path(__file__).parents[3]
REGION = "eu-west-1"
ACCOUNT = "arn:aws:{service}:eu-west-1:123456789012:{name}"

SELF_MANAGED = {
    "Env": "prod",
    "FunctionRuntime": "python3.13",
    "KmsKeyArn": ACCOUNT.format(service="kms", name="key/the-key"),
    "AlarmTopicArn": ACCOUNT.format(service="sns", name="alarms"),
    "VpcSubnetA": "subnet-aaaa",
    "VpcSubnetB": "subnet-bbbb",
    "VpcSecurityGroupId": "sg-cccc",
    "TokenizeVpcEndpointId": "vpce-dddd",
    "RawAccessLogBucket": "access-logs",
    "IngestConcurrency": "50",
    "TokenizeConcurrency": "40",
    "NormalizeConcurrency": "32",
    "KafkaBrokers": "b1:9096,b2:9096",
    "KafkaSecretArn": ACCOUNT.format(service="secretsmanager", name="secret:AmazonMSK_exchange"),
    "JwtSecretArn": ACCOUNT.format(service="secretsmanager", name="secret:jwt"),
    "TokenizerSecretArn": ACCOUNT.format(service="secretsmanager", name="secret:token-keys"),
}
MSK = {**SELF_MANAGED, "KafkaClusterArn": ACCOUNT.format(service="kafka", name="cluster/exchange/1")}
LOCAL = {"Env": "local", "PostgresPassword": "x", "JwtSecret": "x" * 32, "TokenizerHmacSecret": "x"}


def functions_of_the_template() -> dict[str, Mapping[str, Any]]:
    """Return the declared properties of each function in template.yaml by logical id."""
    resources = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    return {
        logical_id: resource["Properties"]
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def database_roles_of_the_template() -> list[str]:
    """Return the Postgres roles that the functions connect as."""
    dsns = (
        properties.get("Environment", {}).get("Variables", {}).get("POSTGRES_DSN", {}).get("Fn::Sub", "")
        for properties in functions_of_the_template().values()
    )
    return sorted({urlsplit(dsn).username for dsn in dsns if dsn})


@dataclass(frozen=True)
class Deployed:
    """The resolved resources whose conditions hold, by logical id."""

    resources: Mapping[str, Mapping[str, Any]]

    @classmethod
    def with_parameters(cls, parameters: Mapping[str, str]) -> Self:
        template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
        translated = translate(template, parameters, REGION)
        resolver = Resolver(translated, parameters, REGION)
        return cls(
            {
                logical_id: resolver.resolve({"Type": resource["Type"], **resource})
                for logical_id, resource in translated["Resources"].items()
                if "Condition" not in resource or resolver.holds(resource["Condition"])
            }
        )

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Return the properties of every `AWS::<kind>`."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def statements(self, function: str) -> Iterator[Mapping[str, Any]]:
        """Yield the statements of the template's own policies, inline and managed, on a function's role."""
        role = self.of("IAM::Role")[f"{function}Role"]
        managed = self.of("IAM::ManagedPolicy")
        policies = [*role["Policies"], *(managed[arn] for arn in role["ManagedPolicyArns"] if arn in managed)]
        for policy in policies:
            yield from policy["PolicyDocument"]["Statement"]

    def policies_of_aws(self, function: str) -> set[str]:
        """Return the names of AWS's own policies on a function's role."""
        arns = set(self.of("IAM::Role")[f"{function}Role"]["ManagedPolicyArns"])
        return {arn.partition(":policy/")[2] for arn in arns - set(self.of("IAM::ManagedPolicy"))}
