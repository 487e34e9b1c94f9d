"""The runner's exceptions.

RunnerError
├── TemplateError          the template cannot be read or resolved
├── BuildError             a layer or function could not be built
├── PortTaken              a port is in use by another program
├── UnknownSchedule        the template has no schedule of that name
├── UnknownSource          the template has no Kafka source of that name
├── FunctionThrottled      the function is at its limit, or may not run at all
├── FunctionUnreachable    nothing answers where the function runs
│   └── UnknownFunction    the template has no function of that name
├── DeliveryFailed         a destination did not take its record
└── InitFailed             an execution environment did not start
"""

from __future__ import annotations


class RunnerError(Exception):
    """The base class of the runner's errors."""


class TemplateError(RunnerError):
    """The template cannot be read or resolved."""


class BuildError(RunnerError):
    """A layer or function could not be built."""


class PortTaken(RunnerError):
    """A port is in use by another program."""


class UnknownSchedule(RunnerError):
    """The template has no schedule of that name."""


class UnknownSource(RunnerError):
    """The template has no Kafka source of that name."""


class FunctionUnreachable(RunnerError):
    """Nothing answers where the function runs, so it did not get the event."""


class UnknownFunction(FunctionUnreachable):
    """The template has no function of that name, or a reload has removed it."""


class DeliveryFailed(RunnerError):
    """A destination did not take its record."""


class FunctionThrottled(RunnerError):
    """The function is at its limit and does not queue, or may not run at all (reserved concurrency 0)."""


class InitFailed(RunnerError):
    """An execution environment did not start; `payload` is what Lambda would answer."""

    def __init__(self, error_type: str, payload: bytes) -> None:
        super().__init__(error_type)
        self.error_type = error_type
        self.payload = payload
