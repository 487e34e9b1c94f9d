"""The enforcement of each function's MemorySize."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from sam_offline.execution.environment import Environment
from sam_offline.execution.memory import resident_mb, sessions_beyond

_PERIOD_SECONDS = 0.05
# Processes that a function has started count too, but finding them takes a look at every process of the machine.
_PERIODS_A_FAMILY = 10


class MemoryWatch:
    """Ends environments that hold more than their MemorySize, on systems that report memory use."""

    def __init__(self, environments: Iterable[Iterable[Environment]]) -> None:
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
                if resident_mb(pid) > environment.memory_mb:
                    environment.exceed_memory()
            periods += 1
            if periods % _PERIODS_A_FAMILY == 0:
                await self._end_large_families(
                    {pid: each for pid, each in working.items() if pid in worked_before}
                )
                worked_before = set(working)

    def _working(self) -> Iterable[tuple[int, Environment]]:
        for environments in self._environments:
            for environment in environments:
                pid = environment.working_pid
                if pid is not None:
                    yield pid, environment

    async def _end_large_families(self, working: Mapping[int, Environment]) -> None:
        if not working:
            return
        limits_mb = {pid: environment.memory_mb for pid, environment in working.items()}
        for pid in await asyncio.to_thread(sessions_beyond, limits_mb):
            # It may have ended during the look.
            if working[pid].working_pid == pid:
                working[pid].exceed_memory()
