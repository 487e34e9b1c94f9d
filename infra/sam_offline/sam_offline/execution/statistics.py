"""The invocation statistics of a function."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sam_offline.execution.report import InvocationReport

_RECENT = 1000


class FunctionStatistics:
    """Counts of invocations and errors, and the most recent durations."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._recent_seconds: deque[float] = deque(maxlen=_RECENT)
        self.invocations = 0
        self.errors: dict[str, int] = {}

    def take(self, report: InvocationReport) -> None:
        """Add an invocation."""
        self.invocations += 1
        self._recent_seconds.append(report.duration_seconds)
        self._observe(report.duration_seconds)
        if report.error_type is not None:
            kind = _KINDS.get(report.error_type, "Unhandled")
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def percentile_ms(self, share: float) -> float | None:
        """Return a percentile of the last 1,000 durations, or None before the first."""
        if not self._recent_seconds:
            return None
        ordered = sorted(self._recent_seconds)
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000, 3)


# A label must have few values: the class of a function's own exception stays in its log.
_KINDS = {
    name: name
    for name in (
        "Sandbox.Timedout",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Function.ResponseSizeTooLarge",
        "Runtime.UnmarshalError",
    )
}
