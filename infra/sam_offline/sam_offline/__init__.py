"""Runs a whole SAM template on a bare machine: HTTP APIs, Lambda API, schedules, Kafka sources; no Docker."""

from __future__ import annotations

from sam_offline.config import RunnerConfig
from sam_offline.errors import (
    BuildError,
    FunctionThrottled,
    FunctionUnreachable,
    InitFailed,
    PortTaken,
    RunnerError,
    TemplateError,
    UnknownFunction,
    UnknownSchedule,
)
from sam_offline.invocation.invocation import Answer, Invokes
from sam_offline.runner import Runner
from sam_offline.sources import EventSources

__all__ = [
    "Answer",
    "BuildError",
    "EventSources",
    "FunctionThrottled",
    "FunctionUnreachable",
    "InitFailed",
    "Invokes",
    "PortTaken",
    "Runner",
    "RunnerConfig",
    "RunnerError",
    "TemplateError",
    "UnknownFunction",
    "UnknownSchedule",
]
