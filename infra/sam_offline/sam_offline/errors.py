"""The runner's exceptions.

RunnerError
├── TemplateError          the template cannot be read or resolved
├── BuildError             a layer or function folder could not be built
├── PortTaken              a wanted port belongs to something else
├── UnknownSchedule        no schedule of that name
├── UnknownSource          no Kafka source of that name
├── FunctionThrottled      the function is at its limit, or may not run at all
├── FunctionUnreachable    where the function runs, nobody answers
│   └── UnknownFunction    no function of that name
├── DeliveryFailed         a destination did not take its record
└── InitFailed             an execution environment did not come up
"""

from __future__ import annotations


class RunnerError(Exception):
    """Something that the runner cannot do."""


class TemplateError(RunnerError):
    """The template cannot be read or resolved."""


class BuildError(RunnerError):
    """A layer or function folder could not be built."""


class PortTaken(RunnerError):
    """A wanted port belongs to something else."""


class UnknownSchedule(RunnerError):
    """No schedule of that name is in the template."""


class UnknownSource(RunnerError):
    """No Kafka source of that name is in the template."""


class FunctionUnreachable(RunnerError):
    """Where the function runs, nobody answers: it did not get the event."""


class UnknownFunction(FunctionUnreachable):
    """No function of that name is in the template, or no longer: a reload takes those away that are not."""


class DeliveryFailed(RunnerError):
    """A destination did not take its record."""


class FunctionThrottled(RunnerError):
    """The function is at its limit and does not queue, or may not run at all (reserved concurrency 0)."""


class InitFailed(RunnerError):
    """An execution environment did not come up; `payload` is what Lambda would answer."""

    def __init__(self, error_type: str, payload: bytes) -> None:
        super().__init__(error_type)
        self.error_type = error_type
        self.payload = payload
