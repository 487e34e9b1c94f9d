"""What a template declares, after translation: plain frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT_ID = "123456789012"


def function_arn(region: str, name: str) -> str:
    """Return the ARN that a function of this name would have on AWS."""
    return f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"


def function_name_of(reference: str) -> str:
    """Return the function name in a name, a partial ARN, an ARN or an API Gateway integration URI.

    A version or alias at the end is dropped: there is one version of everything here.
    """
    if "/functions/" in reference:
        reference = reference.split("/functions/", 1)[1].split("/invocations", 1)[0]
    if ":function:" in reference:
        reference = reference.split(":function:", 1)[1]
    return reference.split(":", 1)[0]


@dataclass(frozen=True)
class Source:
    """The folder of a function or layer and how `sam build` would build it (None: used as it is)."""

    logical_id: str
    path: Path
    build_method: str | None = None


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
    asynchronous_retries: int = 2


@dataclass(frozen=True)
class HttpRoute:
    """One method (or ANY) of one resource path, e.g. `/people/{id}` or `/{proxy+}`."""

    method: str
    path: str
    function_name: str


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
    logical_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    binary_media_types: tuple[str, ...] = ()
    stage_variables: Mapping[str, str] | None = None
    # By response type, such as MISSING_AUTHENTICATION_TOKEN or DEFAULT_4XX.
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)


@dataclass(frozen=True)
class Schedule:
    """A rule that invokes a function; `input_json` is None for EventBridge's own event."""

    logical_id: str
    name: str
    expression: str
    function_name: str
    input_json: str | None
    enabled: bool


@dataclass(frozen=True)
class KafkaSource:
    """A self-managed Kafka event source mapping. `maximum_retries` -1 means without end."""

    logical_id: str
    function_name: str
    topics: tuple[str, ...]
    bootstrap_servers: tuple[str, ...]
    consumer_group_id: str
    starting_position: str
    batch_size: int
    batching_window_seconds: float
    report_batch_item_failures: bool
    maximum_retries: int
    enabled: bool


@dataclass(frozen=True)
class Application:
    """Everything of a template that the runner runs."""

    region: str
    functions: tuple[Function, ...]
    apis: tuple[Api, ...]
    schedules: tuple[Schedule, ...]
    kafka_sources: tuple[KafkaSource, ...]
