"""How the runner is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunnerConfig:
    """What to run and where. Port 0 is a free one; APIs not in `api_ports` take 8080, 8081, … in order.

    `parameters` go over the template's defaults. `aws_environment` is what functions get as their AWS
    credentials and endpoints; `AWS_REGION` in it is also the region of every ARN.
    """

    template: Path
    state_dir: Path
    # What is built from the template is kept by content: several runners may share one folder.
    build_dir: Path | None = None
    # Both may hold secrets: out of the repr.
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    aws_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_ports: Mapping[str, int] = field(default_factory=dict)
    lambda_port: int = 3001
    admin_port: int = 3002
    host: str = "127.0.0.1"
    default_concurrency: int = 8
    # What comes beyond `default_concurrency` is refused, too, as beyond a reserved concurrency, instead of waiting.
    throttle: bool = False
    prestart: bool = True
    # Without, neither schedules nor event sources run: only what is called.
    sources: bool = True
    # What stands for every MSK cluster: no template tells where its brokers are.
    msk_brokers: tuple[str, ...] = ()
    screen: bool = True
    # Code that is saved while it runs takes the place of what ran before.
    watch: bool = False
    # What Lambda gives an environment to come up:
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
    init_timeout_seconds: float = 10.0
    # What an API waits for its function at most; None is what API Gateway does: 29 s, an HTTP API 30 s.
    integration_timeout_seconds: float | None = None
    asynchronous_retry_delays_seconds: tuple[float, ...] = (60.0, 120.0)
    stop_timeout_seconds: float = 10.0

    @property
    def region(self) -> str:
        return self.aws_environment.get("AWS_REGION", "us-east-1")
