"""Runs everything that a template declares, in the event loop of whoever starts it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.registry import CollectorRegistry

from .admin import AdminApi
from .config import RunnerConfig
from .emf import EmfSeries
from .http_server import App, HttpServer
from .invoker import Invoker
from .journal import FunctionLog, Journal
from .kafka_source import KafkaPoller
from .lambda_api import LambdaApi
from .launch import Launch, prepare_launch
from .leftovers import Ledger, end_leftovers
from .memory import MemoryWatch
from .model import Application, Function
from .pool import Pool
from .rest_api import RestApi
from .schedules import Scheduler
from .statistics import Statistics
from .status import describe
from .template import read_template

_FIRST_API_PORT = 8080


class Runner:
    """One application, from `start` to `stop`; it is not started twice.

    The thread of its event loop must outlive it: functions are told to die with the thread that started them.
    """

    def __init__(self, config: RunnerConfig) -> None:
        self._config = config
        self._registry = CollectorRegistry()
        self._statistics = Statistics(self._registry)
        self._metrics = EmfSeries()
        self._registry.register(self._metrics)
        self._pools: dict[str, Pool] = {}
        self._servers: dict[str, HttpServer] = {}
        self._pollers: list[KafkaPoller] = []
        self._memory_watch = MemoryWatch(self._pools.values())
        self._stop_wanted = asyncio.Event()

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The base URL of each API by its logical id, of `lambda` and of `admin`."""
        return {name: f"http://{self._config.host}:{server.port}" for name, server in self._servers.items()}

    async def start(self) -> None:
        """Return once every port listens and, if wanted, an environment a function is warm.

        Raises TemplateError, BuildError or PortTaken; nothing is left running then.
        """
        config = self._config
        application = await asyncio.to_thread(
            read_template, config.template, config.parameters, config.region
        )
        self._journal = Journal(config.state_dir / "logs", sys.stdout if config.screen else None)
        self._invoker = Invoker(self._pools, config.asynchronous_retry_delays_seconds)
        self._scheduler = Scheduler(application.schedules, config.region, self._invoker)
        started = config.state_dir / "started"
        left = await asyncio.to_thread(end_leftovers, started)
        if left:
            self._journal.announce(f"Ended {left} process{'es' * (left > 1)} that a killed runner had left.")
        self._ledger = Ledger(started)
        self._memory_watch.start()
        try:
            launches = await asyncio.to_thread(self._prepare, application)
            self._announce_stand_ins(launches)
            for launch in launches:
                self._pools[launch.function.name] = self._pool(launch)
            await self._listen(application)
            if config.prestart:
                await asyncio.gather(*(pool.warm() for pool in self._pools.values()))
            if config.sources:
                self._watch_sources(application)
                self._scheduler.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End in order: sources first, then what is in flight within the stop time-out, then environments."""
        timeout_seconds = self._config.stop_timeout_seconds
        self._scheduler.stop()
        await asyncio.gather(*(poller.stop(timeout_seconds) for poller in self._pollers))
        await asyncio.gather(*(server.stop(timeout_seconds) for server in self._servers.values()))
        # A retry that waits for its minute is given up at once; what runs is given its time by the pools.
        await asyncio.gather(*(pool.drain(timeout_seconds) for pool in self._pools.values()))
        self._invoker.cancel()
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
        self._memory_watch.stop()
        await asyncio.to_thread(self._ledger.close)
        self._journal.close()

    async def wait_for_stop_request(self) -> None:
        """Return when somebody has asked for the end through the admin port."""
        await self._stop_wanted.wait()

    def trigger(self, schedule: str) -> None:
        """Fire a schedule now, by name or logical id. Raises UnknownSchedule."""
        self._scheduler.trigger(schedule)

    def status(self) -> dict[str, Any]:
        """Return what GET /status shows: functions, event sources, schedules, endpoints."""
        return describe(self._pools, self._statistics, self._pollers, self._scheduler, self.endpoints)

    def _prepare(self, application: Application) -> list[Launch]:
        folder = self._config.build_dir or self._config.state_dir / "build"
        credentials = self._config.aws_environment
        return [
            prepare_launch(function, folder, application.region, credentials)
            for function in application.functions
        ]

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
            throttles=self._config.throttle,
            log=FunctionLog(self._journal, function.name, self._metrics.count),
            ledger=self._ledger,
            on_report=self._statistics.of(function.name).take,
        )

    def _limit(self, function: Function) -> int:
        reserved = function.reserved_concurrency
        return self._config.default_concurrency if reserved is None else reserved

    async def _listen(self, application: Application) -> None:
        config = self._config
        await self._serve("lambda", LambdaApi(self._invoker), config.lambda_port)
        admin = AdminApi(self._registry, self._scheduler, self.status, self._stop_wanted.set)
        await self._serve("admin", admin, config.admin_port)
        for index, api in enumerate(application.apis):
            app = RestApi(api, self._invoker, config.integration_timeout_seconds)
            await self._serve(
                api.logical_id, app, config.api_ports.get(api.logical_id, _FIRST_API_PORT + index)
            )

    async def _serve(self, name: str, app: App, port: int) -> None:
        server = HttpServer(app, self._config.host, port, name)
        await server.start()
        self._servers[name] = server

    def _watch_sources(self, application: Application) -> None:
        for source in application.kafka_sources:
            if source.enabled:
                poller = KafkaPoller(source, self._invoker, self._journal.announce)
                poller.start()
                self._pollers.append(poller)
        self._statistics.watch(self._pools, self._pollers)
