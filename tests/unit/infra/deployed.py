"""template.yaml as CloudFormation would have it: translated by SAM's translator, resolved for given parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

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


@dataclass(frozen=True)
class Deployed:
    """The resources whose condition holds, resolved, by logical id."""

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
        """Properties of every `AWS::<kind>`."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def statements(self, function: str) -> Iterator[Mapping[str, Any]]:
        """What the role of a function is granted by policies of ours."""
        for policy in self.of("IAM::Role")[f"{function}Role"]["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]
