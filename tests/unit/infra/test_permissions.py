"""Every function has exactly the permissions on AWS that its code needs.

CALLS lists the calls of each function, read off its code. A new kind of call needs a line here and a statement in
template.yaml; either one without the other fails.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.unit.infra.deployed import ACCOUNT, MSK, Deployed

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
KEY = MSK["KmsKeyArn"]
CALLS: dict[str, set[tuple[str, str]]] = {
    "IngestFunction": {
        ("s3:PutObject", "arn:aws:s3:::exchange-raw/*"),  # platform.objects.put
        ("kms:GenerateDataKey", KEY),  # … into an encrypted bucket
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_ingest-*"),  # platform.db
        ("secretsmanager:GetSecretValue", MSK["JwtSecretArn"]),  # platform.auth
        ("kms:Decrypt", KEY),  # … of secrets
    },
    "TokenizeFunction": {
        ("secretsmanager:GetSecretValue", MSK["TokenizerSecretArn"]),  # tokens.keys
        ("secretsmanager:GetSecretValue", MSK["JwtSecretArn"]),  # platform.auth
        ("kms:Decrypt", KEY),
    },
    "OutboxPublishFunction": {
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_outbox-*"),  # platform.db
        ("secretsmanager:GetSecretValue", MSK["KafkaSecretArn"]),  # platform.bus
        ("kms:Decrypt", KEY),
    },
    "NormalizeFunction": {
        ("s3:GetObject", "arn:aws:s3:::exchange-raw/*"),  # platform.objects.get_many
        ("s3:ListBucket", "arn:aws:s3:::exchange-raw"),  # … a missing object is 403 without it
        ("lambda:InvokeFunction", ACCOUNT.format(service="lambda", name="function:TokenizeFunction:live")),
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_normalize-*"),  # platform.db
        ("kms:Decrypt", KEY),
        # needed not by the code but by the event source's pollers, which use the function's role
        ("secretsmanager:GetSecretValue", MSK["KafkaSecretArn"]),
        ("kafka:DescribeCluster", MSK["KafkaClusterArn"]),
        ("kafka:DescribeClusterV2", MSK["KafkaClusterArn"]),
        ("kafka:GetBootstrapBrokers", MSK["KafkaClusterArn"]),
        ("ec2:DescribeSecurityGroups", "*"),
        ("ec2:DescribeVpcs", "*"),
    },
    "LineageFunction": {
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_lineage-*"),  # platform.db
        ("kms:Decrypt", KEY),
    },
    "RedriveFunction": {
        ("s3:ListBucket", "arn:aws:s3:::exchange-raw"),  # platform.objects.get_many, as normalize
        ("s3:GetObject", "arn:aws:s3:::exchange-raw/*"),  # platform.objects.get_many
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_redrive-*"),  # platform.db
        ("kms:Decrypt", KEY),
    },
    "ReplayFunction": {
        ("s3:ListBucket", "arn:aws:s3:::exchange-raw"),  # platform.listing
        ("s3:GetObject", "arn:aws:s3:::exchange-raw/*"),  # platform.objects.get_many
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_replay-*"),  # platform.db
        ("kms:Decrypt", KEY),
    },
    "ReconcileFunction": {
        ("s3:ListBucket", "arn:aws:s3:::exchange-raw"),  # platform.listing
        ("s3:GetObject", "arn:aws:s3:::exchange-raw/*"),  # platform.objects.get_many
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_reconcile-*"),  # platform.db
        ("kms:Decrypt", KEY),
    },
    "EraseFunction": {
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_erase-*"),  # platform.db
        ("kms:Decrypt", KEY),
        ("lambda:InvokeFunction", ACCOUNT.format(service="lambda", name="function:TokenizeFunction:live")),
        ("s3:ListBucketVersions", "arn:aws:s3:::exchange-raw"),  # platform.versions.find
        ("s3:DeleteObjectVersion", "arn:aws:s3:::exchange-raw/*"),  # platform.versions.delete
    },
    "RetainFunction": {
        ("secretsmanager:GetSecretValue", SECRET + "exchange/postgres/exchange_retain-*"),  # platform.db
        ("kms:Decrypt", KEY),
        ("s3:ListBucketVersions", "arn:aws:s3:::exchange-raw"),  # platform.versions.find
        ("s3:DeleteObjectVersion", "arn:aws:s3:::exchange-raw/*"),  # platform.versions.delete
    },
}
# Actions with "*" as their resource, and the reason.
UNAVOIDABLE = {
    "ec2:DescribeSecurityGroups": "EC2's Describe actions know no resources",
    "ec2:DescribeVpcs": "EC2's Describe actions know no resources",
}
# AWS's own policies that SAM attaches; their resource "*" is accepted for what they permit.
NETWORK = "service-role/AWSLambdaVPCAccessExecutionRole"
MANAGED = {
    "service-role/AWSLambdaBasicExecutionRole": "write logs",
    "AWSXRayDaemonWriteAccess": "write traces, which know no resources",
    "AWSXrayWriteOnlyAccess": "write traces, which know no resources",
    NETWORK: "the network interfaces of a function in a VPC",
}


@cache
def deployed() -> Deployed:
    return Deployed.with_parameters(MSK)


def granted(function: str) -> set[tuple[str, str]]:
    pairs = set()
    for statement in deployed().statements(function):
        assert statement["Effect"] == "Allow"
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            for resource in [resources] if isinstance(resources, str) else resources:
                pairs.add((action, resource))
    return pairs


@pytest.mark.parametrize("function", CALLS)
def test_a_function_is_granted_exactly_the_calls_that_its_code_makes(function: str) -> None:
    assert granted(function) == CALLS[function]


def test_every_function_is_in_the_list() -> None:
    assert set(deployed().of("Lambda::Function")) == set(CALLS)


@pytest.mark.parametrize("function", CALLS)
def test_no_action_is_a_wildcard_and_no_resource_without_a_reason(function: str) -> None:
    for action, resource in granted(function):
        assert "*" not in action
        assert resource != "*" or action in UNAVOIDABLE


def test_only_tokenize_reads_the_token_keys_and_only_normalize_and_erase_invoke_it() -> None:
    readers = {f for f in CALLS if ("secretsmanager:GetSecretValue", MSK["TokenizerSecretArn"]) in granted(f)}
    callers = {f for f in CALLS if any(action == "lambda:InvokeFunction" for action, _ in granted(f))}
    assert (readers, callers) == ({"TokenizeFunction"}, {"NormalizeFunction", "EraseFunction"})


@pytest.mark.parametrize("function", CALLS)
def test_the_key_is_used_through_the_service_that_holds_the_data_only(function: str) -> None:
    for statement in deployed().statements(function):
        if "kms:" in str(statement["Action"]):
            (service,) = statement["Condition"]["StringEquals"].values()
            assert service in ("s3.eu-west-1.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com")


@pytest.mark.parametrize("function", CALLS)
def test_of_aws_own_policies_only_those_for_logs_traces_and_network_are_attached(function: str) -> None:
    role = deployed().of("IAM::Role")[f"{function}Role"]
    attached = deployed().policies_of_aws(function)
    assert attached <= set(MANAGED)
    network = bool(deployed().of("Lambda::Function")[function].get("VpcConfig"))
    assert (NETWORK in attached) is network
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "Service": ["lambda.amazonaws.com"]
    }
