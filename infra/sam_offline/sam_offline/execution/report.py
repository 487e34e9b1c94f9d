"""The REPORT line of an invocation."""

from __future__ import annotations

import math
from dataclasses import dataclass

# The errors of an invocation that Lambda ended, which the line names.
_NAMED = frozenset({"Runtime.ExitError", "Runtime.OutOfMemory"})


@dataclass(frozen=True, slots=True)
class InvocationReport:
    """The time and memory of an invocation; `init_seconds` is set on an environment's first only."""

    request_id: str
    duration_seconds: float
    init_seconds: float | None
    memory_mb: int
    peak_memory_mb: int
    error_type: str | None

    def line(self) -> str:
        """Return the line as Lambda prints it."""
        duration_ms = self.duration_seconds * 1000
        line = (
            f"REPORT RequestId: {self.request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {math.ceil(duration_ms)} ms\tMemory Size: {self.memory_mb} MB\t"
            f"Max Memory Used: {self.peak_memory_mb} MB\t"
        )
        if self.init_seconds is not None:
            line += f"Init Duration: {self.init_seconds * 1000:.2f} ms\t"
        if self.error_type == "Sandbox.Timedout":
            line += "Status: timeout"
        elif self.error_type in _NAMED:
            line += f"Status: error\tError Type: {self.error_type}"
        return line
