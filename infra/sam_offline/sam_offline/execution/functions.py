"""The functions of an application, each with its pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from sam_offline.config import RunnerConfig
from sam_offline.execution.launch import Launch, prepare_launch
from sam_offline.execution.orphans import Ledger
from sam_offline.execution.pool import Pool
from sam_offline.execution.report import InvocationReport
from sam_offline.log_files import FunctionLog, Journal
from sam_offline.model import Function


class Functions:
    """All functions of an application, from `open` to `stop`. A function can be replaced while it runs.

    `on_report(name)` returns the callable that takes the reports of that function. `count(name, line)` takes a log
    line and returns whether it held metrics.
    """

    def __init__(
        self,
        config: RunnerConfig,
        journal: Journal,
        ledger: Ledger,
        *,
        on_report: Callable[[str], Callable[[InvocationReport], None]],
        count: Callable[[str, str], bool],
    ) -> None:
        self._config = config
        self._journal = journal
        self._ledger = ledger
        self._on_report = on_report
        self._count = count
        self._pools: dict[str, Pool] = {}

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The pool of each function, by name. The mapping object never changes, its content may."""
        return self._pools

    async def open(self, functions: Iterable[Function]) -> None:
        """Build the functions and make their pools, without starting anything. Raises BuildError."""
        launches = await asyncio.to_thread(lambda: [self._prepare(function) for function in functions])
        self._announce_stand_ins(launches)
        for launch in launches:
            self._pools[launch.function.name] = self._pool(launch)

    async def warm(self) -> None:
        """Start one environment of each function. A function that cannot start stays cold."""
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))

    async def prepare(self, function: Function) -> Launch:
        """Build the current code of a function. Raises BuildError."""
        return await asyncio.to_thread(self._prepare, function)

    async def replace(self, launch: Launch) -> None:
        """Switch a function over to `launch`. Raises InitFailed, and leaves the function as it was."""
        await self._pools[launch.function.name].replace(launch, self._limit(launch.function))

    async def close(self, name: str) -> None:
        """Remove a function once its invocations have ended."""
        pool = self._pools.pop(name)
        await pool.drain(self._config.stop_timeout_seconds)
        await pool.stop()

    async def drain(self) -> None:
        """Refuse new invocations, and wait for the running ones until the stop time-out."""
        timeout_seconds = self._config.stop_timeout_seconds
        await asyncio.gather(*(pool.drain(timeout_seconds) for pool in self._pools.values()))

    async def stop(self) -> None:
        """End every environment."""
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))

    def _prepare(self, function: Function) -> Launch:
        config = self._config
        # A function's process has another working folder than the runner.
        folder = (config.build_dir or config.state_dir / "build").resolve()
        copies = self._ledger.folder.resolve() / "code" if config.watch else None
        return prepare_launch(function, folder, config.region, config.aws_environment, copies)

    def _announce_stand_ins(self, launches: Iterable[Launch]) -> None:
        versions = {launch.function.runtime: launch.interpreter for launch in launches}
        for runtime, interpreter in versions.items():
            if not interpreter.is_for(runtime):
                self._journal.announce(
                    f"{runtime} is not installed: its functions run on Python {interpreter.version}"
                )

    def _pool(self, launch: Launch) -> Pool:
        function = launch.function
        return Pool(
            launch,
            self._limit(function),
            self._config.init_timeout_seconds,
            # A limit in the template is Lambda's own; the default limit of all others only spares the machine.
            throttles=self._config.throttle or function.reserved_concurrency is not None,
            log=FunctionLog(self._journal, function.name, self._count),
            ledger=self._ledger,
            on_report=self._on_report(function.name),
        )

    def _limit(self, function: Function) -> int:
        reserved = function.reserved_concurrency
        return self._config.default_concurrency if reserved is None else reserved
