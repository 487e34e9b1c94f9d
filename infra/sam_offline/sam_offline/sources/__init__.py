"""Event sources: the schedules and Kafka sources of a template, for functions here or elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sam_offline.clock import Clock
from sam_offline.errors import UnknownFunction, UnknownSource
from sam_offline.invocation.asynchronous import AsynchronousInvokes
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Invokes
from sam_offline.model import Application, Function
from sam_offline.sources.kafka.source import KafkaEventSource
from sam_offline.sources.schedules import Scheduler
from sam_offline.template.read import read_template

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: one minute, then two
RETRY_DELAYS_SECONDS = (60.0, 120.0)


class EventSources:
    """All event sources of an application. They can be started once.

    `find_function` returns the current function of a name or raises UnknownFunction. `msk_brokers` stand for every
    MSK cluster, since a template does not name brokers. `aws_environment` holds credentials and endpoints for
    destinations, in the form of a function's environment.
    """

    def __init__(
        self,
        application: Application,
        invoker: Invokes,
        announce: Callable[[str], None],
        *,
        find_function: Callable[[str], Function],
        aws_environment: Mapping[str, str],
        msk_brokers: Sequence[str] = (),
        retry_delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self.clock = Clock()
        self._application = application
        self._announce = announce
        buckets = Buckets(aws_environment)
        self.queue = AsynchronousInvokes(
            find_function,
            invoker,
            buckets=buckets,
            clock=self.clock,
            announce=announce,
            retry_delays_seconds=retry_delays_seconds,
        )
        self.scheduler = Scheduler(
            application.schedules, application.region, self.queue, self.clock, announce
        )
        self._kafka_sources = {
            source.logical_id: KafkaEventSource(
                replace(source, bootstrap_servers=tuple(msk_brokers)) if source.cluster_arn else source,
                application.region,
                invoker=invoker,
                buckets=buckets,
                clock=self.clock,
                announce=announce,
            )
            for source in application.kafka_sources
        }
        self.kafka_sources: tuple[KafkaEventSource, ...] = ()

    @classmethod
    def of_template(
        cls,
        template: Path,
        parameters: Mapping[str, str],
        region: str,
        invoker: Invokes,
        announce: Callable[[str], None],
        *,
        aws_environment: Mapping[str, str],
        msk_brokers: Sequence[str] = (),
    ) -> EventSources:
        """Read a template and return its sources. Raises TemplateError."""
        application = read_template(template, parameters, region)
        functions = {function.name: function for function in application.functions}

        def find_function(name: str) -> Function:
            if name not in functions:
                raise UnknownFunction(name)
            return functions[name]

        return cls(
            application,
            invoker,
            announce,
            find_function=find_function,
            aws_environment=aws_environment,
            msk_brokers=msk_brokers,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The logical ids of all schedules and Kafka sources."""
        return (*(schedule.logical_id for schedule in self.scheduler.schedules), *self._kafka_sources)

    def start(self) -> None:
        """Start in the caller's event loop."""
        self.queue.announce_unsupported(self._application.functions)
        runnable = []
        for name, kafka_source in self._kafka_sources.items():
            if kafka_source.source.bootstrap_servers:
                kafka_source.start()
                runnable.append(kafka_source)
            else:
                self._announce(f"{name}: the brokers of its MSK cluster are not given, so it does not run")
        self.kafka_sources = tuple(runnable)
        self.scheduler.start()

    async def pause(self, name: str, timeout_seconds: float) -> None:
        """Pause a Kafka source, by logical id. Raises UnknownSource."""
        await self._find(name).pause(timeout_seconds)

    async def resume(self, name: str) -> None:
        """Resume a Kafka source, by logical id. Raises UnknownSource."""
        await self._find(name).resume()

    async def stop(self, timeout_seconds: float) -> None:
        """Begin nothing new; let batches in flight end within the time-out, and commit them."""
        self.scheduler.stop()
        self.clock.stop()
        await asyncio.gather(*(source.stop(timeout_seconds) for source in self.kafka_sources))

    def _find(self, name: str) -> KafkaEventSource:
        for kafka_source in self.kafka_sources:
            if kafka_source.source.logical_id == name:
                return kafka_source
        raise UnknownSource(name)
