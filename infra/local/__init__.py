"""Runs a whole SAM template on a bare machine: HTTP APIs, Lambda API, schedules, Kafka sources; no Docker."""

from __future__ import annotations

from .config import RunnerConfig
from .errors import (
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
from .event_sources import EventSources
from .invocation import Answer, Invokes
from .runner import Runner

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
