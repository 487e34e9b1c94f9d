"""The position from which a partition is first read.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-starting-positions.html
"""

from __future__ import annotations

from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.lane import Lane

# Long enough for a fetch to come back empty.
_PROBE_MS = 500
_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class Position:
    """An offset to read from; records older than `not_before_ms` are passed over until one is not."""

    offset: int
    not_before_ms: int | None = None


def find_position(
    consumer: KafkaConsumer, source: KafkaSource, partition: TopicPartition, lane: Lane
) -> Position:
    """Return the group's committed position, or the source's starting position.

    It assigns only this partition to the consumer.
    """
    if lane.is_remade:
        return Position(_beginning(consumer, partition))
    committed = consumer.committed(partition, metadata=True, timeout_ms=_TIMEOUT_MS)
    if committed is not None:
        # A topic that was deleted and made anew while nobody looked has other records at these offsets.
        if committed.metadata and lane.topic_id and committed.metadata != lane.topic_id:
            return Position(_beginning(consumer, partition))
        return Position(committed.offset)
    if lane.is_late:
        return Position(_beginning(consumer, partition))
    if source.starting_position == "LATEST":
        return Position(_end(consumer, partition))
    if source.starting_timestamp_ms is not None:
        found = consumer.offsets_for_times({partition: source.starting_timestamp_ms})[partition]
        # Some brokers can only answer 0: records that are too old are passed over either way.
        offset = _end(consumer, partition) if found is None else found.offset
        return Position(offset, source.starting_timestamp_ms)
    return Position(_beginning(consumer, partition))


def _beginning(consumer: KafkaConsumer, partition: TopicPartition) -> int:
    return int(consumer.beginning_offsets([partition])[partition])


def _end(consumer: KafkaConsumer, partition: TopicPartition) -> int:
    """Return the end of a partition, found by reading on from the broker's answer: some brokers say too little."""
    offset = int(consumer.end_offsets([partition])[partition])
    consumer.assign([partition])
    consumer.seek(partition, offset)
    while records := consumer.poll(timeout_ms=_PROBE_MS).get(partition):
        offset = records[-1].offset + 1
    return offset
