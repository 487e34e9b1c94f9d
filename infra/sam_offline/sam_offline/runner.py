"""The runner: it runs a whole application in the caller's event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.registry import CollectorRegistry

from sam_offline.config import RunnerConfig
from sam_offline.console.admin import AdminApi
from sam_offline.console.emf import EmfSeries
from sam_offline.console.statistics import Statistics
from sam_offline.console.status import describe
from sam_offline.execution.code_watch import CodeWatch
from sam_offline.execution.functions import Functions
from sam_offline.execution.invoker import Invoker
from sam_offline.execution.lambda_api import LambdaApi
from sam_offline.execution.memory_watch import MemoryWatch
from sam_offline.execution.orphans import Ledger, end_orphans
from sam_offline.execution.reload import Reload
from sam_offline.gateway.http.api import HttpApiGateway
from sam_offline.gateway.rest.api import RestApi
from sam_offline.http_server import App, HttpServer
from sam_offline.log_files import Journal
from sam_offline.model import Api, Application, HttpApi
from sam_offline.sources import EventSources
from sam_offline.template.read import read_template

_FIRST_API_PORT = 8080


class Runner:
    """A running application. It can be started once.

    The thread of its event loop must outlive it: functions are set up to die with the thread that started them.
    """

    def __init__(self, config: RunnerConfig) -> None:
        self._config = config
        self._registry = CollectorRegistry()
        self._statistics = Statistics(self._registry)
        self._metrics = EmfSeries()
        self._registry.register(self._metrics)
        self._servers: dict[str, HttpServer] = {}
        self._code_watch: CodeWatch | None = None
        self._start_seconds: float | None = None
        self._is_up = asyncio.Event()
        self._stop_wanted = asyncio.Event()

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The base URL of each API by its logical id, and of `lambda` and `admin`."""
        return {name: f"http://{self._config.host}:{server.port}" for name, server in self._servers.items()}

    async def start(self) -> None:
        """Start the application; return when all ports listen and, if wanted, each function is warm.

        Raises TemplateError, BuildError or PortTaken, with nothing left running.
        """
        config, began = self._config, time.perf_counter()
        application = await asyncio.to_thread(self._read_template)
        self._journal = Journal(config.state_dir / "logs", sys.stdout if config.screen else None)
        await self._end_orphans()
        self._ledger = Ledger(config.state_dir / "started")
        self._functions = Functions(
            config,
            self._journal,
            self._ledger,
            on_report=lambda name: self._statistics.of(name).take,
            count=self._metrics.count,
        )
        pools = self._functions.pools
        self._memory_watch = MemoryWatch(pools.values())
        self._invoker = Invoker(pools)
        self._sources = EventSources(
            application,
            self._invoker,
            self._journal.announce,
            find_function=lambda name: self._invoker.pool(name).function,
            aws_environment=config.aws_environment,
            msk_brokers=config.msk_brokers,
            retry_delays_seconds=config.asynchronous_retry_delays_seconds,
        )
        self._memory_watch.start()
        try:
            if config.watch:
                self._watch_code(application)
            for notice in application.notices:
                self._journal.announce(notice)
            await self._functions.open(application.functions)
            await self._listen(application)
            if config.prestart:
                await self._functions.warm()
            self._statistics.watch(pools, self._sources)
            if config.sources:
                self._sources.start()
            self._start_seconds = round(time.perf_counter() - began, 3)
            self._is_up.set()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop sources, then wait for invocations until the stop time-out, then end environments."""
        timeout_seconds = self._config.stop_timeout_seconds
        if self._code_watch is not None:
            await self._code_watch.stop()
        await self._sources.stop(timeout_seconds)
        await asyncio.gather(*(server.stop(timeout_seconds) for server in self._servers.values()))
        # A waiting retry is dropped at once; the pools give running invocations their time.
        await self._functions.drain()
        self._sources.queue.cancel()
        await self._functions.stop()
        self._memory_watch.stop()
        await asyncio.to_thread(self._ledger.close)
        self._journal.close()

    async def wait_for_stop_request(self) -> None:
        """Wait until a client of the admin port asks for the stop."""
        await self._stop_wanted.wait()

    def trigger(self, schedule: str) -> None:
        """Fire a schedule now, by name or logical id. Raises UnknownSchedule."""
        self._sources.scheduler.trigger(schedule)

    def status(self) -> dict[str, Any]:
        """Return the status page: functions, event sources, schedules, endpoints and start time."""
        state = describe(self._functions.pools, self._statistics, self._sources, self.endpoints)
        return {**state, "start_seconds": self._start_seconds}

    def _read_template(self) -> Application:
        config = self._config
        return read_template(config.template, config.parameters, config.region)

    async def _end_orphans(self) -> None:
        left = await asyncio.to_thread(end_orphans, self._config.state_dir / "started")
        if left:
            self._journal.announce(f"Ended {left} process{'es' * (left > 1)} that a killed runner had left.")

    async def _listen(self, application: Application) -> None:
        config = self._config
        await self._serve("lambda", LambdaApi(self._invoker, self._sources.queue), config.lambda_port)
        admin = AdminApi(self._registry, self._sources, self.status, self._stop_wanted.set)
        await self._serve("admin", admin, config.admin_port)
        for index, api in enumerate(application.gateways):
            port = config.api_ports.get(api.logical_id, _FIRST_API_PORT + index)
            await self._serve(api.logical_id, self._app(api), port)

    def _app(self, api: Api | HttpApi) -> App:
        region, timeout_seconds = self._config.region, self._config.integration_timeout_seconds
        if isinstance(api, Api):
            return RestApi(api, region, self._invoker, timeout_seconds)
        return HttpApiGateway(api, region, self._invoker, timeout_seconds)

    async def _serve(self, name: str, app: App, port: int) -> None:
        server = HttpServer(app, self._config.host, port, name)
        await server.start()
        self._servers[name] = server

    def _watch_code(self, application: Application) -> None:
        reload = Reload(
            application,
            self._functions,
            read=self._read_template,
            serve=lambda api: self._servers[api.logical_id].replace(self._app(api)),
            announce=self._journal.announce,
        )
        template = self._config.template.resolve()

        async def take(saved: set[Path]) -> None:
            await self._is_up.wait()
            if template in saved:
                await reload.take_template()
                watch.follow(reload.application.functions)
            else:
                await reload.take_code(saved)

        watch = self._code_watch = CodeWatch(template, self._config.state_dir, take)
        watch.start(application.functions)
