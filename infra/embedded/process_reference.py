from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessReference:
    """A process by pid and start, since pids are used again.

    The start is counted in clock ticks since boot: unlike a time of day, it does not move when the clock is set.
    """

    pid: int
    started_ticks: int

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(psutil.boot_time() + self.started_ticks / TICKS_PER_SECOND, UTC)

    @property
    def is_alive(self) -> bool:
        return started_ticks(self.pid) == self.started_ticks

    def find(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        try:
            return psutil.Process(self.pid) if self.is_alive else None
        except psutil.NoSuchProcess:
            return None


def started_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot, or None when it has ended. A zombie has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in parentheses and may hold anything; see proc_pid_stat(5).
    fields = stat.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return None if state in "ZX" else int(start)
