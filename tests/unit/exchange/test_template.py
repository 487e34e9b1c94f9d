"""The permissions of each function on AWS, as the template declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

TEMPLATE = Path(__file__).parents[3] / "template.yaml"
ROLE_OF = {
    "IngestFunction": "exchange_ingest",
    "OutboxPublishFunction": "exchange_outbox",
    "NormalizeFunction": "exchange_normalize",
    "LineageFunction": "exchange_lineage",
    "RedriveFunction": "exchange_redrive",
    "EraseFunction": "exchange_erase",
    "RetainFunction": "exchange_retain",
    "ReplayFunction": "exchange_replay",
    "ReconcileFunction": "exchange_reconcile",
}


class CloudFormation(yaml.SafeLoader):
    """A YAML loader that reads each of CloudFormation's short functions as {its name: its argument}."""


def intrinsic(loader: CloudFormation, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


CloudFormation.add_multi_constructor("!", intrinsic)


def load() -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(TEMPLATE.read_bytes(), CloudFormation)
    return template


def properties_of(kind: str) -> dict[str, dict[str, Any]]:
    resources = load()["Resources"].items()
    return {name: resource["Properties"] for name, resource in resources if resource["Type"] == kind}


FUNCTIONS = properties_of("AWS::Serverless::Function")
MANAGED_POLICIES = properties_of("AWS::IAM::ManagedPolicy")


def variables(function: str) -> dict[str, Any]:
    found: dict[str, Any] = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    return found


def policies(function: str) -> str:
    """Return the function's own statements and those of the managed policies that it refers to."""
    own = str(FUNCTIONS[function].get("Policies", ""))
    managed = [str(policy) for name, policy in MANAGED_POLICIES.items() if str({"Ref": name}) in own]
    return " ".join([own, *managed])


def test_every_function_of_the_exchange_is_looked_at() -> None:
    assert set(FUNCTIONS) == {*ROLE_OF, "TokenizeFunction", "MetricsFunction"}


def test_only_tokenize_is_told_of_token_keys() -> None:
    told = {name for name in FUNCTIONS if any(v.startswith("TOKENIZER_") for v in variables(name))}
    assert told == {"TokenizeFunction"}
    mentioned = {
        name for name, properties in FUNCTIONS.items() if "TokenizerSecretArn" in str(properties)
    } | {name for name, properties in FUNCTIONS.items() if "TokenizerHmacSecret" in str(properties)}
    assert mentioned == {"TokenizeFunction"}
    assert "TOKENIZER" not in str(load()["Globals"])
    assert "Tokenizer" not in str(MANAGED_POLICIES)


def test_tokenize_reaches_neither_the_database_nor_the_bucket() -> None:
    assert not {
        name for name in variables("TokenizeFunction") if name.startswith(("POSTGRES", "PG", "RAW_", "KAFKA"))
    }
    assert not {
        name
        for name in load()["Globals"]["Function"]["Environment"]["Variables"]
        if name.startswith(("POSTGRES", "PG"))
    }
    assert "s3:" not in policies("TokenizeFunction")


@pytest.mark.parametrize(("function", "role"), ROLE_OF.items())
def test_a_function_is_its_own_role_and_reads_only_that_role_s_password(function: str, role: str) -> None:
    others = {"exchange_owner", *ROLE_OF.values()} - {role}
    told = f"{variables(function)} {policies(function)}"
    assert role in told
    assert [other for other in others if other in told] == []


def test_every_managed_policy_is_some_function_s() -> None:
    attached = " ".join(str(properties.get("Policies", "")) for properties in FUNCTIONS.values())
    assert [name for name in MANAGED_POLICIES if str({"Ref": name}) not in attached] == []


def test_only_ingest_writes_raw_objects_and_only_those_who_work_on_them_read_them() -> None:
    assert {name for name in FUNCTIONS if "s3:PutObject" in policies(name)} == {"IngestFunction"}
    readers = {name for name in FUNCTIONS if "s3:GetObject" in policies(name)}
    assert readers == {"NormalizeFunction", "RedriveFunction", "ReplayFunction", "ReconcileFunction"}


def test_only_erase_and_retain_delete_raw_objects() -> None:
    deleting = {name for name in FUNCTIONS if "s3:DeleteObject" in policies(name)}
    assert deleting == {"EraseFunction", "RetainFunction"}


def test_only_outbox_publish_knows_the_brokers() -> None:
    assert {name for name in FUNCTIONS if "KAFKA_BROKERS" in variables(name)} == {"OutboxPublishFunction"}


def test_production_is_what_the_template_deploys_unless_told_otherwise() -> None:
    parameters = load()["Parameters"]
    assert parameters["Env"]["Default"] == "prod"
    for secret in ("PostgresPassword", "JwtSecret", "TokenizerHmacSecret"):
        assert parameters[secret]["Default"] == ""
        assert parameters[secret]["NoEcho"] is True
