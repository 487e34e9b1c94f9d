"""The Kafka event source mappings of a template.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.arn import function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import Destination, KafkaSource
from sam_offline.template.event_pattern import read_filters
from sam_offline.template.resources import Resources, destination_of, read_number

_POSITIONS = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
# https://docs.aws.amazon.com/lambda/latest/dg/kafka-scaling-modes.html
_MOST_POLLERS_ON_DEMAND, _MOST_POLLERS_PROVISIONED = 1000, 200
# With a destination, unlimited retries are limited to ten:
# https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html
_RETRIES_BEFORE_DESTINATION = 10


def read_kafka_sources(resources: Resources) -> Iterator[KafkaSource]:
    """Yield every event source mapping of Kafka, self-managed or MSK.

    Raises TemplateError for what AWS refuses.
    """
    for logical_id, resource in resources.of("Lambda::EventSourceMapping"):
        cluster_arn = str(resources.get(resource, "EventSourceArn", ""))
        if "SelfManagedEventSource" in resource["Properties"] or ":kafka:" in cluster_arn:
            yield _kafka_source(resources, logical_id, resource, cluster_arn)


def read_unsupported_sources(resources: Resources) -> Iterator[tuple[str, str]]:
    """Yield the logical id and service of every event source mapping that is not Kafka."""
    for logical_id, resource in resources.of("Lambda::EventSourceMapping"):
        arn = str(resources.get(resource, "EventSourceArn", ""))
        if "SelfManagedEventSource" not in resource["Properties"] and ":kafka:" not in arn:
            yield logical_id, arn.split(":")[2] if arn.count(":") >= 5 else "unknown"


def _kafka_source(
    resources: Resources, logical_id: str, resource: Mapping[str, Any], cluster_arn: str
) -> KafkaSource:
    topics = tuple(resources.get(resource, "Topics", []))
    on_failure = destination_of(
        (resources.get(resource, "DestinationConfig", {}).get("OnFailure") or {}).get("Destination")
    )
    pollers = resources.get(resource, "ProvisionedPollerConfig")
    _check_destination(logical_id, on_failure, topics, provisioned=pollers is not None)
    endpoints = resources.get(resource, "SelfManagedEventSource", {}).get("Endpoints") or {}
    servers = endpoints.get("KafkaBootstrapServers", [])
    config = resources.get(
        resource,
        "AmazonManagedKafkaEventSourceConfig" if cluster_arn else "SelfManagedKafkaEventSourceConfig",
        {},
    )

    def number(name: str, default: int, allowed: range) -> int:
        return _within(logical_id, name, resources.get(resource, name, default), allowed)

    retries = number("MaximumRetryAttempts", -1, range(-1, 10_001))
    age_seconds = number("MaximumRecordAgeInSeconds", -1, range(-1, 604_801))
    position, timestamp_ms = _starting_position(resources, logical_id, resource)
    return KafkaSource(
        logical_id=logical_id,
        function_name=function_name_of(resources.get(resource, "FunctionName")),
        topics=topics,
        bootstrap_servers=tuple(server for item in servers for server in item.split(",")),
        cluster_arn=cluster_arn,
        # Lambda generates a random group id by default; the logical id keeps the position over a restart.
        consumer_group_id=config.get("ConsumerGroupId") or f"lambda-{logical_id}",
        starting_position=position,
        starting_timestamp_ms=timestamp_ms,
        batch_size=number("BatchSize", 100, range(1, 10_001)),
        batching_window_seconds=_window_seconds(
            resources.get(resource, "MaximumBatchingWindowInSeconds"), provisioned=pollers is not None
        ),
        report_batch_item_failures="ReportBatchItemFailures"
        in resources.get(resource, "FunctionResponseTypes", []),
        bisects=_is_true(resources.get(resource, "BisectBatchOnFunctionError", False)),
        maximum_retries=_RETRIES_BEFORE_DESTINATION if retries < 0 and on_failure is not None else retries,
        maximum_record_age_seconds=age_seconds,
        on_failure=on_failure,
        filters=_filters(resources, logical_id, resource),
        minimum_pollers=read_number(logical_id, "MinimumPollers", (pollers or {}).get("MinimumPollers", 1)),
        maximum_pollers=_MOST_POLLERS_ON_DEMAND
        if pollers is None
        else read_number(
            logical_id, "MaximumPollers", pollers.get("MaximumPollers", _MOST_POLLERS_PROVISIONED)
        ),
        enabled=_is_true(resources.get(resource, "Enabled", True)),
    )


def _check_destination(
    logical_id: str, destination: Destination | None, topics: tuple[str, ...], *, provisioned: bool
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html#kafka-ofd-requirements
    if destination is None or destination.kind != "topic":
        return
    if not provisioned:
        raise TemplateError(f"{logical_id}: a Kafka topic as destination needs ProvisionedPollerConfig")
    if destination.name in topics:
        raise TemplateError(f"{logical_id}: the destination is a topic of the source")


def _starting_position(
    resources: Resources, logical_id: str, resource: Mapping[str, Any]
) -> tuple[str, int | None]:
    position = str(resources.get(resource, "StartingPosition", "TRIM_HORIZON"))
    timestamp_seconds = resources.get(resource, "StartingPositionTimestamp")
    if position not in _POSITIONS:
        raise TemplateError(f"{logical_id}: StartingPosition is none of {', '.join(_POSITIONS)}")
    if (position == "AT_TIMESTAMP") != (timestamp_seconds is not None):
        raise TemplateError(f"{logical_id}: AT_TIMESTAMP and StartingPositionTimestamp come together")
    return position, None if timestamp_seconds is None else round(float(timestamp_seconds) * 1000)


def _filters(resources: Resources, logical_id: str, resource: Mapping[str, Any]) -> tuple[str, ...]:
    declared = resources.get(resource, "FilterCriteria", {}).get("Filters") or []
    patterns = tuple(str(item["Pattern"]) for item in declared)
    try:
        read_filters(patterns)
    except TemplateError as error:
        raise TemplateError(f"{logical_id}: {error}") from error
    return patterns


def _within(logical_id: str, name: str, declared: Any, allowed: range) -> int:
    number = read_number(logical_id, name, declared)
    if number not in allowed:
        raise TemplateError(f"{logical_id}: {name} is not from {allowed.start} to {allowed.stop - 1}")
    return number


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _window_seconds(declared: Any, *, provisioned: bool) -> float:
    # 500 ms is the default of Kafka sources:
    # https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html ("MaximumBatchingWindowInSeconds")
    if declared is None:
        return 0.0 if provisioned else 0.5
    return float(declared)
