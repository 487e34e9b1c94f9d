"""What invokes the functions of a template by itself: schedules and Kafka topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .model import KafkaSource, Schedule, function_name_of
from .resources import Resources


def read_schedules(resources: Resources) -> Iterator[Schedule]:
    """Yield every EventBridge rule with a schedule and every schedule of EventBridge Scheduler."""
    for logical_id, resource in resources.of("Events::Rule"):
        if "ScheduleExpression" in (resource.get("Properties") or {}):
            (target, *_) = resources.get(resource, "Targets")
            yield _schedule(resources, logical_id, resource, target)
    for logical_id, resource in resources.of("Scheduler::Schedule"):
        yield _schedule(resources, logical_id, resource, resources.get(resource, "Target"))


def read_kafka_sources(resources: Resources) -> Iterator[KafkaSource]:
    """Yield every event source mapping of self-managed Kafka."""
    for logical_id, resource in resources.of("Lambda::EventSourceMapping"):
        if "SelfManagedEventSource" in resource["Properties"]:
            yield _kafka_source(resources, logical_id, resource)


def _schedule(
    resources: Resources, logical_id: str, resource: Mapping[str, Any], target: Mapping[str, Any]
) -> Schedule:
    return Schedule(
        logical_id=logical_id,
        name=str(resources.get(resource, "Name", logical_id)),
        expression=str(resources.get(resource, "ScheduleExpression")),
        function_name=function_name_of(target["Arn"]),
        input_json=target.get("Input"),
        enabled=resources.get(resource, "State", "ENABLED") != "DISABLED",
    )


def _kafka_source(resources: Resources, logical_id: str, resource: Mapping[str, Any]) -> KafkaSource:
    servers = resources.get(resource, "SelfManagedEventSource")["Endpoints"]["KafkaBootstrapServers"]
    config = resources.get(resource, "SelfManagedKafkaEventSourceConfig", {})
    # Without one Lambda makes up a random group id; the logical id keeps the place over a restart.
    group = config.get("ConsumerGroupId") or f"lambda-{logical_id}"
    return KafkaSource(
        logical_id=logical_id,
        function_name=function_name_of(resources.get(resource, "FunctionName")),
        topics=tuple(resources.get(resource, "Topics", [])),
        bootstrap_servers=tuple(server for item in servers for server in item.split(",")),
        consumer_group_id=group,
        starting_position=str(resources.get(resource, "StartingPosition", "TRIM_HORIZON")),
        batch_size=int(resources.get(resource, "BatchSize", 100)),
        batching_window_seconds=_window_seconds(
            resources.get(resource, "MaximumBatchingWindowInSeconds"),
            provisioned="ProvisionedPollerConfig" in resource["Properties"],
        ),
        report_batch_item_failures="ReportBatchItemFailures"
        in resources.get(resource, "FunctionResponseTypes", []),
        maximum_retries=int(resources.get(resource, "MaximumRetryAttempts", -1)),
        enabled=str(resources.get(resource, "Enabled", True)).lower() == "true",
    )


def _window_seconds(declared: Any, *, provisioned: bool) -> float:
    # 500 ms is the default of Kafka sources:
    # https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html ("MaximumBatchingWindowInSeconds")
    if declared is None:
        return 0.0 if provisioned else 0.5
    return float(declared)
