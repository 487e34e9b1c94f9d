"""The settings of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunnerConfig:
    """The application to run, its parameters, and the addresses to listen on.

    Port 0 is any free port; an API that is not in `api_ports` gets 8080, 8081, … in order. `parameters` override the
    template's defaults. `aws_environment` holds the AWS credentials and endpoints that functions get; its
    `AWS_REGION` is also the region of every ARN.
    """

    template: Path
    state_dir: Path
    # Builds are kept by content: several runners may share one folder.
    build_dir: Path | None = None
    # Both may hold secrets, so they are left out of the repr.
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    aws_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_ports: Mapping[str, int] = field(default_factory=dict)
    lambda_port: int = 3001
    admin_port: int = 3002
    host: str = "127.0.0.1"
    default_concurrency: int = 8
    # Refuse invocations beyond `default_concurrency` too, as beyond a reserved concurrency, and do not queue them.
    throttle: bool = False
    prestart: bool = True
    # False runs neither schedules nor event sources.
    sources: bool = True
    # The brokers that stand for every MSK cluster, since a template does not name them.
    msk_brokers: tuple[str, ...] = ()
    screen: bool = True
    # Reload code that is saved while it runs.
    watch: bool = False
    # The time that Lambda gives an environment to start:
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
    init_timeout_seconds: float = 10.0
    # The longest that an API waits for a function; None is API Gateway's limit: 29 s, for an HTTP API 30 s.
    integration_timeout_seconds: float | None = None
    asynchronous_retry_delays_seconds: tuple[float, ...] = (60.0, 120.0)
    stop_timeout_seconds: float = 10.0

    @property
    def region(self) -> str:
        return self.aws_environment.get("AWS_REGION", "us-east-1")
