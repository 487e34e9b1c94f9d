from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Recorded:
    """A process by pid and start time, since pids are used again."""

    name: str
    pid: int
    started_ticks: int
    stop_signal: int


class ProcessLedger:
    """The processes a stack has started, on disk, so that the next stack can end what a dead one left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[str, Recorded] = {}

    def record(self, name: str, pid: int, stop_signal: signal.Signals) -> None:
        ticks = started_ticks(pid)
        if ticks is None:
            return
        self._running[name] = Recorded(name, pid, ticks, int(stop_signal))
        replacement = self._path.with_suffix(".new")
        replacement.write_text(
            json.dumps([asdict(entry) for entry in self._running.values()], indent=2) + "\n"
        )
        replacement.replace(self._path)

    def clear(self) -> None:
        self._running.clear()
        self._path.unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """Ends what an earlier stack left running and gives the names of it. Blocks until all are gone."""
        if not self._path.exists():
            return []
        entries = [Recorded(**entry) for entry in json.loads(self._path.read_text())]
        left = [entry for entry in entries if _is_alive(entry)]
        for entry in left:
            _signal_group(entry, signal.Signals(entry.stop_signal))
        deadline = time.monotonic() + GRACE_SECONDS
        while any(_is_alive(entry) for entry in left):
            if time.monotonic() > deadline:
                for entry in left:
                    _signal_group(entry, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        self.clear()
        return [entry.name for entry in left]


def started_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None when it is gone. A zombie is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in parentheses and may hold anything; see proc_pid_stat(5).
    fields = stat.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return None if state in "ZX" else int(start)


def _is_alive(entry: Recorded) -> bool:
    return started_ticks(entry.pid) == entry.started_ticks


def _signal_group(entry: Recorded, signum: signal.Signals) -> None:
    # Every service leads its own group; looked at again here, as late as can be.
    if _is_alive(entry):
        # It may end between any two of these calls.
        with suppress(ProcessLookupError):
            if os.getpgid(entry.pid) == entry.pid:
                os.killpg(entry.pid, signum)
