"""The REPORT line of an invocation, and what it is made of."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

_MEMORY_AGE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class InvocationReport:
    """What one invocation took; `init_seconds` only on an environment's first."""

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
        return line


class PeakMemory:
    """The most memory that a process has had resident, in MB; 0 where the system does not say."""

    def __init__(self) -> None:
        self._mb, self._read_at = 0, -_MEMORY_AGE_SECONDS

    def read_mb(self, pid: int | None) -> int:
        # Reading /proc costs as much as a small invocation: the peak only grows, so once a second is enough.
        now = time.monotonic()
        if now - self._read_at > _MEMORY_AGE_SECONDS:
            self._read_at = now
            self._mb = max(self._mb, _resident_peak_mb(pid))
        return self._mb


def _resident_peak_mb(pid: int | None) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0
