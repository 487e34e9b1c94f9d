from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata, OffsetAndTimestamp

from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.starting_position import Position, find_position
from unit.test_kafka_lane import SOURCE, ScriptedFunction

PARTITION = TopicPartition("orders", 0)


@dataclass(frozen=True)
class Fetched:
    offset: int


@dataclass
class Broker:
    """A consumer's view of a partition with offsets 3 to 9, whose broker may be wrong about the end."""

    committed_offset: OffsetAndMetadata | None = None
    said_end: int = 10
    found: OffsetAndTimestamp | None = None
    position: int = field(default=0, init=False)

    def committed(self, partition: TopicPartition, **_: Any) -> OffsetAndMetadata | None:
        return self.committed_offset

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: 3}

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: self.said_end}

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {PARTITION: self.found}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [PARTITION]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position = offset

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Fetched]]:
        offsets = range(self.position, min(self.position + 4, 10))
        self.position = max([self.position, *(offset + 1 for offset in offsets)])
        return {PARTITION: [Fetched(offset) for offset in offsets]} if offsets else {}


def position(broker: Broker, *, is_late: bool = False, is_remade: bool = False, **source: Any) -> Position:
    clock = Clock()
    settings = replace(SOURCE, **source)
    lane = Lane(
        settings,
        "orders-0",
        invoker=ScriptedFunction(lambda *_: b"null"),
        discards=Discards(settings, "us-east-1", Buckets({}), clock),
        clock=clock,
        announce=lambda _: None,
        topic_id="two",
        is_late=is_late,
    )
    lane.is_remade = is_remade
    return find_position(broker, settings, PARTITION, lane)


LATEST: dict[str, Any] = {"starting_position": "LATEST"}
TIMED: dict[str, Any] = {"starting_position": "AT_TIMESTAMP", "starting_timestamp_ms": 1_700_000_000_000}


def test_the_group_goes_on_where_it_was_whatever_the_starting_position() -> None:
    broker = Broker(OffsetAndMetadata(7, "two", -1))
    assert position(broker) == position(broker, **LATEST) == position(broker, is_late=True) == Position(7)


@pytest.mark.parametrize("metadata", ["", None])
def test_an_offset_that_names_no_topic_is_believed(metadata: str | None) -> None:
    assert position(Broker(OffsetAndMetadata(7, metadata, -1))) == Position(7)


def test_an_offset_of_a_topic_that_is_no_more_is_not_believed() -> None:
    assert position(Broker(OffsetAndMetadata(7, "one", -1))) == Position(3)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning() -> None:
    assert position(Broker(OffsetAndMetadata(7, "two", -1)), is_remade=True, **LATEST) == Position(3)


def test_a_new_group_begins_at_the_beginning_or_at_the_true_end() -> None:
    assert position(Broker()) == Position(3)
    assert position(Broker(), **LATEST) == Position(10)
    # Some brokers say too little: what is there already is read over.
    assert position(Broker(said_end=4), **LATEST) == Position(10)


def test_a_partition_that_appears_later_holds_nothing_old() -> None:
    assert position(Broker(), is_late=True, **LATEST) == Position(3)


def test_a_time_begins_where_the_broker_says_and_passes_over_what_is_older() -> None:
    wanted = TIMED["starting_timestamp_ms"]
    assert position(Broker(found=OffsetAndTimestamp(5, 1, 0)), **TIMED) == Position(5, wanted)
    assert position(Broker(found=OffsetAndTimestamp(0, -1, 0)), **TIMED) == Position(0, wanted)
    assert position(Broker(found=None), **TIMED) == Position(10, wanted)
