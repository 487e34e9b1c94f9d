"""A translated template as plain frozen values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Destination:
    """The target of records: the `name` of a function, bucket or topic.

    For an unsupported kind, `name` is the AWS service.
    """

    kind: Literal["function", "bucket", "topic", "unsupported"]
    name: str


@dataclass(frozen=True)
class AsynchronousConfig:
    """The handling of a function's asynchronous invocations.

    The defaults are Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """

    maximum_retries: int = 2
    maximum_age_seconds: float = 21_600.0
    on_success: Destination | None = None
    on_failure: Destination | None = None
    dead_letter_queue: Destination | None = None


@dataclass(frozen=True)
class Source:
    """The code folder of a function or layer, and its build method (None: used as it is).

    `inline_code` is the whole code of a function that the template itself contains; `path` is the template's folder
    then.
    """

    logical_id: str
    path: Path
    build_method: str | None = None
    inline_code: str | None = None


@dataclass(frozen=True)
class Function:
    """A Lambda function."""

    logical_id: str
    name: str
    arn: str
    handler: str
    runtime: str
    source: Source
    layers: tuple[Source, ...]
    # Values may be secrets: out of the repr.
    environment: Mapping[str, str] = field(repr=False)
    memory_mb: int = 128
    timeout_seconds: float = 3.0
    reserved_concurrency: int | None = None
    asynchronous: AsynchronousConfig = AsynchronousConfig()


@dataclass(frozen=True)
class IdentitySource:
    """A place where an authorizer finds the caller's identity: header, querystring, stageVariables or context."""

    place: str
    name: str


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer; `type` is TOKEN or REQUEST. A TTL of 0 turns the cache off."""

    name: str
    type: str
    function_name: str
    identity_sources: tuple[IdentitySource, ...]
    ttl_seconds: float
    # A TOKEN that does not match is refused without asking the function.
    token_pattern: str | None = None
    # For HTTP APIs only.
    payload_version: str = "1.0"
    simple_responses: bool = False


@dataclass(frozen=True)
class FixedResponse:
    """The response of a mock integration; a REST API's preflight is one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True)
class HttpRoute:
    """A method (or ANY) of a resource path such as `/people/{id}` or `/{proxy+}`.

    `integration` is the name of a function, or a fixed response. `$default` is the path of an HTTP API's catch-all
    route.
    """

    method: str
    path: str
    integration: str | FixedResponse
    authorizer: Authorizer | None = None
    payload_version: str = "1.0"
    # None is the gateway's own limit.
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class GatewayResponse:
    """The gateway's own response of one type; a `status` of None keeps the default.

    `headers` are mapping expressions. `templates` are bodies with variables, by content type.
    """

    status: int | None
    headers: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True)
class Api:
    """An API Gateway REST API."""

    logical_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    binary_media_types: tuple[str, ...] = ()
    stage_variables: Mapping[str, str] | None = None
    # By response type, such as MISSING_AUTHENTICATION_TOKEN or DEFAULT_4XX.
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)


@dataclass(frozen=True)
class DeliveryPolicy:
    """The limits within which a schedule retries handing over its event; a function's failures do not count.

    The defaults are EventBridge's: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    """

    maximum_retries: int = 185
    maximum_age_seconds: float = 86_400.0


@dataclass(frozen=True)
class Cors:
    """The CORS configuration of an HTTP API; a header whose value is empty or None is left out."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_seconds: int | None = None


@dataclass(frozen=True)
class HttpApi:
    """An API Gateway HTTP API (V2)."""

    logical_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    stage_variables: Mapping[str, str] | None = None
    cors: Cors | None = None


@dataclass(frozen=True)
class Schedule:
    """A schedule that invokes a function; an `input_json` of None stands for EventBridge's own event.

    `is_rule` distinguishes EventBridge's rules from schedules of EventBridge Scheduler. The name is unique.
    """

    logical_id: str
    name: str
    expression: str
    function_name: str
    input_json: str | None
    enabled: bool
    is_rule: bool = True
    time_zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    delivery: DeliveryPolicy = DeliveryPolicy()


@dataclass(frozen=True)
class KafkaSource:
    """An event source mapping of Kafka.

    -1 as `maximum_retries` or `maximum_record_age_seconds` means no limit. `cluster_arn` is empty for a self-managed
    cluster; an MSK cluster has no `bootstrap_servers`, since a template does not name them.
    """

    logical_id: str
    function_name: str
    topics: tuple[str, ...]
    bootstrap_servers: tuple[str, ...]
    cluster_arn: str
    consumer_group_id: str
    starting_position: str
    starting_timestamp_ms: int | None
    batch_size: int
    batching_window_seconds: float
    report_batch_item_failures: bool
    bisects: bool
    maximum_retries: int
    maximum_record_age_seconds: int
    on_failure: Destination | None
    filters: tuple[str, ...]
    minimum_pollers: int
    maximum_pollers: int
    enabled: bool

    @property
    def mapping_id(self) -> str:
        """The mapping's UUID, which is the same at every start."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.logical_id))

    @property
    def event_source(self) -> str:
        return "aws:kafka" if self.cluster_arn else "aws:SelfManagedKafka"


@dataclass(frozen=True)
class Application:
    """All resources of a template that the runner runs."""

    region: str
    functions: tuple[Function, ...]
    apis: tuple[Api, ...]
    http_apis: tuple[HttpApi, ...]
    schedules: tuple[Schedule, ...]
    kafka_sources: tuple[KafkaSource, ...]
    # One line for each part of the template that the runner does not support.
    notices: tuple[str, ...] = ()

    @property
    def gateways(self) -> tuple[Api | HttpApi, ...]:
        """The APIs of both kinds, in the order of their ports."""
        return (*self.apis, *self.http_apis)
