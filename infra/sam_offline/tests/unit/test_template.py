from __future__ import annotations

from pathlib import Path

import pytest

from sam_offline.arn import function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import HttpRoute
from sam_offline.template.read import read_template

FOLDER = Path(__file__).parents[1] / "integration" / "application"
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


@pytest.mark.parametrize("number", ["MemorySize", "Timeout", "ReservedConcurrentExecutions"])
def test_a_number_that_is_none_is_named_without_its_value(tmp_path: Path, number: str) -> None:
    text = FUNCTION.replace("      Layers", f"      {number}: !Ref Given\n      Layers", 1)
    path = written(tmp_path, text)
    path.write_text(f"Parameters: {{Given: {{Type: String}}}}\n{path.read_text()}")
    with pytest.raises(TemplateError, match=f"Hello: {number} is not a whole number") as raised:
        read_template(path, {"Given": "a-secret"}, "us-east-1")
    assert "a-secret" not in str(raised.value)


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
    "text",
    [
        "",
        "- a list",
        "Resources: {A: {Type: 'AWS::Serverless::Function'}}",
        "Resources: {'Fn::ForEach::A': [B, [c], {}]}",
        "a: [",
        "a: b",
    ],
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


def written(folder: Path, text: str) -> Path:
    path = folder / "template.yaml"
    path.write_text("Transform: AWS::Serverless-2016-10-31\nResources:\n" + text)
    return path


FUNCTION = """
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Layers: ["arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3:1"]
      InlineCode: "def handler(event, context): return 1"
      Events:
        Get: {Type: Api, Properties: {Path: /hello, Method: get}}
"""
OPENAPI = """
openapi: 3.0.1
paths:
  /hello:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Hello.Arn}/invocations"
    post:
      x-amazon-apigateway-integration: {type: http_proxy, uri: "https://example.com", httpMethod: POST}
"""


def test_code_may_lie_in_the_template_and_a_layer_from_elsewhere_is_left_out_and_named(
    tmp_path: Path,
) -> None:
    application = read_template(written(tmp_path, FUNCTION), {}, "us-east-1")
    (function,) = application.functions
    assert function.source.inline_code == "def handler(event, context): return 1"
    assert function.layers == ()
    assert [notice for notice in application.notices if "AWSLambdaPowertoolsPythonV3" in notice]
    assert [api.logical_id for api in application.apis] == ["ServerlessRestApi"]


@pytest.mark.parametrize(
    "definition",
    [
        "DefinitionUri: openapi.yaml",
        "DefinitionBody: {'Fn::Transform': {Name: AWS::Include, Parameters: {Location: openapi.yaml}}}",
    ],
)
def test_an_openapi_document_beside_the_template_is_read_and_what_calls_no_function_is_named(
    tmp_path: Path, definition: str
) -> None:
    (tmp_path / "openapi.yaml").write_text(OPENAPI)
    api = f"""
  Spec:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      {definition}
"""
    application = read_template(written(tmp_path, FUNCTION + api), {}, "us-east-1")
    spec = next(item for item in application.apis if item.logical_id == "Spec")
    assert spec.routes == (HttpRoute("GET", "/hello", "Hello"),)
    assert "Spec: POST /hello is not served here, for it calls no function" in application.notices


def test_a_route_to_a_function_from_elsewhere_is_refused_beside_another_of_its_path(tmp_path: Path) -> None:
    def calling(function: str) -> str:
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
        return f'{{x-amazon-apigateway-integration: {{type: aws_proxy, uri: "{uri}"}}}}'

    api = f"""
  Spec:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      DefinitionBody:
        swagger: "2.0"
        paths:
          /hello:
            get: {calling("Other")}
            post: {calling("Hello")}
"""
    with pytest.raises(TemplateError, match="Spec GET /hello invokes Other, which is not in the template"):
        read_template(written(tmp_path, FUNCTION + api), {}, "us-east-1")


def test_an_authorizer_that_is_no_function_is_named_and_lets_everybody_in(tmp_path: Path) -> None:
    api = """
  Users:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Auth:
        DefaultAuthorizer: Pool
        Authorizers: {Pool: {UserPoolArn: "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a"}}
"""
    text = (FUNCTION + api).replace("Method: get}", "Method: get, RestApiId: !Ref Users}")
    application = read_template(written(tmp_path, text), {}, "us-east-1")
    (users,) = application.apis
    assert users.routes == (HttpRoute("GET", "/hello", "Hello"),)
    assert "Users: Pool is not checked here, its routes are open" in application.notices


def test_a_service_that_would_invoke_a_function_on_aws_is_named(tmp_path: Path) -> None:
    events = """
        Put: {Type: S3, Properties: {Bucket: !Ref Bucket, Events: "s3:ObjectCreated:*"}}
        Said: {Type: SNS, Properties: {Topic: "arn:aws:sns:us-east-1:123456789012:topic"}}
        Seen: {Type: EventBridgeRule, Properties: {Pattern: {source: [a]}}}
        Daily: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Bucket: {Type: AWS::S3::Bucket}
"""
    application = read_template(written(tmp_path, FUNCTION + events), {}, "us-east-1")
    assert [notice for notice in application.notices if "not run here" in notice] == [
        "Hello: s3 may invoke it, which is not run here",
        "Hello: sns may invoke it, which is not run here",
        "HelloSeen: matches events, which are not run here",
    ]


def test_a_schedule_of_a_state_machine_and_its_local_definition_are_passed_over(tmp_path: Path) -> None:
    machine = """
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machine.asl.json
      Role: arn:aws:iam::123456789012:role/machine
      Events: {Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}}
"""
    assert read_template(written(tmp_path, FUNCTION + machine), {}, "us-east-1").schedules == ()


def test_a_container_image_is_refused_by_name(tmp_path: Path) -> None:
    image = "  Big: {Type: AWS::Serverless::Function, Properties: {PackageType: Image}}\n"
    with pytest.raises(TemplateError, match="Big: a container image"):
        read_template(written(tmp_path, image), {}, "us-east-1")
