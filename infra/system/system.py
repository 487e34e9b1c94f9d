"""The whole exchange on this machine: embedded stack, migrations, partners, functions on the local runner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from infra.embedded import BrokerStorage, Endpoints, Stack
from infra.system.addresses import Addresses, Ports, free_port
from infra.system.database import prepare_database
from infra.system.layout import BUILD_DIR, TEMPLATE
from infra.system.local_tokens import load_or_create_secret
from infra.system.services import keep_services_written, stack_config
from infra.system.template_parameters import aws_environment, template_parameters
from sam_offline import Runner, RunnerConfig

# A request or a batch ends within this; the publisher that lingers for a minute is safe to cut, as on a time-out.
STOP_TIMEOUT_SECONDS = 2.0


class System:
    """The exchange with its data in one folder, started and stopped in the event loop of its caller."""

    def __init__(
        self,
        data_dir: Path,
        ports: Ports,
        *,
        broker_storage: BrokerStorage = "s3",
        screen: bool = True,
        build_dir: Path | None = None,
        sources: bool = True,
        watch: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._ports = ports
        self._screen = screen
        self._sources = sources
        self._watch = watch
        self._parameters = dict(parameters or {})
        self._build_dir = build_dir or BUILD_DIR
        self.stack = Stack(stack_config(data_dir, ports, broker_storage))
        self.runner: Runner | None = None
        self._services_writer: asyncio.Task[None] | None = None

    async def start(self) -> Addresses:
        """Start everything and return once a record can be sent.

        Raises StackError or RunnerError; nothing is left running then.
        """
        endpoints = await self.stack.start()
        try:
            await asyncio.to_thread(prepare_database, endpoints.postgres)
            addresses = await self._start_runner(endpoints)
        except BaseException:
            await self.stop()
            raise
        self._services_writer = asyncio.create_task(keep_services_written(self.stack, self._data_dir))
        addresses.save(self._data_dir)
        return addresses

    async def stop(self) -> None:
        """Stop the functions first, then the services below them. Safe to call more than once."""
        if self._services_writer is not None:
            self._services_writer.cancel()
        if self.runner is not None:
            await self.runner.stop()
            self.runner = None
        await self.stack.stop()

    async def wait_for_stop_request(self) -> None:
        """Wait until a request to stop comes in at the admin port. Call it once started."""
        if self.runner is not None:
            await self.runner.wait_for_stop_request()

    async def _start_runner(self, endpoints: Endpoints) -> Addresses:
        ports = self._ports if self._ports.lambda_ else replace(self._ports, lambda_=free_port())
        jwt_secret = load_or_create_secret(self._data_dir / "jwt_secret")
        runner = Runner(
            RunnerConfig(
                template=TEMPLATE,
                state_dir=self._data_dir,
                build_dir=self._build_dir,
                parameters=template_parameters(endpoints, ports.lambda_, jwt_secret) | self._parameters,
                aws_environment=aws_environment(endpoints.s3),
                api_ports={"IngestApi": ports.ingest, "TokenizeApi": ports.tokenize},
                lambda_port=ports.lambda_,
                admin_port=ports.admin,
                screen=self._screen,
                stop_timeout_seconds=STOP_TIMEOUT_SECONDS,
                sources=self._sources,
                watch=self._watch,
                # Two a core keep every core busy through the waits for disk; more only evict each other's caches.
                default_concurrency=max(4, 2 * (os.cpu_count() or 1)),
            )
        )
        await runner.start()
        self.runner = runner
        urls = runner.endpoints
        return Addresses(
            pid=os.getpid(),
            ingest=urls["IngestApi"],
            tokenize=urls["TokenizeApi"],
            lambda_=urls["lambda"],
            admin=urls["admin"],
            kafka_brokers=endpoints.kafka_brokers,
            s3=endpoints.s3.url,
            postgres_dsn=endpoints.postgres.dsn(),
            s3_access_key=endpoints.s3.access_key,
            s3_secret_key=endpoints.s3.secret_key,
            jwt_secret=jwt_secret,
        )
