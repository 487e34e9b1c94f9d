from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.errors import TemplateError
from infra.local.model import HttpRoute, function_name_of
from infra.local.template import read_template

FOLDER = Path(__file__).parents[2] / "integration" / "local" / "application"
TEMPLATE = FOLDER / "template.yaml"


def test_globals_and_parameters_reach_every_function() -> None:
    application = read_template(TEMPLATE, {"Greeting": "good day"}, "us-east-1")
    function = next(item for item in application.functions if item.name == "SlowFunction")
    assert function.environment == {"GREETING": "good day"}
    assert (function.memory_mb, function.timeout_seconds, function.reserved_concurrency) == (256, 1, 2)
    assert function.source.path == FOLDER / "src"


def test_values_of_variables_stay_out_of_the_repr() -> None:
    application = read_template(TEMPLATE, {"Greeting": "a-secret"}, "us-east-1")
    assert "a-secret" not in repr(application)


def test_layers_keep_their_order_folder_and_build_method() -> None:
    application = read_template(TEMPLATE, {}, "us-east-1")
    function = next(item for item in application.functions if item.name == "LayeredFunction")
    assert [(layer.logical_id, layer.path.name, layer.build_method) for layer in function.layers] == [
        ("GreetingsLayer", "shared", "python3.11"),
        ("MadeLayer", "made", "makefile"),
        ("PlainLayer", "plain", None),
    ]


def test_an_api_has_its_routes_stage_and_binary_types() -> None:
    (api,) = read_template(TEMPLATE, {}, "us-east-1").apis
    assert (api.logical_id, api.stage, api.binary_media_types) == (
        "PublicApi",
        "live",
        ("application/octet-stream",),
    )
    assert HttpRoute("ANY", "/echo", "EchoFunction") in api.routes
    assert HttpRoute("GET", "/people/{person}", "EchoFunction") in api.routes


def test_a_schedule_has_its_rate_and_input() -> None:
    (schedule,) = read_template(TEMPLATE, {}, "us-east-1").schedules
    assert (schedule.name, schedule.expression) == ("RememberFunctionTick", "rate(1 hour)")
    assert (schedule.function_name, schedule.input_json) == ("RememberFunction", '{"ticks": 1}')


def test_a_resource_whose_condition_is_false_is_not_there() -> None:
    assert read_template(TEMPLATE, {}, "us-east-1").kafka_sources == ()


def test_an_event_source_mapping_is_read() -> None:
    parameters = {"ReadsKafka": "true", "Brokers": "a:1,b:2"}
    (source,) = read_template(TEMPLATE, parameters, "us-east-1").kafka_sources
    assert source.topics == ("orders",)
    assert source.bootstrap_servers == ("a:1", "b:2")
    assert (source.consumer_group_id, source.starting_position) == ("orders-readers", "TRIM_HORIZON")
    assert (source.batch_size, source.batching_window_seconds, source.maximum_retries) == (10, 0, -1)
    assert source.report_batch_item_failures


def test_a_self_managed_kafka_event_is_read(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        """
Transform: AWS::Serverless-2016-10-31
Resources:
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: app.handler
      CodeUri: src
      Policies: [AmazonS3ReadOnlyAccess]
      Events:
        Orders:
          Type: SelfManagedKafka
          Properties:
            Topics: [orders]
            ConsumerGroupId: readers
            KafkaBootstrapServers: ["a:1"]
            SourceAccessConfigurations:
              - {Type: SASL_SCRAM_512_AUTH, URI: "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-1abcde"}
"""
    )
    (source,) = read_template(path, {}, "us-east-1").kafka_sources
    assert (source.function_name, source.topics, source.consumer_group_id) == (
        "Reader",
        ("orders",),
        "readers",
    )
    assert source.batching_window_seconds == 0.5


def test_a_source_of_a_function_that_is_not_there_is_a_template_error(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        """
Resources:
  Tick:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 minute)
      Targets: [{Id: a, Arn: "arn:aws:lambda:us-east-1:123456789012:function:Elsewhere"}]
"""
    )
    with pytest.raises(TemplateError, match="Elsewhere"):
        read_template(path, {}, "us-east-1")


@pytest.mark.parametrize(
    "text", ["", "- a list", "Resources: {A: {Type: 'AWS::Serverless::Function'}}", "a: [", "a: b"]
)
def test_what_sam_would_refuse_is_a_template_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError):
        read_template(path, {}, "us-east-1")


@pytest.mark.parametrize(
    "reference",
    [
        "Name",
        "Name:live",
        "123456789012:function:Name",
        "arn:aws:lambda:us-east-1:123456789012:function:Name:1",
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:us-east-1:123456789012:function:Name/invocations",
    ],
)
def test_a_function_is_known_by_every_form_of_its_name(reference: str) -> None:
    assert function_name_of(reference) == "Name"
