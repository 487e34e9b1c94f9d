"""Run an AWS SAM application on a bare machine, without Docker: APIs, the Lambda API, schedules, Kafka sources."""

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
    UnknownSource,
)
from sam_offline.execution.launch import Launch, prepare_launch
from sam_offline.invocation.invocation import Answer, Invokes
from sam_offline.model import Application, Function
from sam_offline.runner import Runner
from sam_offline.sources import EventSources
from sam_offline.template.read import read_template

# The build reads it from here: no installation is needed to know it.
__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Application",
    "BuildError",
    "EventSources",
    "Function",
    "FunctionThrottled",
    "FunctionUnreachable",
    "InitFailed",
    "Invokes",
    "Launch",
    "PortTaken",
    "Runner",
    "RunnerConfig",
    "RunnerError",
    "TemplateError",
    "UnknownFunction",
    "UnknownSchedule",
    "UnknownSource",
    "prepare_launch",
    "read_template",
]
