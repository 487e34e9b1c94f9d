"""Holds functions to their MemorySize, and says how much of it they took.

By looking, not by a limit of the kernel's. RLIMIT_AS and RLIMIT_DATA count what is reserved: boto3 and ten idle threads
are 774 and 120 MB by them where 49 MB are resident, and they fail an allocation where Lambda kills. A cgroup wants a
folder that was delegated to us, which neither a login session nor a container usually has.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

_PERIOD_SECONDS = 0.05
# What a function has started counts too, but is found only by a look at every process of the machine.
_PERIODS_A_FAMILY = 10
_PEAK_AGE_SECONDS = 1.0
# Faster no process touches memory: a look costs 30 microseconds, and is not worth it before the limit can be reached.
_FASTEST_MB_A_SECOND = 8_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1024 * 1024


class Limited(Protocol):
    """An execution environment, as far as its memory goes."""

    @property
    def working_pid(self) -> int | None:
        """The process, None while it has nothing to do."""

    @property
    def memory_mb(self) -> int: ...

    def exceed_memory(self) -> None:
        """Be ended for it."""


class MemoryWatch:
    """Ends environments that hold more than they may. Where the system does not say, none is ever ended."""

    def __init__(self, environments: Iterable[Iterable[Limited]]) -> None:
        self._environments = environments
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if Path("/proc/self/statm").exists():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        periods, worked_before = 0, set[int]()
        while True:
            await asyncio.sleep(_PERIOD_SECONDS)
            working = dict(self._working())
            for pid, environment in working.items():
                if _resident_mb(pid) > environment.memory_mb:
                    environment.exceed_memory()
            periods += 1
            if periods % _PERIODS_A_FAMILY == 0:
                await self._end_large_families(
                    {pid: each for pid, each in working.items() if pid in worked_before}
                )
                worked_before = set(working)

    def _working(self) -> Iterable[tuple[int, Limited]]:
        for environments in self._environments:
            for environment in environments:
                pid = environment.working_pid
                if pid is not None:
                    yield pid, environment

    async def _end_large_families(self, working: Mapping[int, Limited]) -> None:
        if not working:
            return
        limits_mb = {pid: environment.memory_mb for pid, environment in working.items()}
        for pid in await asyncio.to_thread(_sessions_beyond, limits_mb):
            # It may have come to its end during the look.
            if working[pid].working_pid == pid:
                working[pid].exceed_memory()


class PeakMemory:
    """The most memory that a process has had resident, in MB; 0 where the system does not say."""

    def __init__(self) -> None:
        self._mb, self._read_at = 0, -_PEAK_AGE_SECONDS

    def has_exceeded(self, pid: int | None, limit_mb: int) -> bool:
        """Tell whether the process ever held more; looks only if it has had the time to."""
        most_mb = self._mb + (time.monotonic() - self._read_at) * _FASTEST_MB_A_SECOND
        return most_mb > limit_mb and self.read_mb(pid, exactly=True) > limit_mb

    def read_mb(self, pid: int | None, *, exactly: bool = False) -> int:
        # Reading /proc costs as much as a small invocation: the peak only grows, so once a second is enough for it.
        now = time.monotonic()
        if exactly or now - self._read_at > _PEAK_AGE_SECONDS:
            self._read_at = now
            self._mb = max(self._mb, _field_kb(f"/proc/{pid}/status", "VmHWM:") // 1024)
        return self._mb


def _resident_mb(pid: int) -> int:
    # By the plain calls: it is read often, and Path.read_text costs three times as much.
    try:
        descriptor = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(descriptor, 100).split()[1]) * _PAGE_BYTES // _MB
    except ProcessLookupError:
        return 0
    finally:
        os.close(descriptor)


def _sessions_beyond(limits_mb: Mapping[int, int]) -> list[int]:
    """Return those sessions, each known by its leader's pid, whose processes hold more than their limit together."""
    members: dict[int, list[int]] = {session: [] for session in limits_mb}
    resident_bytes = dict.fromkeys(limits_mb, 0)
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # The second field is the command in parentheses and may hold anything; see proc_pid_stat(5).
        fields = stat.rpartition(")")[2].split()
        session = int(fields[3])
        if session in members:
            members[session].append(int(entry.name))
            resident_bytes[session] += int(fields[21]) * _PAGE_BYTES
    return [
        session
        for session, limit_mb in limits_mb.items()
        if resident_bytes[session] > limit_mb * _MB
        # Forked processes share pages, which the sum counts once a process: only what is over by it is worth the
        # milliseconds of the exact figure.
        and sum(_field_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in members[session]) > limit_mb * 1024
    ]


def _field_kb(path: str, name: str) -> int:
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)
