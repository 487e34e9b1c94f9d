from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from .config import StackConfig
from .endpoints import Endpoints, PostgresEndpoint, S3Endpoint
from .leftovers import ProcessLedger
from .lock import DirectoryLock
from .ports import LOOPBACK, choose_ports, keep_ports, read_ports, reserve_ports
from .postgres import ensure_database, postgres_program
from .process import Program, ServiceStatus, SupervisedProcess
from .seaweedfs import PARTS, clear_socket, seaweedfs_program
from .secret_store import SECRETS, load_or_create_secrets
from .tansu import LOG_BUCKET, tansu_program

USUAL_PORTS = {"postgres": 5432, "kafka": 9092, "s3": 9000}


class Stack:
    """Postgres, S3 and Kafka as child processes, kept running from `start` to `stop`."""

    def __init__(self, config: StackConfig) -> None:
        # Services run in their own directories, where a relative path would mean another place.
        config = replace(config, data_dir=config.data_dir.resolve(), log_dir=config.log_dir.resolve())
        self._config = config
        self._lock = DirectoryLock(config.data_dir)
        self._ledger = ProcessLedger(config.data_dir / "processes.json")
        self._ports: dict[str, int] = {}
        # Until the last service has ended: another stack that starts meanwhile must not take the port of a service that
        # is not up yet or is being restarted.
        self._reserved = ExitStack()
        # In the order in which they are stopped: a service comes after those that use it.
        self._services: dict[str, SupervisedProcess | None] = {"kafka": None, "s3": None, "postgres": None}

    async def start(self) -> Endpoints:
        """Start all services and return when each has done real work.

        Raises `StackError`, after which nothing is left running.
        """
        config = self._config
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        config.log_dir.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            await asyncio.to_thread(self._ledger.end_leftovers)
            endpoints = self._claim_endpoints()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_postgres(endpoints.postgres))
                group.create_task(self._start_s3_and_kafka(endpoints.s3))
        except BaseExceptionGroup as group_error:
            await self.stop()
            raise group_error.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise
        return endpoints

    async def stop(self) -> None:
        """Stop every process of this stack, in bounded time. Does nothing if there is none."""
        for service in self._services.values():
            if service is not None:
                await service.stop()
        self._services = dict.fromkeys(self._services)
        if self._ports:
            for part in PARTS:
                clear_socket(part, self._ports[part])
            self._ledger.clear()
        self._ports = {}
        self._reserved.close()
        self._lock.release()

    def status(self) -> tuple[ServiceStatus, ...]:
        """Return the state of each started service."""
        return tuple(service.status() for service in self._services.values() if service is not None)

    def _claim_endpoints(self) -> Endpoints:
        config = self._config
        asked = {"postgres": config.postgres_port, "kafka": config.kafka_port, "s3": config.s3_port}
        wanted: dict[str, tuple[int | None, int | None]] = {
            name: (port, USUAL_PORTS[name]) for name, port in asked.items()
        }
        wanted |= {part: (0, None) for part in PARTS if part not in wanted}
        kept = config.data_dir / "ports.json"
        self._ports = choose_ports(wanted, read_ports(kept), _is_usable)
        self._reserved = reserve_ports(self._ports.values())
        keep_ports(kept, self._ports)
        secrets = load_or_create_secrets(config.data_dir / SECRETS, config.postgres_password)
        return Endpoints(
            postgres=PostgresEndpoint(
                LOOPBACK, self._ports["postgres"], config.database, config.owner, secrets.postgres_password
            ),
            s3=S3Endpoint(
                f"http://{LOOPBACK}:{self._ports['s3']}",
                config.region,
                secrets.s3_access_key,
                secrets.s3_secret_key,
            ),
            kafka_brokers=f"{LOOPBACK}:{self._ports['kafka']}",
        )

    async def _start_postgres(self, endpoint: PostgresEndpoint) -> None:
        program = await asyncio.to_thread(
            postgres_program, endpoint, self._config.data_dir / "postgres", self._new_log("postgres")
        )
        await self._run(program)
        await asyncio.to_thread(ensure_database, endpoint)

    async def _start_s3_and_kafka(self, endpoint: S3Endpoint) -> None:
        config = self._config
        kept_in_s3 = config.broker_storage == "s3"
        buckets = (*config.buckets, LOG_BUCKET) if kept_in_s3 else config.buckets
        s3 = seaweedfs_program(endpoint, self._ports, buckets, config.data_dir / "s3", self._new_log("s3"))
        kafka = tansu_program(
            self._ports["kafka"],
            endpoint if kept_in_s3 else None,
            config.topics,
            config.data_dir / "kafka",
            self._new_log("kafka"),
            advertised_host=config.kafka_advertised_host,
        )
        await self._run(s3)
        await self._run(kafka)

    async def _run(self, program: Program) -> None:
        service = SupervisedProcess(program, self._record)
        self._services[program.name] = service
        await service.start(self._config.start_timeout_seconds)

    def _record(self, program: Program, pid: int) -> None:
        self._ledger.record(program.name, pid, program.stop_signal)

    def _new_log(self, name: str) -> Path:
        """Make the log of this run; the last run's is kept beside it, older ones are not."""
        log = self._config.log_dir / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        return log


def _is_usable(name: str, port: int) -> bool:
    return name not in PARTS or clear_socket(name, port)
