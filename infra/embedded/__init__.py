"""PostgreSQL, S3 and Kafka from pip wheels, as supervised child processes on loopback."""

from __future__ import annotations

from .background import BackgroundStack
from .config import BrokerStorage, StackConfig
from .endpoints import Endpoints, PostgresEndpoint, S3Endpoint
from .errors import (
    AlreadyRunning,
    CannotDropRoot,
    MigrationFailed,
    PortTaken,
    ServiceFailed,
    StackError,
)
from .migrations import dump_schema, run_migrations
from .process import ServiceState, ServiceStatus
from .stack import Stack
from .tansu import create_topics

__all__ = [
    "AlreadyRunning",
    "BackgroundStack",
    "BrokerStorage",
    "CannotDropRoot",
    "Endpoints",
    "MigrationFailed",
    "PortTaken",
    "PostgresEndpoint",
    "S3Endpoint",
    "ServiceFailed",
    "ServiceState",
    "ServiceStatus",
    "Stack",
    "StackConfig",
    "StackError",
    "create_topics",
    "dump_schema",
    "run_migrations",
]
