"""An event source mapping of Kafka: its partitions, its pollers, and whether it is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from kafka import TopicPartition
from kafka.errors import KafkaError

from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Invokes
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.poller import KafkaPoller
from sam_offline.sources.kafka.pollers import KafkaPollers
from sam_offline.sources.kafka.topics import KafkaTopic, KafkaTopics

_LOOK_SECONDS, _FIRST_LOOK_SECONDS = 2.0, 0.5
_RESTART_TIMEOUT_SECONDS = 10.0

State = Literal["running", "paused"]


@dataclass(frozen=True)
class Progress:
    """Counts of records by their outcome, and of retried batches."""

    processed: int = 0
    filtered: int = 0
    given_up: int = 0
    retries: int = 0


class KafkaEventSource:
    """A Kafka event source, in the event loop. Each partition has one lane, in order; pollers share them.

    A source that the template disables starts paused. A pause lets batches in flight end and commits them; a resume
    continues from there.
    """

    def __init__(
        self,
        source: KafkaSource,
        region: str,
        *,
        invoker: Invokes,
        buckets: Buckets,
        clock: Clock,
        announce: Callable[[str], None],
    ) -> None:
        self.source = source
        self.state: State = "paused"
        self._invoker = invoker
        self._clock = clock
        self._announce = announce
        self._discards = Discards(source, region, buckets, clock)
        self._lanes: dict[TopicPartition, Lane] = {}
        self._present: list[TopicPartition] = []
        self._has_looked = False
        self._earlier = Progress()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pollers = self._new_pollers()
        self._watch: asyncio.Task[None] | None = None
        # A pause takes as long as its batches; a resume meanwhile waits.
        self._changing = asyncio.Lock()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(self._lanes.values())

    @property
    def connected(self) -> bool:
        return self._pollers.connected

    @property
    def poller_count(self) -> int:
        return len(self._pollers)

    @property
    def progress(self) -> Progress:
        """The progress since the runner began, pauses included."""
        lanes, earlier = self.lanes, self._earlier
        return Progress(
            earlier.processed + sum(lane.processed for lane in lanes),
            earlier.filtered + sum(lane.filtered for lane in lanes),
            earlier.given_up + sum(lane.given_up for lane in lanes),
            earlier.retries + sum(lane.retries for lane in lanes),
        )

    def start(self) -> None:
        """Start, unless the template disables the source."""
        if self._discards.unsupported is not None:
            self._announce(
                f"{self.source.logical_id}: its on-failure destination is {self._discards.unsupported}, which is"
                " not run here: what is given up is named on this screen only"
            )
        if self.source.enabled:
            self._begin()

    async def resume(self) -> None:
        """Continue from the committed offsets. A running source is left alone."""
        async with self._changing:
            if self.state == "paused":
                self._begin()

    async def pause(self, timeout_seconds: float) -> None:
        """Begin no further batch, let those in flight end, commit, and disconnect."""
        async with self._changing:
            if self.state == "running":
                await self._end(timeout_seconds)

    async def stop(self, timeout_seconds: float) -> None:
        """Pause for good."""
        await self.pause(timeout_seconds)
        await self._discards.close()

    def _begin(self) -> None:
        self.state = "running"
        self._pollers = self._new_pollers()
        self._watch = asyncio.get_running_loop().create_task(self._look_at_topics())
        self._watch.add_done_callback(self._task_ended)

    async def _end(self, timeout_seconds: float) -> None:
        self.state = "paused"
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for lane in self.lanes:
            lane.stop()
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=timeout_seconds)
            for task in unfinished:
                task.cancel()
        await self._pollers.stop(timeout_seconds)
        self._earlier = self.progress
        self._lanes.clear()
        self._present.clear()
        self._has_looked = False

    async def _look_at_topics(self) -> None:
        topics = KafkaTopics(self.source.bootstrap_servers, self.source.topics)
        trouble = ""
        loop = asyncio.get_running_loop()
        # A thread of its own: a look goes on when its task is cancelled, and its connection is closed after it.
        thread = ThreadPoolExecutor(1, f"look-{self.source.logical_id}")
        try:
            while True:
                try:
                    found = await loop.run_in_executor(thread, topics.describe)
                except (KafkaError, OSError) as error:
                    if trouble != type(error).__name__:
                        trouble = type(error).__name__
                        self._announce(
                            f"{self.source.logical_id}: Kafka: {trouble}, asked again until it answers"
                        )
                else:
                    trouble = ""
                    self._take_topics(found)
                    self._pollers.look({partition: self._lanes[partition] for partition in self._present})
                await asyncio.sleep(_LOOK_SECONDS if self._lanes else _FIRST_LOOK_SECONDS)
        finally:
            await loop.run_in_executor(thread, topics.close)
            thread.shutdown(wait=False)

    def _take_topics(self, found: Mapping[str, KafkaTopic]) -> None:
        for name, topic in found.items():
            for partition, lane in self._lanes.items():
                if partition.topic == name and not lane.topic_id:
                    lane.topic_id = topic.id
                elif partition.topic == name and lane.topic_id != topic.id:
                    self._announce(f"{self.source.logical_id}: {lane.name} was made anew: from its beginning")
                    lane.restart(topic.id)
            for number in topic.partitions:
                partition = TopicPartition(name, number)
                if partition not in self._lanes:
                    self._open_lane(partition, topic.id)
        self._has_looked = True
        # Nothing is fetched or committed for a missing topic until it is back.
        self._present = sorted(partition for partition in self._lanes if partition.topic in found)

    def _open_lane(self, partition: TopicPartition, topic_id: str) -> None:
        lane = Lane(
            self.source,
            f"{partition.topic}-{partition.partition}",
            invoker=self._invoker,
            discards=self._discards,
            clock=self._clock,
            announce=self._announce,
            topic_id=topic_id,
            is_late=self._has_looked,
        )
        self._lanes[partition] = lane
        task = asyncio.get_running_loop().create_task(lane.run())
        task.add_done_callback(self._task_ended)
        self._tasks.add(task)

    def _new_pollers(self) -> KafkaPollers:
        return KafkaPollers(self.source, lambda on_end: KafkaPoller(self.source, self._announce, on_end))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None or self.state == "paused":
            return
        # A bug of the runner: it is shown, and all partitions begin again from the committed offsets.
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": self.source.logical_id, "exception": task.exception()})
        self._restart = loop.create_task(self._begin_again())

    async def _begin_again(self) -> None:
        async with self._changing:
            if self.state == "running":
                await self._end(_RESTART_TIMEOUT_SECONDS)
                # The bug may strike again at once.
                await asyncio.sleep(_LOOK_SECONDS)
                self._begin()
