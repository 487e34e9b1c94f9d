"""Every committed event is published to Kafka, in the order of its key, whichever process dies."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import psycopg2.extensions
import pytest
from kafka import KafkaConsumer, TopicPartition

from exchange.errors import DependencyUnavailable
from exchange.outbox.model import OutboxEvent
from exchange.outbox.service import Publisher
from exchange.platform.bus import Bus, Message
from exchange.platform.db import Database
from exchange.platform.deadline import Deadline
from infra.embedded import BackgroundStack
from integration.running import freeze
from tests.integration.exchange.harness import BusThatThen, Exchange

PARTITIONS = 4
REMAINING_SECONDS = 75.0


@pytest.fixture
def topic_name(topic: Callable[..., str]) -> str:
    return topic(partitions=PARTITIONS)


@pytest.fixture
def bus(kafka_brokers: str) -> Iterator[Bus]:
    with closing(Bus([kafka_brokers])) as opened:
        yield opened


def enqueue(exchange: Exchange, events: Sequence[OutboxEvent]) -> None:
    with closing(psycopg2.connect(exchange.dsn())) as connection, connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO outbox_events (shard, topic, key, value) VALUES (%s, %s, %s, %s)",
            [(event.shard, event.topic, event.key, event.value) for event in events],
        )


def numbered(topic: str, count: int, *, keys: int) -> list[OutboxEvent]:
    return [OutboxEvent(topic, f"key-{n % keys}", str(n).encode()) for n in range(count)]


def consume(brokers: str, topic: str, at_least: int) -> list[tuple[str, int]]:
    """Read the topic as (key, value), partition by partition in order, once it has `at_least` messages."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    with closing(KafkaConsumer(bootstrap_servers=[brokers], auto_offset_reset="earliest")) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        deadline = time.monotonic() + 60
        quiet = False
        # one more poll, without messages, proves that there are no superfluous ones
        while time.monotonic() < deadline and not (quiet and sum(map(len, found.values())) >= at_least):
            polled = consumer.poll(timeout_ms=700)
            quiet = not polled
            for records in polled.values():
                for record in records:
                    found[record.partition].append((record.key.decode(), int(record.value)))
    return [entry for partition in sorted(found) for entry in found[partition]]


def in_order(consumed: Sequence[tuple[str, int]]) -> bool:
    by_key: dict[str, list[int]] = defaultdict(list)
    for key, number in consumed:
        by_key[key].append(number)
    return all(numbers == sorted(numbers) for numbers in by_key.values())


def unreachable_broker() -> str:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def sender_threads() -> set[threading.Thread]:
    """Return the threads of kafka-python's producers, which the bus ends by an undocumented method."""
    return {thread for thread in threading.enumerate() if thread.name.endswith("-network-thread")}


def test_a_broker_that_stands_still_is_published_to_again_by_the_same_environment(
    exchange: Exchange, topic_name: str, kafka_brokers: str, stack: BackgroundStack
) -> None:
    (broker,) = (status.pid for status in stack.status() if status.name == "kafka")
    assert broker is not None
    others = sender_threads()
    with closing(Bus([kafka_brokers], timeout_seconds=5.0)) as bus:
        publisher = exchange.publisher(bus)
        enqueue(exchange, numbered(topic_name, 4, keys=2))
        assert publisher.publish_page() == [None] * 4
        enqueue(exchange, numbered(topic_name, 8, keys=2)[4:])
        senders = sender_threads() - others
        assert senders
        try:
            freeze(broker)
            assert None not in publisher.publish_page()
        finally:
            os.kill(broker, signal.SIGCONT)
        # A sender that lived on would send the failed messages later and out of order.
        assert senders.isdisjoint(sender_threads())
        assert publisher.run(5, Deadline.after(REMAINING_SECONDS)).backlog == 0
    assert set(consume(kafka_brokers, topic_name, at_least=8)) == {(f"key-{n % 2}", n) for n in range(8)}


def test_a_run_that_lingers_waits_for_a_database_that_is_away(
    exchange: Exchange, topic_name: str, bus: Bus
) -> None:
    enqueue(exchange, numbered(topic_name, 5, keys=2))
    refusals = iter(range(2))

    def connect() -> psycopg2.extensions.connection:
        if next(refusals, None) is not None:
            raise psycopg2.OperationalError
        return psycopg2.connect(exchange.dsn("exchange_outbox"))

    report = Publisher(Database(connect), bus, retention_hours=168).run(5, Deadline.after(REMAINING_SECONDS))
    assert (report.published, report.backlog) == (5, 0)


def test_a_run_does_not_wait_longer_than_it_lingers(bus: Bus) -> None:
    def refuse() -> psycopg2.extensions.connection:
        raise psycopg2.OperationalError

    with pytest.raises(DependencyUnavailable):
        Publisher(Database(refuse), bus, retention_hours=168).run(0.1, Deadline.after(REMAINING_SECONDS))


def test_every_event_is_published_once_and_in_the_order_of_its_key(
    exchange: Exchange, bus: Bus, kafka_brokers: str, topic_name: str
) -> None:
    enqueue(exchange, numbered(topic_name, 2_500, keys=30))
    report = exchange.publisher(bus).run(0, Deadline.after(REMAINING_SECONDS))
    assert (report.published, report.failed, report.backlog) == (2_500, 0, 0)
    assert report.oldest_age_seconds == 0
    consumed = consume(kafka_brokers, topic_name, 2_500)
    assert sorted(number for _, number in consumed) == list(range(2_500))
    assert in_order(consumed)


def test_two_publishers_at_once_publish_everything_once_and_break_no_order(
    exchange: Exchange, kafka_brokers: str, topic_name: str
) -> None:
    events = numbered(topic_name, 3_000, keys=40)
    enqueue(exchange, events[:1_000])
    done = threading.Event()

    def publish() -> int:
        with closing(Bus([kafka_brokers])) as bus:
            publisher, published = exchange.publisher(bus), 0
            while True:
                last_round = done.is_set()
                published += publisher.run(0, Deadline.after(REMAINING_SECONDS)).published
                if last_round:
                    return published

    with ThreadPoolExecutor(2) as threads:
        publishers = [threads.submit(publish) for _ in range(2)]
        for start in range(1_000, 3_000, 100):
            enqueue(exchange, events[start : start + 100])
        done.set()
        published = [publisher.result(timeout=90) for publisher in publishers]
    # publishes a shard that the other publisher held at the end
    with closing(Bus([kafka_brokers])) as bus:
        published.append(exchange.publisher(bus).run(0, Deadline.after(REMAINING_SECONDS)).published)
    assert sum(published) == 3_000
    consumed = consume(kafka_brokers, topic_name, 3_000)
    assert sorted(number for _, number in consumed) == list(range(3_000))
    assert in_order(consumed)


def test_a_publisher_leaves_shards_alone_that_another_has_in_its_hands(
    exchange: Exchange, kafka_brokers: str, topic_name: str
) -> None:
    enqueue(exchange, numbered(topic_name, 20, keys=20))
    seen: list[int] = []

    def ask_another() -> None:
        with closing(Bus([kafka_brokers])) as other:
            seen.append(len(exchange.publisher(other).publish_page()))

    with closing(BusThatThen([kafka_brokers], ask_another)) as first:
        assert len(exchange.publisher(first).publish_page()) == 20
    assert seen == [0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_is_down_is_counted_and_loses_nothing(
    exchange: Exchange, bus: Bus, kafka_brokers: str, topic_name: str
) -> None:
    enqueue(exchange, numbered(topic_name, 5, keys=5))
    with closing(Bus([unreachable_broker()])) as down:
        report = exchange.publisher(down).run(0, Deadline.after(REMAINING_SECONDS))
    assert (report.published, report.failed, report.backlog) == (0, 5, 5)
    # kafka-python drops a socket unclosed when no broker answers: let it warn here, not in the next test
    gc.collect()
    assert report.oldest_age_seconds > 0
    rows = exchange.rows("SELECT attempts, last_error, published_at FROM outbox_events")
    assert {(attempts, published_at) for attempts, _, published_at in rows} == {(1, None)}
    assert all(error.isidentifier() for _, error, _ in rows)
    counters = "SELECT metric, value FROM counters ORDER BY metric"
    assert exchange.rows(counters) == [("outbox_publish_failures_total", 5), ("outbox_published_total", 0)]

    report = exchange.publisher(bus).run(0, Deadline.after(REMAINING_SECONDS))
    assert (report.published, report.failed, report.backlog) == (5, 0, 0)
    assert exchange.rows("SELECT DISTINCT attempts, last_error FROM outbox_events") == [(2, None)]
    assert exchange.rows(counters) == [("outbox_publish_failures_total", 5), ("outbox_published_total", 5)]
    assert len(consume(kafka_brokers, topic_name, 5)) == 5


def test_a_topic_that_is_not_there_holds_back_no_other(
    exchange: Exchange, bus: Bus, kafka_brokers: str, topic_name: str
) -> None:
    with closing(BusWithout(["no-such-topic"], [kafka_brokers])) as broken:
        enqueue(exchange, [OutboxEvent("no-such-topic", "key-1", b"0"), *numbered(topic_name, 10, keys=10)])
        report = exchange.publisher(broken).run(0, Deadline.after(REMAINING_SECONDS))
    assert (report.published, report.failed, report.backlog) == (10, 1, 1)
    assert exchange.rows("SELECT topic, last_error FROM outbox_events WHERE published_at IS NULL") == [
        ("no-such-topic", "UnknownTopicOrPartitionError")
    ]


class BusWithout(Bus):
    """A real broker that refuses some topics; the embedded broker would create them."""

    def __init__(self, topics: Sequence[str], brokers: Sequence[str]) -> None:
        super().__init__(brokers)
        self._refused = topics

    def produce(self, messages: Sequence[Message]) -> list[str | None]:
        taken = iter(super().produce([m for m in messages if m.topic not in self._refused]))
        return ["UnknownTopicOrPartitionError" if m.topic in self._refused else next(taken) for m in messages]


def test_an_event_that_the_broker_says_it_knows_and_cannot_place_is_not_taken_for_published(
    exchange: Exchange, bus: Bus, kafka_brokers: str, topic_name: str
) -> None:
    publisher = exchange.publisher(bus)
    enqueue(exchange, numbered(topic_name, 1, keys=1))
    assert publisher.publish_page() == [None]
    # The state of a broker after a failed write: the sequence number is counted, but there is no event.
    for partition in range(PARTITIONS):
        counted = TopicPartition(topic_name, partition)
        bus._live_producer()._transaction_manager.set_sequence_number(counted, 0)
    enqueue(exchange, numbered(topic_name, 2, keys=1)[1:])
    assert publisher.publish_page() == ["DuplicateSequenceNumberError"]
    assert publisher.publish_page() == [None]
    assert consume(kafka_brokers, topic_name, 2) == [("key-0", 0), ("key-0", 1)]


def test_a_publisher_killed_between_produce_and_mark_publishes_again(
    exchange: Exchange, bus: Bus, kafka_brokers: str, topic_name: str
) -> None:
    enqueue(exchange, numbered(topic_name, 3, keys=1))

    def kill() -> None:
        assert exchange.kill_connections_of("exchange_outbox") == 1

    with closing(BusThatThen([kafka_brokers], kill)) as killing, pytest.raises(DependencyUnavailable):
        exchange.publisher(killing).run(0, Deadline.after(REMAINING_SECONDS))
    assert exchange.rows("SELECT count(*) FROM outbox_events WHERE published_at IS NULL") == [(3,)]
    assert exchange.publisher(bus).run(0, Deadline.after(REMAINING_SECONDS)).published == 3
    consumed = consume(kafka_brokers, topic_name, 6)
    assert [number for _, number in consumed] == [0, 1, 2, 0, 1, 2]


def test_a_connection_killed_while_idle_does_not_fail_the_next_run(
    exchange: Exchange, bus: Bus, topic_name: str
) -> None:
    publisher = exchange.publisher(bus)
    publisher.run(0, Deadline.after(REMAINING_SECONDS))
    enqueue(exchange, numbered(topic_name, 1, keys=1))
    assert exchange.kill_connections_of("exchange_outbox") == 1
    assert publisher.run(0, Deadline.after(REMAINING_SECONDS)).published == 1


def test_a_lingering_publisher_picks_up_what_comes_late(
    exchange: Exchange, bus: Bus, topic_name: str
) -> None:
    publisher = exchange.publisher(bus)
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(publisher.run, 6.0, Deadline.after(REMAINING_SECONDS))
        for number in range(3):
            enqueue(exchange, [OutboxEvent(topic_name, "key", str(number).encode())])
            time.sleep(0.1)
        assert run.result(timeout=90).published == 3
    assert exchange.rows("SELECT count(*) FROM outbox_events WHERE published_at IS NULL") == [(0,)]


class EndlessTraffic(Bus):
    """Acknowledges at once, and adds an event for each acknowledged page, up to a limit, so that a test can fail."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__([])
        self._exchange = exchange
        self.pages = 0

    def produce(self, messages: Sequence[Message]) -> list[str | None]:
        self.pages += 1
        if self.pages <= 500:
            enqueue(self._exchange, [OutboxEvent("topic", "key", b"0")])
        return [None] * len(messages)


def test_a_run_ends_before_its_time_out_however_much_comes(exchange: Exchange) -> None:
    traffic = EndlessTraffic(exchange)
    enqueue(exchange, [OutboxEvent("topic", "key", b"0")])
    report = exchange.publisher(traffic).run(60, Deadline.after(0.3))
    assert report.published == traffic.pages
    assert report.backlog == 1


def test_only_what_was_published_long_ago_is_pruned(exchange: Exchange, bus: Bus, topic_name: str) -> None:
    enqueue(exchange, numbered(topic_name, 4, keys=4))
    exchange.rows(
        "UPDATE outbox_events SET created_at = now() - interval '90 days', published_at ="
        " CASE key WHEN 'key-0' THEN now() - interval '25 hours' WHEN 'key-1' THEN now() - interval '23 hours' END"
    )
    report = exchange.publisher(bus, retention_hours=24).run(0, Deadline.after(REMAINING_SECONDS))
    assert (report.pruned, report.published) == (1, 2)
    assert exchange.rows("SELECT key FROM outbox_events ORDER BY key") == [("key-1",), ("key-2",), ("key-3",)]
