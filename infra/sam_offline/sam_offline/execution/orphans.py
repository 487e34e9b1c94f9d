"""A record of started processes on disk, by which the next runner ends what a killed runner has left.

Environments die with their runner (setpriv); the processes that they have started do not. No process is recognised by
its name: it is ours if it has the pid and start time of a recorded one, or carries the log stream that one was given,
which is random and which its children inherit.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sam_offline.execution.launch import LOG_STREAM

_PROCESSES = "processes.jsonl"
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Recorded:
    """A process, identified by pid and start time since pids are reused, and the log stream it was given."""

    pid: int
    started_at: float
    log_stream: str


class Ledger:
    """The record of this runner's processes.

    Several runners may share `parent`: each has a folder of its own there, until it ends.
    """

    def __init__(self, parent: Path) -> None:
        me = psutil.Process()
        self.folder = parent / f"{me.pid}-{me.create_time()}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / _PROCESSES).open("w", encoding="ascii", buffering=1)
        self._recorded: list[Recorded] = []

    def record(self, pid: int, log_stream: str) -> None:
        """Record an environment, unless it is already gone."""
        try:
            recorded = Recorded(pid, psutil.Process(pid).create_time(), log_stream)
        except psutil.NoSuchProcess:
            return
        self._recorded.append(recorded)
        self._file.write(json.dumps(asdict(recorded)) + "\n")

    def close(self) -> None:
        """End what the environments have started and left, and remove the folder. The call blocks."""
        _end(self._recorded)
        self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def end_orphans(parent: Path) -> int:
    """End what killed runners have left running, and return the number of processes. The call blocks."""
    ended = 0
    for folder in parent.glob("*-*"):
        pid, _, started_at = folder.name.partition("-")
        if not _is_same(int(pid), float(started_at)):
            ended += _end(_read(folder / _PROCESSES))
            shutil.rmtree(folder, ignore_errors=True)
    return ended


def _read(path: Path) -> list[Recorded]:
    if not path.exists():
        return []
    # The last line may be incomplete: its writer was killed.
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    return [Recorded(**json.loads(line)) for line in lines if line.endswith("\n")]


def _end(recorded: Iterable[Recorded]) -> int:
    recorded = list(recorded)
    ended = set[psutil.Process]()
    # Repeat until none is found: a process may have been starting another.
    while recorded and (found := set(_find(recorded)) - ended):
        for process in found:
            # psutil checks the start time once more before it sends the signal.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=_GRACE_SECONDS)
        ended |= found
    return len(ended)


def _find(recorded: Iterable[Recorded]) -> Iterator[psutil.Process]:
    started_at = {each.pid: each.started_at for each in recorded}
    streams = {each.log_stream for each in recorded}
    for process in psutil.process_iter():
        # It has gone meanwhile, or belongs to another user: it is not ours.
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            is_recorded = process.pid in started_at and _is_same(process.pid, started_at[process.pid])
            if is_recorded or process.environ().get(LOG_STREAM) in streams:
                yield process


def _is_same(pid: int, started_at: float) -> bool:
    try:
        # One second of tolerance: start times count from a boot time that follows the clock's corrections.
        return abs(psutil.Process(pid).create_time() - started_at) < 1
    except psutil.NoSuchProcess:
        return False
