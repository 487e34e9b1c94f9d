"""The poller: a thread that fetches partitions and commits what their lanes have done.

Partitions are assigned by hand: a group join takes half a session time-out on some brokers, and one process decides
anyway which poller reads what. Offsets are still kept under the consumer group's id.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.event import EncodedRecord, KafkaRecord, encode_record, pass_over
from sam_offline.sources.kafka.filter import KafkaFilter
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.starting_position import find_position

# Some brokers answer a fetch only after this time, even if a record comes sooner.
_FETCH_WAIT_MS = 20
_POLL_MS = 50
# A fetch costs a millisecond. When nothing has come for a while, half as many will do: a record is some ms later then.
_IDLE_AFTER_SECONDS = 2.0
_IDLE_POLL_MS, _IDLE_PAUSE_SECONDS = _FETCH_WAIT_MS, 0.03
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.1, 5.0
# A poller whose fetches are almost all this large is the bottleneck of its partitions.
_LARGE_FETCH_BYTES, _SATURATED_SHARE = 512 * 1024, 0.9

Lanes = Mapping[TopicPartition, Lane]
T = TypeVar("T")


class KafkaPoller:
    """Fetches the partitions that it is assigned. Nothing is committed early.

    A broker that is down is asked again with back-off. `on_end` is called in the event loop when the thread has
    ended, whether it was asked to or not.
    """

    def __init__(
        self, source: KafkaSource, announce: Callable[[str], None], on_end: Callable[[KafkaPoller], None]
    ) -> None:
        self.connected = False
        self._source = source
        self._filter = KafkaFilter(source.filters) if source.filters else None
        self._announce = announce
        self._on_end = on_end
        self._lanes: Lanes = {}
        self._in_use: Lanes = {}
        self._lock = threading.Lock()
        self._committed: dict[TopicPartition, tuple[int, int]] = {}
        self._not_before_ms: dict[TopicPartition, int] = {}
        self._fetches = self._large_fetches = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        name = f"kafka-{self._source.logical_id}"
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    @property
    def held(self) -> frozenset[TopicPartition]:
        """The partitions that the thread reads or may still commit."""
        with self._lock:
            return frozenset((*self._lanes, *self._in_use))

    def assign(self, lanes: Lanes) -> None:
        """Read these partitions from now on. Earlier ones stay `held` until the thread has let go of them."""
        with self._lock:
            self._lanes = dict(lanes)

    def take_saturation(self) -> bool:
        """Return whether fetching was the bottleneck since the last call."""
        fetches, large, self._fetches, self._large_fetches = self._fetches, self._large_fetches, 0, 0
        return fetches > 0 and large / fetches > _SATURATED_SHARE

    def ask_to_stop(self) -> None:
        """Ask the thread to end soon; it commits what the lanes have done by then."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    def _live(self) -> None:
        # An unexpected exception ends the thread with a traceback on the screen; at `on_end` the owner starts anew.
        try:
            self._run()
        finally:
            self.connected = False
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._on_end, self)

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
                with self._lock:
                    self._in_use = {}
                self._say(
                    f"{self._source.logical_id}: Kafka: {type(error).__name__}, again in {delay_seconds:.1f} s"
                )
                self._stopping.wait(delay_seconds)
                delay_seconds = min(2 * delay_seconds, _LONGEST_DELAY_SECONDS)

    def _connect(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=list(self._source.bootstrap_servers),
            group_id=self._source.consumer_group_id,
            enable_auto_commit=False,
            # Used only for an offset that the broker no longer has: every position is sought by hand.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_poll_records=10_000,
            reconnect_backoff_max_ms=1000,
            bootstrap_timeout_ms=3000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _consume(self, consumer: KafkaConsumer) -> None:
        positions: dict[TopicPartition, int] = {}
        epochs: dict[TopicPartition, int] = {}
        received_at = 0.0
        while not self._stopping.is_set():
            lanes = self._take_lanes()
            wanted = {partition: lane.epoch for partition, lane in lanes.items()}
            if wanted != epochs:
                positions = self._seek(consumer, lanes, wanted)
                epochs = wanted
            if not lanes:
                self._stopping.wait(_IDLE_PAUSE_SECONDS)
                continue
            self.connected = True
            self._hold_back(consumer, lanes)
            is_idle = time.monotonic() - received_at > _IDLE_AFTER_SECONDS
            fetched = consumer.poll(timeout_ms=_IDLE_POLL_MS if is_idle else _POLL_MS)
            if fetched:
                received_at = time.monotonic()
            for partition, records in fetched.items():
                lane = lanes[partition]
                if records[0].offset < positions[partition]:
                    # The broker has put us back to its beginning: it has lost records.
                    self._in_loop(partial(lane.restart, ""))
                    continue
                positions[partition] = records[-1].offset + 1
                encoded = self._encode(partition, records)
                self._loop.call_soon_threadsafe(lane.put, epochs[partition], encoded)
            self._commit(consumer, lanes)
            if is_idle and not fetched:
                self._stopping.wait(_IDLE_PAUSE_SECONDS)
        self._commit(consumer, self._take_lanes())

    def _take_lanes(self) -> Lanes:
        """Let go of earlier partitions, and return the lanes that are assigned now."""
        with self._lock:
            self._in_use = self._lanes
            return self._in_use

    def _seek(
        self, consumer: KafkaConsumer, lanes: Lanes, epochs: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Assign these partitions, each at its lane's position; a new one at its starting position."""
        offsets: dict[TopicPartition, int] = {}
        for partition, lane in lanes.items():
            offset = lane.next_offset
            if offset is None:
                position = find_position(consumer, self._source, partition, lane)
                offset = self._in_loop(partial(lane.begin, epochs[partition], position.offset))
                if position.not_before_ms is not None:
                    self._not_before_ms[partition] = position.not_before_ms
            offsets[partition] = offset
        consumer.assign(sorted(lanes))
        # Records that are in a lane already are neither fetched again nor lost: a lane knows what it has.
        for partition, offset in offsets.items():
            consumer.seek(partition, offset)
        return offsets

    def _encode(self, partition: TopicPartition, records: Iterable[KafkaRecord]) -> list[EncodedRecord]:
        encoded = [
            encode_record(record) if self._is_wanted(partition, record) else pass_over(record)
            for record in records
        ]
        self._fetches += 1
        self._large_fetches += sum(len(record.json) for record in encoded) > _LARGE_FETCH_BYTES
        return encoded

    def _is_wanted(self, partition: TopicPartition, record: KafkaRecord) -> bool:
        not_before_ms = self._not_before_ms.get(partition)
        if not_before_ms is not None:
            if record.timestamp < not_before_ms:
                return False
            del self._not_before_ms[partition]
        return self._filter is None or self._filter.wants(record)

    def _hold_back(self, consumer: KafkaConsumer, lanes: Lanes) -> None:
        paused = consumer.paused()
        full = {partition for partition, lane in lanes.items() if lane.is_full}
        if full - paused:
            consumer.pause(*(full - paused))
        if paused - full:
            consumer.resume(*(paused - full))

    def _commit(self, consumer: KafkaConsumer, lanes: Lanes) -> None:
        offsets, news = {}, {}
        for partition, lane in lanes.items():
            topic_id, epoch = lane.topic_id, lane.epoch
            done_offset = lane.done_offset
            if done_offset is not None and self._committed.get(partition) != (epoch, done_offset):
                offsets[partition] = OffsetAndMetadata(done_offset, topic_id, -1)
                news[partition] = (epoch, done_offset)
        if offsets:
            consumer.commit(offsets, timeout_ms=5000)
            self._committed.update(news)

    def _in_loop(self, action: Callable[[], T]) -> T:
        """Run an action in the event loop, where lanes live, and wait for its result."""

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result()

    def _say(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._announce, line)
