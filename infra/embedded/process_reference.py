from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class ProcessReference:
    """A process by pid and start time, since pids are used again."""

    pid: int
    started_at: float

    @property
    def is_alive(self) -> bool:
        return self.find() is not None

    def find(self) -> psutil.Process | None:
        """Return the process, or None when it has ended. A zombie has ended."""
        try:
            process = psutil.Process(self.pid)
            # A second: start times are counted from a boot time that follows the clock's corrections.
            same = abs(process.create_time() - self.started_at) < 1
            ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return None
        return process if same and not ended else None
