"""Reads a SAM template as SAM reads it: AWS's own translator first, then the CloudFormation that it gives."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from .errors import TemplateError
from .intrinsics import Resolver
from .model import (
    Api,
    Application,
    Function,
    HttpRoute,
    KafkaSource,
    Schedule,
    Source,
    function_arn,
    function_name_of,
)

_PLACEHOLDER_BUCKET = "local"
_CODE_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}


def read_template(path: Path, parameters: Mapping[str, str], region: str) -> Application:
    """Return what the template at `path` declares.

    `parameters` go over the template's defaults. Raises TemplateError with the reason.
    """
    try:
        template = yaml_parse(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path.name} has no Resources")
    return read_application(template, parameters, region, path.resolve().parent)


def read_application(
    template: dict[str, Any], parameters: Mapping[str, str], region: str, folder: Path
) -> Application:
    """Return what a parsed template declares; `folder` is what its relative paths start from."""
    local_code = _local_code(template)
    translated = _translate(copy.deepcopy(template), parameters, region)
    application = _Reader(translated, parameters, region, folder, local_code).application()
    _require_known_functions(application)
    return application


def _require_known_functions(application: Application) -> None:
    known = {function.name for function in application.functions}
    named = {
        **{
            f"{api.logical_id} {route.path}": route.function_name
            for api in application.apis
            for route in api.routes
        },
        **{schedule.logical_id: schedule.function_name for schedule in application.schedules},
        **{source.logical_id: source.function_name for source in application.kafka_sources},
    }
    for who, name in named.items():
        if name not in known:
            raise TemplateError(f"{who} invokes {name}, which is not in the template")


def _local_code(template: Mapping[str, Any]) -> dict[str, Any]:
    """CodeUri or ContentUri of each SAM resource, Globals included, by logical id."""
    shared = (template.get("Globals") or {}).get("Function") or {}
    code: dict[str, Any] = {}
    for logical_id, resource in template["Resources"].items():
        name = _CODE_PROPERTIES.get(resource.get("Type", ""))
        if name is not None:
            fallback = shared.get("CodeUri", ".") if name == "CodeUri" else "."
            code[logical_id] = (resource.get("Properties") or {}).get(name, fallback)
    return code


def _translate(template: dict[str, Any], parameters: Mapping[str, str], region: str) -> dict[str, Any]:
    # The translator accepts S3 locations only: each gets one that names its logical id, which is also how a
    # layer is known again after the translator has put a hash behind its id.
    for logical_id, resource in template["Resources"].items():
        name = _CODE_PROPERTIES.get(resource.get("Type", ""))
        if name is not None and "InlineCode" not in (resource.get("Properties") or {}):
            resource.setdefault("Properties", {})[name] = f"s3://{_PLACEHOLDER_BUCKET}/{logical_id}"
    # No managed policies by name: that would ask IAM, and permissions are not checked here.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        translated: dict[str, Any] = translator.translate(
            template, dict(parameters), passthrough_metadata=True
        )
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(f"SAM refuses the template: {causes}") from error
    return translated


class _Reader:
    """Makes the runner's values out of translated resources."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        region: str,
        folder: Path,
        local_code: Mapping[str, Any],
    ) -> None:
        self._resolver = Resolver(template, parameters, region)
        self._resources: Mapping[str, Any] = {
            logical_id: resource
            for logical_id, resource in template["Resources"].items()
            if "Condition" not in resource or self._resolver.holds(resource["Condition"])
        }
        self._region = region
        self._folder = folder
        self._local_code = local_code

    def application(self) -> Application:
        self._layers = {
            self._resolver.resolve({"Ref": logical_id}): self._source(logical_id, r, "Content")
            for logical_id, r in self._of("Lambda::LayerVersion")
        }
        return Application(
            region=self._region,
            functions=tuple(self._function(logical_id, r) for logical_id, r in self._of("Lambda::Function")),
            apis=tuple(self._api(logical_id, r) for logical_id, r in self._of("ApiGateway::RestApi")),
            schedules=(
                *(self._rule(logical_id, r) for logical_id, r in self._of("Events::Rule") if _is_timed(r)),
                *(self._scheduler(logical_id, r) for logical_id, r in self._of("Scheduler::Schedule")),
            ),
            kafka_sources=tuple(
                self._kafka_source(logical_id, r)
                for logical_id, r in self._of("Lambda::EventSourceMapping")
                if "SelfManagedEventSource" in r["Properties"]
            ),
        )

    def _of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for logical_id, resource in self._resources.items():
            if resource.get("Type") == f"AWS::{kind}":
                yield logical_id, resource

    def _get(self, resource: Mapping[str, Any], name: str, default: Any = None) -> Any:
        value = self._resolver.resolve((resource.get("Properties") or {}).get(name))
        return default if value is None else value

    def _source(self, logical_id: str, resource: Mapping[str, Any], property_name: str) -> Source:
        location = self._get(resource, property_name)
        if isinstance(location, Mapping) and location.get("S3Bucket") == _PLACEHOLDER_BUCKET:
            logical_id = location["S3Key"]
            location = self._resolver.resolve(self._local_code[logical_id])
        if not isinstance(location, str) or location.startswith("s3://"):
            raise TemplateError(f"{logical_id}: the code is not in a local folder")
        path = (self._folder / location).resolve()
        metadata = self._resolver.resolve(resource.get("Metadata") or {})
        return Source(logical_id, path, metadata.get("BuildMethod"))

    def _function(self, logical_id: str, resource: Mapping[str, Any]) -> Function:
        name = self._resolver.resolve({"Ref": logical_id})
        environment = self._get(resource, "Environment", {}).get("Variables") or {}
        retries = 2
        for _, config in self._of("Lambda::EventInvokeConfig"):
            if function_name_of(self._get(config, "FunctionName")) == name:
                retries = int(self._get(config, "MaximumRetryAttempts", 2))
        reserved = self._get(resource, "ReservedConcurrentExecutions")
        return Function(
            logical_id=logical_id,
            name=name,
            arn=function_arn(self._region, name),
            handler=str(self._get(resource, "Handler", "")),
            runtime=str(self._get(resource, "Runtime", "")),
            source=self._source(logical_id, resource, "Code"),
            layers=tuple(
                self._layer_named(name, reference) for reference in self._get(resource, "Layers", [])
            ),
            environment={key: _variable(value) for key, value in environment.items()},
            memory_mb=int(self._get(resource, "MemorySize", 128)),
            timeout_seconds=float(self._get(resource, "Timeout", 3)),
            reserved_concurrency=None if reserved is None else int(reserved),
            asynchronous_retries=retries,
        )

    def _layer_named(self, function_name: str, reference: str) -> Source:
        try:
            return self._layers[reference]
        except KeyError as error:
            raise TemplateError(f"{function_name}: layer {reference} is not in the template") from error

    def _api(self, logical_id: str, resource: Mapping[str, Any]) -> Api:
        body = (resource.get("Properties") or {}).get("Body") or {}
        routes = []
        for path, methods in self._resolver.resolve(body.get("paths") or {}).items():
            for method, operation in methods.items():
                integration = operation.get("x-amazon-apigateway-integration") or {}
                if integration.get("type", "").lower() != "aws_proxy":
                    continue
                name = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                routes.append(HttpRoute(name, path, function_name_of(integration["uri"])))
        stage, variables = "Prod", None
        for _, candidate in self._of("ApiGateway::Stage"):
            if self._get(candidate, "RestApiId") == self._resolver.resolve({"Ref": logical_id}):
                stage, variables = str(self._get(candidate, "StageName")), self._get(candidate, "Variables")
        types = self._get(resource, "BinaryMediaTypes", [])
        return Api(
            logical_id=logical_id,
            stage=stage,
            routes=tuple(routes),
            binary_media_types=tuple(item.replace("~1", "/") for item in types),
            stage_variables=variables,
        )

    def _rule(self, logical_id: str, resource: Mapping[str, Any]) -> Schedule:
        (target, *_) = self._get(resource, "Targets")
        return Schedule(
            logical_id=logical_id,
            name=str(self._get(resource, "Name", logical_id)),
            expression=str(self._get(resource, "ScheduleExpression")),
            function_name=function_name_of(target["Arn"]),
            input_json=target.get("Input"),
            enabled=self._get(resource, "State", "ENABLED") != "DISABLED",
        )

    def _scheduler(self, logical_id: str, resource: Mapping[str, Any]) -> Schedule:
        target = self._get(resource, "Target")
        return Schedule(
            logical_id=logical_id,
            name=str(self._get(resource, "Name", logical_id)),
            expression=str(self._get(resource, "ScheduleExpression")),
            function_name=function_name_of(target["Arn"]),
            input_json=target.get("Input"),
            enabled=self._get(resource, "State", "ENABLED") != "DISABLED",
        )

    def _kafka_source(self, logical_id: str, resource: Mapping[str, Any]) -> KafkaSource:
        servers = self._get(resource, "SelfManagedEventSource")["Endpoints"]["KafkaBootstrapServers"]
        config = self._get(resource, "SelfManagedKafkaEventSourceConfig", {})
        # Without one Lambda makes up a random group id; the logical id keeps the place over a restart.
        group = config.get("ConsumerGroupId") or f"lambda-{logical_id}"
        return KafkaSource(
            logical_id=logical_id,
            function_name=function_name_of(self._get(resource, "FunctionName")),
            topics=tuple(self._get(resource, "Topics", [])),
            bootstrap_servers=tuple(server for item in servers for server in item.split(",")),
            consumer_group_id=group,
            starting_position=str(self._get(resource, "StartingPosition", "TRIM_HORIZON")),
            batch_size=int(self._get(resource, "BatchSize", 100)),
            batching_window_seconds=_window_seconds(
                self._get(resource, "MaximumBatchingWindowInSeconds"),
                provisioned="ProvisionedPollerConfig" in resource["Properties"],
            ),
            report_batch_item_failures="ReportBatchItemFailures"
            in self._get(resource, "FunctionResponseTypes", []),
            maximum_retries=int(self._get(resource, "MaximumRetryAttempts", -1)),
            enabled=str(self._get(resource, "Enabled", True)).lower() == "true",
        )


def _window_seconds(declared: Any, *, provisioned: bool) -> float:
    # 500 ms is the default of Kafka sources:
    # https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html ("MaximumBatchingWindowInSeconds")
    if declared is None:
        return 0.0 if provisioned else 0.5
    return float(declared)


def _is_timed(rule: Mapping[str, Any]) -> bool:
    return "ScheduleExpression" in (rule.get("Properties") or {})


def _variable(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
