"""The schedules and Kafka sources of a template, for functions that run elsewhere, such as in `sam local`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from .invocation import Invokes
from .kafka_source import KafkaPoller
from .schedules import Scheduler
from .template import read_template


class EventSources:
    """From `start` to `stop`; they are not started twice. Raises TemplateError when made."""

    def __init__(
        self,
        template: Path,
        parameters: Mapping[str, str],
        region: str,
        invoker: Invokes,
        announce: Callable[[str], None],
    ) -> None:
        application = read_template(template, parameters, region)
        self._scheduler = Scheduler(application.schedules, region, invoker)
        self._pollers = [
            KafkaPoller(source, invoker, announce) for source in application.kafka_sources if source.enabled
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """Every schedule and source, by logical id."""
        schedules = (schedule.logical_id for schedule in self._scheduler.schedules)
        return (*schedules, *(poller.source.logical_id for poller in self._pollers))

    def start(self) -> None:
        """Begin, in the event loop of the caller."""
        for poller in self._pollers:
            poller.start()
        self._scheduler.start()

    async def stop(self, timeout_seconds: float) -> None:
        """Begin nothing further; let batches in flight end within the time-out, and commit them."""
        self._scheduler.stop()
        await asyncio.gather(*(poller.stop(timeout_seconds) for poller in self._pollers))
