from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .files import replace_file
from .process_reference import ProcessReference, started_ticks

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ServiceProcess(ProcessReference):
    """A service's process and the signal that stops it."""

    name: str
    stop_signal: int


class ProcessLedger:
    """The processes that a stack has started, on disk, so that the next stack can end what a dead one left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[str, ServiceProcess] = {}

    def record(self, name: str, pid: int, stop_signal: signal.Signals) -> None:
        """Remember a service's process; one that is gone already has left nothing to remember."""
        ticks = started_ticks(pid)
        if ticks is None:
            return
        self._running[name] = ServiceProcess(pid, ticks, name, int(stop_signal))
        replace_file(
            self._path, json.dumps([asdict(process) for process in self._running.values()], indent=2) + "\n"
        )

    def clear(self) -> None:
        self._running.clear()
        self._path.unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """End the services that an earlier stack left running and return their names. Blocks until all are gone."""
        if not self._path.exists():
            return []
        recorded = [ServiceProcess(**entry) for entry in json.loads(self._path.read_text())]
        left = [process for process in recorded if process.is_alive]
        for process in left:
            _signal_group(process, signal.Signals(process.stop_signal))
        deadline = time.monotonic() + GRACE_SECONDS
        while any(process.is_alive for process in left):
            if time.monotonic() > deadline:
                for process in left:
                    _signal_group(process, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        self.clear()
        return [process.name for process in left]


def _signal_group(process: ServiceProcess, signum: signal.Signals) -> None:
    # Every service leads its own group; it is looked at once more, as late as possible.
    if process.is_alive:
        # It may end between any two of these calls.
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signum)
