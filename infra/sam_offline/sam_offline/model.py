"""What a template declares, after translation: plain frozen values, no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Destination:
    """Where records of invocations go: a function's, bucket's or topic's `name`; else the service that it names."""

    kind: Literal["function", "bucket", "topic", "unsupported"]
    name: str


@dataclass(frozen=True)
class AsynchronousConfig:
    """What becomes of a function's asynchronous invokes.

    The defaults are Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """

    maximum_retries: int = 2
    maximum_age_seconds: float = 21_600.0
    on_success: Destination | None = None
    on_failure: Destination | None = None
    dead_letter_queue: Destination | None = None


@dataclass(frozen=True)
class Source:
    """The folder of a function or layer and how `sam build` would build it (None: used as it is).

    `inline_code` is a function's whole code where the template itself holds it; the folder is the template's then.
    """

    logical_id: str
    path: Path
    build_method: str | None = None
    inline_code: str | None = None


@dataclass(frozen=True)
class Function:
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
    """Where an authorizer finds who calls: `place` is header, querystring, stageVariables or context."""

    place: str
    name: str


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer; `type` is TOKEN or REQUEST. A TTL of 0 caches nothing."""

    name: str
    type: str
    function_name: str
    identity_sources: tuple[IdentitySource, ...]
    ttl_seconds: float
    # What a TOKEN must match before the function is asked at all.
    token_pattern: str | None = None
    # Of HTTP APIs only.
    payload_version: str = "1.0"
    simple_responses: bool = False


@dataclass(frozen=True)
class FixedResponse:
    """What a mock integration answers, as the preflight of a REST API is one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True)
class HttpRoute:
    """One method (or ANY) of one resource path, e.g. `/people/{id}` or `/{proxy+}`.

    `integration` is a function's name, or an answer that needs none. `$default` is the path of an HTTP API's
    catch-all.
    """

    method: str
    path: str
    integration: str | FixedResponse
    authorizer: Authorizer | None = None
    payload_version: str = "1.0"
    # None is as long as the gateway allows.
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class GatewayResponse:
    """What the gateway itself answers in one kind of case; `status` None leaves it as it would be.

    `headers` are mapping expressions, `templates` bodies with variables, by content type.
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
    """How long a schedule tries to hand its event over; a function's own failures are not its business.

    The defaults are EventBridge's: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    """

    maximum_retries: int = 185
    maximum_age_seconds: float = 86_400.0


@dataclass(frozen=True)
class Cors:
    """An HTTP API's own answers to other origins; empty and None leave the header out."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_seconds: int | None = None


@dataclass(frozen=True)
class HttpApi:
    """An API Gateway HTTP API, the second version of the service."""

    logical_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    stage_variables: Mapping[str, str] | None = None
    cors: Cors | None = None


@dataclass(frozen=True)
class Schedule:
    """What invokes a function by the clock; `input_json` is None for EventBridge's own event.

    `is_rule` tells EventBridge's rules from schedules of EventBridge Scheduler. The name is unique.
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
    """An event source mapping of Kafka. `maximum_retries` and `maximum_record_age_seconds` -1 mean without end.

    `cluster_arn` is an MSK cluster's, empty for a Kafka of one's own; its `bootstrap_servers` are not in a template.
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
        """The mapping's UUID: the same at every start."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.logical_id))

    @property
    def event_source(self) -> str:
        return "aws:kafka" if self.cluster_arn else "aws:SelfManagedKafka"


@dataclass(frozen=True)
class Application:
    """Everything of a template that the runner runs."""

    region: str
    functions: tuple[Function, ...]
    apis: tuple[Api, ...]
    http_apis: tuple[HttpApi, ...]
    schedules: tuple[Schedule, ...]
    kafka_sources: tuple[KafkaSource, ...]
    # What the template asks for and the runner does without, a line each.
    notices: tuple[str, ...] = ()

    @property
    def gateways(self) -> tuple[Api | HttpApi, ...]:
        """Every API of both kinds, in the order of their ports."""
        return (*self.apis, *self.http_apis)
