"""The behaviour that the event sources and the publisher need of a Kafka broker.

Runs against the embedded broker, or against another one whose address is in KAFKA_BROKERS. The tests create topics with
fresh names and delete them again.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from sam_offline.sources.kafka.topics import KafkaTopics

NewTopic = Callable[..., str]
MESSAGE_BYTES = 900_000


@pytest.fixture(scope="module")
def brokers(request: pytest.FixtureRequest) -> str:
    elsewhere = os.environ.get("KAFKA_BROKERS")
    return elsewhere or str(request.getfixturevalue("kafka_brokers"))


@pytest.fixture(scope="module")
def admin(brokers: str) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=brokers)) as client:
        yield client


@pytest.fixture
def new_topic(admin: KafkaAdminClient) -> Iterator[NewTopic]:
    made = []

    def make(partitions: int = 1) -> str:
        name = f"conformance-{uuid.uuid4().hex[:12]}"
        create(admin, name, partitions)
        made.append(name)
        return name

    yield make
    if made:
        admin.delete_topics(made)


@pytest.fixture
def producer(brokers: str) -> Iterator[KafkaProducer]:
    """Yield a producer with the publisher's settings: all replicas acknowledge, and nothing is written twice."""
    with closing(KafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)) as client:
        yield client


class Reader:
    """A consumer as a poller uses it: with assigned partitions, and offsets under a group that nobody joins."""

    def __init__(self, brokers: str, topic: str, *, group: str | None = None) -> None:
        self.partition = TopicPartition(topic, 0)
        self.consumer = KafkaConsumer(
            bootstrap_servers=brokers,
            group_id=group or f"conformance-{uuid.uuid4().hex[:12]}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            allow_auto_create_topics=False,
        )
        self.consumer.assign([self.partition])

    def read(self, count: int, offset: int = 0, seconds: float = 60) -> list[Any]:
        self.consumer.seek(self.partition, offset)
        return self.read_on(count, seconds)

    def read_on(self, count: int, seconds: float = 60) -> list[Any]:
        records: list[Any] = []
        deadline = time.monotonic() + seconds
        while len(records) < count and time.monotonic() < deadline:
            records += self.consumer.poll(timeout_ms=200).get(self.partition, [])
        return records

    def close(self) -> None:
        self.consumer.close(autocommit=False)


NewReader = Callable[..., Reader]


@pytest.fixture
def reader(brokers: str) -> Iterator[NewReader]:
    made = []

    def make(topic: str, **options: Any) -> Reader:
        made.append(Reader(brokers, topic, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def create(admin: KafkaAdminClient, name: str, partitions: int = 1) -> None:
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})


def send(producer: KafkaProducer, topic: str, *values: bytes, **options: Any) -> list[int]:
    sent = [producer.send(topic, value, partition=0, **options) for value in values]
    return [future.get(60).offset for future in sent]


def test_a_new_topic_has_its_partitions_and_an_id(brokers: str, new_topic: NewTopic) -> None:
    name = new_topic(partitions=3)
    topics = KafkaTopics(brokers.split(","), [name])
    described = topics.describe()[name]
    topics.close()
    assert described.partitions == (0, 1, 2)
    assert described.id


def test_asking_for_a_topic_does_not_make_it(brokers: str, admin: KafkaAdminClient) -> None:
    missing = f"conformance-{uuid.uuid4().hex[:12]}"
    topics = KafkaTopics(brokers.split(","), [missing])
    assert topics.describe() == {}
    topics.close()
    assert missing not in admin.list_topics()


def test_what_is_acknowledged_has_offsets_from_zero_without_a_gap(
    producer: KafkaProducer, new_topic: NewTopic
) -> None:
    assert send(producer, new_topic(), b"a", b"b", b"c") == [0, 1, 2]


def test_records_come_back_in_order_with_all_that_they_were(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    headers = [("trace", b"\x00\xff"), ("trace", b"again"), ("empty", b"")]
    send(producer, topic, b"first", key=b"key", headers=headers, timestamp_ms=1_700_000_000_123)
    send(producer, topic, *(b"%d" % number for number in range(500)))
    first, *others = reader(topic).read(501)
    assert (first.key, first.value, first.timestamp) == (b"key", b"first", 1_700_000_000_123)
    assert [(name, value or b"") for name, value in first.headers] == headers
    assert [record.value for record in others] == [b"%d" % number for number in range(500)]
    assert [record.offset for record in others] == list(range(1, 501))


def test_a_missing_key_and_a_missing_value_stay_missing(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    producer.send(topic, value=b"no key", partition=0).get(60)
    producer.send(topic, key=b"tombstone", value=None, partition=0).get(60)
    without_key, without_value = reader(topic).read(2)
    assert (without_key.key, without_key.value) == (None, b"no key")
    assert (without_value.key, without_value.value) == (b"tombstone", None)


def test_a_record_of_nearly_a_megabyte_and_a_compressed_one_come_back(
    brokers: str, producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    large = os.urandom(MESSAGE_BYTES)
    send(producer, topic, large)
    with closing(KafkaProducer(bootstrap_servers=brokers, compression_type="gzip")) as compressing:
        send(compressing, topic, b"x" * MESSAGE_BYTES)
    assert [record.value for record in reader(topic).read(2)] == [large, b"x" * MESSAGE_BYTES]


def test_reading_begins_at_any_offset_and_several_read_at_once(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    send(producer, topic, *(b"%d" % number for number in range(10)))
    one, other = reader(topic), reader(topic)
    assert [record.offset for record in one.read(3, offset=7)] == [7, 8, 9]
    assert [record.offset for record in other.read(10)] == list(range(10))


def test_a_reader_that_waits_gets_what_comes(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    waiting = reader(topic)
    assert waiting.read(1, seconds=0.5) == []
    later = threading.Timer(0.3, lambda: send(producer, topic, b"late"))
    later.start()
    assert [record.value for record in waiting.read_on(1)] == [b"late"]
    later.join()


def test_a_group_that_nobody_joined_keeps_its_offsets(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic, group = new_topic(), f"conformance-{uuid.uuid4().hex[:12]}"
    send(producer, topic, b"a", b"b", b"c")
    first = reader(topic, group=group)
    assert first.consumer.committed(first.partition) is None
    for offset in (3, 1):
        # Offsets can be set back, too: a topic that was recreated begins again.
        first.consumer.commit({first.partition: OffsetAndMetadata(offset, "", -1)})
        second = reader(topic, group=group)
        assert second.consumer.committed(second.partition) == offset
    assert reader(topic).consumer.committed(first.partition) is None


def test_the_beginning_is_known_and_the_end_is_never_said_to_be_later_than_it_is(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    send(producer, topic, *(b"%d" % number for number in range(10)))
    one = reader(topic)
    assert one.consumer.beginning_offsets([one.partition]) == {one.partition: 0}
    # If the offset is too early, the records before are skipped; if it is too late, records would be lost.
    assert one.consumer.end_offsets([one.partition])[one.partition] <= 10


def test_the_offset_of_a_time_is_never_later_than_the_first_record_of_that_time(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    for number in range(5):
        send(producer, topic, b"%d" % number, timestamp_ms=1_700_000_000_000 + number * 1000)
    one = reader(topic)
    found = one.consumer.offsets_for_times({one.partition: 1_700_000_002_500})[one.partition]
    assert found.offset <= 3


def test_an_offset_that_is_past_the_end_gives_nothing_older(
    producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic = new_topic()
    send(producer, topic, b"a", b"b")
    one = reader(topic)
    # Either nothing, or everything from the beginning, which the poller takes for a topic that was recreated.
    assert [record.offset for record in one.read(2, offset=50, seconds=2)] in ([], [0, 1])


def test_a_topic_made_anew_has_another_id_begins_at_zero_and_has_forgotten_its_groups(
    brokers: str, admin: KafkaAdminClient, producer: KafkaProducer, new_topic: NewTopic, reader: NewReader
) -> None:
    topic, group = new_topic(), f"conformance-{uuid.uuid4().hex[:12]}"
    send(producer, topic, b"old-1", b"old-2")
    before = reader(topic, group=group)
    before.consumer.commit({before.partition: OffsetAndMetadata(2, "", -1)})
    topics = KafkaTopics(brokers.split(","), [topic])
    old_id = topics.describe()[topic].id
    admin.delete_topics([topic])
    wait_for(lambda: topics.describe() == {})
    create(admin, topic)
    wait_for(lambda: topic in topics.describe())
    assert topics.describe()[topic].id != old_id
    topics.close()
    with closing(KafkaProducer(bootstrap_servers=brokers)) as anew:
        send(anew, topic, b"new-1", b"new-2")
    after = reader(topic, group=group)
    assert after.consumer.committed(after.partition) is None
    assert [(record.offset, record.value) for record in after.read(2)] == [(0, b"new-1"), (1, b"new-2")]


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "what was waited for did not happen in time"
        time.sleep(0.05)
