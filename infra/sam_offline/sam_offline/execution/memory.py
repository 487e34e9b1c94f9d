"""The memory use of processes, read from /proc.

The runner looks and does not set a limit of the kernel. RLIMIT_AS and RLIMIT_DATA count reserved memory: boto3 and
ten idle threads are 774 and 120 MB by them while 49 MB are resident, and they fail an allocation where Lambda kills.
A cgroup needs a folder that was delegated to us, which neither a login session nor a container usually has.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

_PEAK_AGE_SECONDS = 1.0
# No process touches memory faster. A look costs 30 microseconds, so none is taken before the limit can be reached.
_FASTEST_MB_A_SECOND = 8_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1024 * 1024


class PeakMemory:
    """The peak of a process's resident memory in MB, or 0 where the system does not report it."""

    def __init__(self, limit_mb: int) -> None:
        self._limit_mb = limit_mb
        self._mb, self._read_at = 0, -_PEAK_AGE_SECONDS

    def has_exceeded_limit(self, pid: int | None) -> bool:
        """Return whether the process has ever held more than the limit, even if it has freed it since.

        The system is asked only if the process has had the time to reach the limit.
        """
        most_mb = self._mb + (time.monotonic() - self._read_at) * _FASTEST_MB_A_SECOND
        return most_mb > self._limit_mb and self._read_mb(pid, exactly=True) > self._limit_mb

    def reported_mb(self, pid: int | None) -> int:
        """Return the figure for the REPORT line, which on Lambda is never above the limit."""
        return min(self._read_mb(pid), self._limit_mb)

    def _read_mb(self, pid: int | None, *, exactly: bool = False) -> int:
        # Reading /proc costs as much as a small invocation: the peak only grows, so once a second is enough for it.
        now = time.monotonic()
        if exactly or now - self._read_at > _PEAK_AGE_SECONDS:
            self._read_at = now
            self._mb = max(self._mb, _field_kb(f"/proc/{pid}/status", "VmHWM:") // 1024)
        return self._mb


def resident_mb(pid: int) -> int:
    """Return the resident memory of a process, or 0 if it is gone."""
    # Plain system calls, since this is read often: Path.read_text costs three times as much.
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


def sessions_beyond(limits_mb: Mapping[int, int]) -> list[int]:
    """Return the sessions, by their leader's pid, whose processes together exceed their limit."""
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
        # Forked processes share pages, which the sum counts once for each process: only a sum above the limit is worth
        # the milliseconds of the exact figure.
        and sum(_field_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in members[session]) > limit_mb * 1024
    ]


def _field_kb(path: str, name: str) -> int:
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)
