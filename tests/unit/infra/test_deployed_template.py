"""The resources that `sam deploy` would create from template.yaml."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.unit.infra.deployed import LOCAL, MSK, ROOT, SELF_MANAGED, Deployed, functions_of_the_template

FUNCTIONS = sorted(functions_of_the_template().keys() - {"MetricsFunction"})


@cache
def deployed(*, msk: bool = False) -> Deployed:
    return Deployed.with_parameters(MSK if msk else SELF_MANAGED)


@cache
def local() -> Deployed:
    return Deployed.with_parameters(LOCAL)


def test_local_makes_nothing_that_only_aws_has() -> None:
    kinds = {resource["Type"] for resource in local().resources.values()}
    assert kinds.isdisjoint(
        {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"}
    )


def test_the_metrics_route_exists_only_locally() -> None:
    assert "MetricsFunction" in local().of("Lambda::Function")
    assert set(deployed().of("Lambda::Function")) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_a_snapshot_behind_an_alias(function: str) -> None:
    properties = deployed().of("Lambda::Function")[function]
    assert (properties["Runtime"], properties["SnapStart"]) == (
        "python3.13",
        {"ApplyOn": "PublishedVersions"},
    )
    assert deployed().of("Lambda::Alias")[f"{function}Aliaslive"]["Name"] == "live"


def test_a_runtime_without_snapstart_is_deployed_without_it() -> None:
    on_python_311 = Deployed.with_parameters({**SELF_MANAGED, "FunctionRuntime": "python3.11"})
    assert {f["SnapStart"]["ApplyOn"] for f in on_python_311.of("Lambda::Function").values()} == {"None"}


def test_both_layers_are_built_for_the_runtime_of_the_functions() -> None:
    layers = deployed().of("Lambda::LayerVersion").values()
    assert [layer["CompatibleRuntimes"] for layer in layers] == [["python3.13"]] * 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_logs_to_a_group_that_forgets_and_is_encrypted(function: str) -> None:
    name = deployed().of("Lambda::Function")[function]["LoggingConfig"]["LogGroup"]
    (group,) = (g for g in deployed().of("Logs::LogGroup").values() if g["LogGroupName"] == name)
    assert int(group["RetentionInDays"]) == 30
    assert group["KmsKeyId"] == SELF_MANAGED["KmsKeyArn"]


def test_only_functions_that_need_the_network_are_in_it() -> None:
    inside = {name for name, f in deployed().of("Lambda::Function").items() if f.get("VpcConfig")}
    assert inside == set(FUNCTIONS) - {"TokenizeFunction"}


def test_no_secret_stands_in_a_variable() -> None:
    for function in deployed().of("Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        assert not any(variables.get(name) for name in ("JWT_SECRET", "TOKENIZER_HMAC_SECRET", "PGPASSWORD"))
        assert ":" not in variables.get("POSTGRES_DSN", "").split("://")[-1].split("@")[0]


def test_a_plain_secret_that_is_given_all_the_same_reaches_no_function() -> None:
    plain = {name: f"plain-{name}" for name in ("PostgresPassword", "JwtSecret", "TokenizerHmacSecret")}
    assert "plain-" not in str(Deployed.with_parameters(SELF_MANAGED | plain).resources)
    assert "plain-" in str(Deployed.with_parameters(LOCAL | plain).resources)


def test_the_password_stands_beside_the_dsn_and_never_in_it() -> None:
    for function in local().of("Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        assert ("PGPASSWORD" in variables) == ("POSTGRES_DSN" in variables)
        assert not re.search(":[^/@]*@", variables.get("POSTGRES_DSN", ""))


def test_normalize_calls_the_published_version_of_tokenize() -> None:
    variables = deployed().of("Lambda::Function")["NormalizeFunction"]["Environment"]["Variables"]
    assert variables["TOKENIZE_FUNCTION_NAME"].endswith(":function:TokenizeFunction:live")


def test_the_bucket_is_private_versioned_encrypted_and_speaks_tls_only() -> None:
    (bucket,) = deployed().of("S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == SELF_MANAGED["KmsKeyArn"]
    (policy,) = deployed().of("S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_batch_that_is_given_up_goes_to_its_poison_topic_after_as_many_tries_as_aws_allows(
    version: str,
) -> None:
    source = deployed().of("Lambda::EventSourceMapping")[f"NormalizeFrom{version.upper()}"]
    assert source["DestinationConfig"] == {
        "OnFailure": {"Destination": f"kafka://record.ingested.{version}.poison"}
    }
    assert int(source["MaximumRetryAttempts"]) == 10_000
    assert source["BisectBatchOnFunctionError"] is True
    assert "ProvisionedPollerConfig" in source


def test_a_kafka_of_ones_own_is_reached_in_the_vpc_as_a_user() -> None:
    source = deployed().of("Lambda::EventSourceMapping")["NormalizeFromV1"]
    assert source["SelfManagedEventSource"]["Endpoints"]["KafkaBootstrapServers"] == ["b1:9096", "b2:9096"]
    assert source["SourceAccessConfigurations"] == [
        {"Type": "SASL_SCRAM_512_AUTH", "URI": SELF_MANAGED["KafkaSecretArn"]},
        {"Type": "VPC_SUBNET", "URI": "subnet:subnet-aaaa"},
        {"Type": "VPC_SUBNET", "URI": "subnet:subnet-bbbb"},
        {"Type": "VPC_SECURITY_GROUP", "URI": "security_group:sg-cccc"},
    ]
    assert "EventSourceArn" not in source


def test_msk_is_reached_by_its_arn_and_brings_its_own_network() -> None:
    source = deployed(msk=True).of("Lambda::EventSourceMapping")["NormalizeFromV1"]
    assert source["EventSourceArn"] == MSK["KafkaClusterArn"]
    assert source["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": "exchange-normalize-v1"}
    assert [access["Type"] for access in source["SourceAccessConfigurations"]] == ["SASL_SCRAM_512_AUTH"]
    assert "SelfManagedEventSource" not in source


def test_concurrency_is_reserved_where_a_number_is_given() -> None:
    functions = deployed().of("Lambda::Function")
    assert int(functions["NormalizeFunction"]["ReservedConcurrentExecutions"]) == 32
    assert functions["OutboxPublishFunction"]["ReservedConcurrentExecutions"] == 2
    unlimited = Deployed.with_parameters({**SELF_MANAGED, "IngestConcurrency": ""}).of("Lambda::Function")
    assert "ReservedConcurrentExecutions" not in unlimited["IngestFunction"]


@pytest.mark.parametrize("function", ["ingest", "normalize"])
def test_production_reserves_no_more_environments_than_the_role_may_have_connections(function: str) -> None:
    deploy = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["prod"]["deploy"]["parameters"]
    parameters = dict(pair.split("=", 1) for pair in deploy["parameter_overrides"])
    migrations = "".join(p.read_text("utf-8") for p in sorted((ROOT / "infra/postgres/migrations").iterdir()))
    limit = re.findall(rf"exchange_{function} CONNECTION LIMIT (\d+)", migrations)[-1]
    assert 0 < int(parameters[f"{function.title()}Concurrency"]) <= int(limit)


def test_production_is_refused_without_what_samconfig_marks_and_without_any_part_of_its_network() -> None:
    samconfig = (ROOT / "samconfig.toml").read_text("utf-8")
    marked = set(re.findall(r'^    # "(\w+)=[^"]*", +# \*$', samconfig, re.MULTILINE))
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))

    def not_empty(conditions: list[Any]) -> set[str]:
        return {condition["Fn::Not"][0]["Fn::Equals"][0]["Ref"] for condition in conditions}

    assertions = template["Rules"]["ProductionIsWhole"]["Assertions"]
    refused = not_empty([assertion["Assert"] for assertion in assertions])
    network = not_empty(template["Conditions"]["HasVpc"]["Fn::And"])
    assert marked
    assert marked | network | {"IngestConcurrency"} == refused


def test_every_request_for_a_raw_object_is_logged_where_a_bucket_is_given() -> None:
    (bucket,) = deployed().of("S3::Bucket").values()
    assert bucket["LoggingConfiguration"] == {
        "DestinationBucketName": "access-logs",
        "LogFilePrefix": "exchange-raw/",
    }


def test_access_logs_hold_no_address_header_query_or_body() -> None:
    for stage in deployed().of("ApiGateway::Stage").values():
        fields = json.loads(stage["AccessLogSetting"]["Format"]).values()
        assert set(fields) <= {
            "$context.requestId",
            "$context.requestTime",
            "$context.httpMethod",
            "$context.resourcePath",
            "$context.status",
            "$context.responseLatency",
            "$context.integrationLatency",
            "$context.error.responseType",
        }


def test_both_apis_throttle_and_log_no_request_whole() -> None:
    for stage in deployed().of("ApiGateway::Stage").values():
        (settings,) = stage["MethodSettings"]
        assert (int(settings["ThrottlingRateLimit"]), int(settings["ThrottlingBurstLimit"])) == (1000, 500)
        assert settings["DataTraceEnabled"] is False


def test_tokenize_is_called_from_its_vpc_endpoint_only() -> None:
    api = deployed().of("ApiGateway::RestApi")["TokenizeApi"]
    (statement,) = api["Body"]["x-amazon-apigateway-policy"]["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceVpce": "vpce-dddd"}}


def test_every_alarm_is_heard() -> None:
    alarms = deployed().of("CloudWatch::Alarm")
    assert {alarm["MetricName"] for alarm in alarms.values()} == {
        "DeadLetters",
        "OpenFindings",
        "OutboxOldestAgeSeconds",
        "Errors",
        "OffsetLag",
        "OnFailureDestinationDeliveredEventCount",
        "Throttles",
        "5XXError",
    }
    assert all(alarm["AlarmActions"] == [SELF_MANAGED["AlarmTopicArn"]] for alarm in alarms.values())
