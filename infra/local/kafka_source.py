"""Polls the topics of one event source mapping in a thread of its own, and commits what its lanes have done.

Partitions are assigned by hand: a group join costs half a session time-out on some brokers, and there is one
poller here. Offsets are kept under the consumer group's id all the same.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from .invocation import Invokes
from .kafka_event import encode_record
from .kafka_lane import Lane
from .model import KafkaSource

# Some brokers answer a fetch only when this is over, however soon a record comes.
_FETCH_WAIT_MS = 20
_POLL_MS = 50
# A fetch costs a millisecond. Where nothing has come for a while, half as many and a record some ms later will do.
_IDLE_AFTER_SECONDS = 2.0
_IDLE_POLL_MS, _IDLE_PAUSE_SECONDS = _FETCH_WAIT_MS, 0.03
_REDISCOVERY_SECONDS = 5.0
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.1, 5.0
_RESET = {"TRIM_HORIZON": "earliest", "LATEST": "latest", "AT_TIMESTAMP": "earliest"}


class KafkaPoller:
    """Feeds one function. A broker that is down is asked again with back-off; nothing is committed early."""

    def __init__(self, source: KafkaSource, invoker: Invokes, announce: Callable[[str], None]) -> None:
        self.source = source
        self.connected = False
        self._invoker = invoker
        self._announce = announce
        self._lanes: dict[TopicPartition, Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._committed: dict[TopicPartition, int] = {}
        self._stopping = threading.Event()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(self._lanes.values())

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{self.source.logical_id}", daemon=True)
        self._thread.start()

    async def stop(self, timeout_seconds: float) -> None:
        """Begin no further batch, let those in flight end, commit, disconnect."""
        for lane in self.lanes:
            lane.stop()
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=timeout_seconds)
            for task in unfinished:
                task.cancel()
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, timeout_seconds)

    def _run(self) -> None:
        delay_seconds = _FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            try:
                consumer = self._connect()
                try:
                    delay_seconds = _FIRST_DELAY_SECONDS
                    self._consume(consumer)
                finally:
                    self.connected = False
                    consumer.close(autocommit=False, timeout_ms=1000)
            except (KafkaError, OSError) as error:
                self._say(
                    f"{self.source.logical_id}: Kafka: {type(error).__name__}, again in {delay_seconds:.1f} s"
                )
                self._stopping.wait(delay_seconds)
                delay_seconds = min(2 * delay_seconds, _LONGEST_DELAY_SECONDS)

    def _connect(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=list(self.source.bootstrap_servers),
            group_id=self.source.consumer_group_id,
            enable_auto_commit=False,
            auto_offset_reset=_RESET[self.source.starting_position],
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_poll_records=10_000,
            reconnect_backoff_max_ms=1000,
            bootstrap_timeout_ms=3000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _consume(self, consumer: KafkaConsumer) -> None:
        discovered_at = received_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() - discovered_at > _REDISCOVERY_SECONDS or not self._lanes:
                discovered_at = time.monotonic()
                if not self._assign(consumer):
                    self._stopping.wait(0.5)
                    continue
                self.connected = True
            self._hold_back(consumer)
            is_idle = time.monotonic() - received_at > _IDLE_AFTER_SECONDS
            fetched = consumer.poll(timeout_ms=_IDLE_POLL_MS if is_idle else _POLL_MS)
            if fetched:
                received_at = time.monotonic()
            for partition, records in fetched.items():
                encoded = [encode_record(record) for record in records]
                lane = self._lanes[partition]
                lane.next_offset = encoded[-1].offset + 1
                self._loop.call_soon_threadsafe(lane.put, encoded)
            self._commit(consumer)
            if is_idle and not fetched:
                self._stopping.wait(_IDLE_PAUSE_SECONDS)
        self._commit(consumer)

    def _assign(self, consumer: KafkaConsumer) -> bool:
        """Assign every partition there is; False while a topic is missing."""
        wanted = set()
        for topic in self.source.topics:
            partitions = consumer.partitions_for_topic(topic)
            wanted |= {TopicPartition(topic, partition) for partition in partitions or ()}
        if wanted and wanted != consumer.assignment():
            consumer.assign(sorted(wanted))
            for partition in wanted:
                lane = self._lanes.get(partition) or self._new_lane(partition)
                # After a reconnection: what lies in the lane already is not fetched again.
                if lane.next_offset is not None:
                    consumer.seek(partition, lane.next_offset)
        return bool(wanted)

    def _new_lane(self, partition: TopicPartition) -> Lane:
        async def open_lane() -> Lane:
            lane = Lane(self.source, partition.topic, partition.partition, self._invoker, self._announce)
            self._tasks.append(self._loop.create_task(lane.run()))
            return lane

        lane = asyncio.run_coroutine_threadsafe(open_lane(), self._loop).result()
        self._lanes[partition] = lane
        return lane

    def _hold_back(self, consumer: KafkaConsumer) -> None:
        paused = consumer.paused()
        full = {partition for partition, lane in self._lanes.items() if lane.is_full}
        if full - paused:
            consumer.pause(*(full - paused))
        if paused - full:
            consumer.resume(*(paused - full))

    def _commit(self, consumer: KafkaConsumer) -> None:
        done = {partition: lane.done_offset for partition, lane in self._lanes.items()}
        news = {
            partition: offset
            for partition, offset in done.items()
            if offset is not None and offset != self._committed.get(partition)
        }
        if not news:
            return
        offsets = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in news.items()}
        consumer.commit(offsets, timeout_ms=5000)
        self._committed.update(news)

    def _say(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._announce, line)
