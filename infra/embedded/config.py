from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .ports import LOOPBACK

BrokerStorage = Literal["memory", "s3"]


@dataclass(frozen=True)
class StackConfig:
    """What one stack is to be. It owns `data_dir`; two stacks never share one.

    A port is None (the usual one, or a free one when that is taken), 0 (any free one) or a number (that one
    or `PortTaken`). Ports found once are kept in `data_dir` and asked for again.

    `broker_storage` "s3" keeps the broker's log in the stack's own S3; "memory" loses it with the broker.
    `owner` owns `database`, may create roles and databases, and is no superuser. One local password,
    `postgres_password` or a random one, serves the superuser and the owner.
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
    # Where the broker tells its clients to come back to. It listens on loopback all the same: another address is for
    # whoever forwards from there, such as to clients in containers.
    kafka_advertised_host: str = LOOPBACK
    region: str = "us-east-1"
    start_timeout_seconds: float = 60.0
