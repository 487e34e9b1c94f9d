"""The outcomes of a page of messages of which the broker accepts only some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka.errors import KafkaError, KafkaTimeoutError, NotLeaderForPartitionError
from kafka.future import Future

from exchange.platform.bus import MAX_BLOCK_SECONDS, Bus, Message


class Delivery(Future):  # type: ignore[misc]
    """The future of a message that is already delivered or failed."""

    def get(self, timeout: float) -> object:
        if self.exception is not None:
            raise self.exception
        return self.value


@dataclass(frozen=True)
class Written:
    """The position of a delivered message."""

    offset: int


class Producer:
    """Accepts every message at once, except those with an error: by topic in `send`, by value at delivery.

    It acknowledges `unplaced` messages without an offset.
    """

    def __init__(
        self,
        *,
        closed: Mapping[str, KafkaError] | None = None,
        lost: Mapping[bytes, KafkaError] | None = None,
        unplaced: frozenset[bytes] = frozenset(),
    ) -> None:
        self.sent: list[bytes] = []
        self.asked: list[str] = []
        self._closed = closed or {}
        self._lost = lost or {}
        self._unplaced = unplaced

    def send(self, topic: str, *, key: bytes, value: bytes) -> Future:
        self.asked.append(topic)
        if topic in self._closed:
            raise self._closed[topic]
        self.sent.append(value)
        error = self._lost.get(value)
        if error is not None:
            return Delivery().failure(error)
        return Delivery().success(Written(-1 if value in self._unplaced else len(self.sent)))


class BusOf(Bus):
    def __init__(self, producer: Producer, *, timeout_seconds: float = 10.0) -> None:
        super().__init__(["nowhere:9092"], timeout_seconds=timeout_seconds)
        self._given = producer

    def _live_producer(self) -> Producer:
        return self._given


def test_a_topic_that_takes_nothing_holds_up_no_other_and_is_asked_once() -> None:
    producer = Producer(closed={"missing": KafkaTimeoutError()})
    page = [Message("missing", b"a", b"1"), Message("missing", b"b", b"2"), Message("there", b"c", b"3")]
    assert BusOf(producer).produce(page) == ["KafkaTimeoutError", "KafkaTimeoutError", None]
    assert producer.asked == ["missing", "there"]
    assert producer.sent == [b"3"]


def test_what_follows_a_failure_under_its_key_fails_with_it_and_other_keys_do_not() -> None:
    producer = Producer(lost={b"2": NotLeaderForPartitionError()})
    page = [
        Message("t", key, value) for key, value in ((b"a", b"1"), (b"a", b"2"), (b"b", b"3"), (b"a", b"4"))
    ]
    name = "NotLeaderForPartitionError"
    assert BusOf(producer).produce(page) == [None, name, None, name]


def test_what_the_broker_says_to_have_and_not_where_is_not_delivered_nor_what_follows_under_its_key() -> None:
    producer = Producer(unplaced=frozenset({b"1"}))
    page = [Message("t", key, value) for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))]
    name = "DuplicateSequenceNumberError"
    assert BusOf(producer).produce(page) == [name, None, name]


def test_no_more_topics_are_waited_for_than_there_is_time() -> None:
    producer = Producer(closed={"missing": KafkaTimeoutError()})
    page = [Message("missing", b"a", b"1"), Message("there", b"b", b"2")]
    assert BusOf(producer, timeout_seconds=MAX_BLOCK_SECONDS / 2).produce(page) == ["KafkaTimeoutError"] * 2
    assert producer.asked == ["missing"]
