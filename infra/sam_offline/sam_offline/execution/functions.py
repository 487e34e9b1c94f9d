"""The functions of an application: how each is started, and its pool."""

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
    """Every function of an application, from `open` to `stop`; each may be replaced while it runs.

    `on_report` gives the callable that takes the reports of the function of that name, `count` takes a log line of a
    function and tells whether it held metrics.
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
        """The pool of each function by its name; the same mapping for ever."""
        return self._pools

    async def open(self, functions: Iterable[Function]) -> None:
        """Build what they need; none is started. Raises BuildError."""
        launches = await asyncio.to_thread(lambda: [self._prepare(function) for function in functions])
        self._announce_stand_ins(launches)
        for launch in launches:
            self._pools[launch.function.name] = self._pool(launch)

    async def warm(self) -> None:
        """Have one environment of each ready. One that cannot start stays cold."""
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))

    async def prepare(self, function: Function) -> Launch:
        """Build what a function needs as it is now. Raises BuildError."""
        return await asyncio.to_thread(self._prepare, function)

    async def replace(self, launch: Launch) -> None:
        """Let a function go on with `launch`. Raises InitFailed; it then goes on as it was."""
        await self._pools[launch.function.name].replace(launch, self._limit(launch.function))

    async def close(self, name: str) -> None:
        """Forget a function, after what it has in flight."""
        pool = self._pools.pop(name)
        await pool.drain(self._config.stop_timeout_seconds)
        await pool.stop()

    async def drain(self) -> None:
        """Take no more, and wait for what is in flight within the stop time-out."""
        timeout_seconds = self._config.stop_timeout_seconds
        await asyncio.gather(*(pool.drain(timeout_seconds) for pool in self._pools.values()))

    async def stop(self) -> None:
        """End every environment."""
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))

    def _prepare(self, function: Function) -> Launch:
        config = self._config
        # A function's process has another working folder than we have.
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
            # A limit that the template declares is Lambda's own; ours on the rest of them only spares the machine.
            throttles=self._config.throttle or function.reserved_concurrency is not None,
            log=FunctionLog(self._journal, function.name, self._count),
            ledger=self._ledger,
            on_report=self._on_report(function.name),
        )

    def _limit(self, function: Function) -> int:
        reserved = function.reserved_concurrency
        return self._config.default_concurrency if reserved is None else reserved
