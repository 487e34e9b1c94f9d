from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .ports import LOOPBACK

BrokerStorage = Literal["memory", "s3"]


@dataclass(frozen=True)
class StackConfig:
    """The configuration of one stack. It owns `data_dir`; two stacks never share one.

    A port is None (the usual one, or a free one if that is taken), 0 (any free one) or a number (that one
    or `PortTaken`). The ports of a run are kept in `data_dir` and preferred by the next one.

    `broker_storage` "s3" keeps the broker's log in the stack's own S3; "memory" loses it with the broker.
    `owner` owns `database`, may create roles and databases, and is not a superuser. The superuser and the owner
    have the same local password: `postgres_password`, or a random one.
    """

    data_dir: Path
    log_dir: Path
    database: str = "app"
    owner: str = "app_owner"
    postgres_password: str | None = field(default=None, repr=False)
    buckets: tuple[str, ...] = ()
    topics: Mapping[str, int] = field(default_factory=dict)
    broker_storage: BrokerStorage = "s3"
    postgres_port: int | None = None
    s3_port: int | None = None
    kafka_port: int | None = None
    # The address that the broker gives its clients for their next connection. It listens on loopback all the same:
    # another address is for a forwarder, for example to clients in containers.
    kafka_advertised_host: str = LOOPBACK
    region: str = "us-east-1"
    start_timeout_seconds: float = 60.0
