from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from integration.running import Broker, Running, running, wait_until


@dataclass(frozen=True)
class Orders:
    """A topic and a runner that reads it; `seen` are the function's events, in order."""

    topic: str
    broker: Broker
    journal: Path
    runner: Running

    def seen(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.journal.read_text().splitlines()]
            if self.journal.exists()
            else []
        )

    def values(self, partition: int = 0) -> list[str]:
        return [record["value"] for record in self.seen() if record["name"] == f"{self.topic}-{partition}"]

    def batches(self) -> list[list[str]]:
        """Return the values of each invocation."""
        grouped = groupby(self.seen(), key=lambda record: record["batch"])
        return [[record["value"] for record in batch] for _, batch in grouped]

    def committed(self, partition: int = 0) -> int | None:
        consumer = KafkaConsumer(bootstrap_servers=self.broker.address, group_id=f"{self.topic}-readers")
        offset: int | None = consumer.committed(TopicPartition(self.topic, partition))
        consumer.close()
        return offset


@pytest.fixture
def orders(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path) -> Iterator[Orders]:
    """A source for one test; an indirect parameter of the test holds the template's parameters."""
    topic = request.function.__name__.replace("_", "-")[:60]
    broker.create(topic, partitions=2)
    journal = tmp_path / "journal.jsonl"
    parameters = getattr(request, "param", {})
    with started(broker, topic, journal, tmp_path / "output.txt", **parameters) as runner:
        yield Orders(topic, broker, journal, runner)


def started(broker: Broker, topic: str, journal: Path, output: Path, **parameters: str) -> Any:
    return running(
        output,
        ReadsKafka="true",
        Brokers=broker.address,
        OrdersTopic=topic,
        Greeting=str(journal),
        **parameters,
    )


def test_records_come_in_order_and_are_committed_once_done(orders: Orders) -> None:
    values = [f"order-{number}" for number in range(35)]
    orders.broker.produce(orders.topic, values, partition=0)
    orders.broker.produce(orders.topic, values, partition=1)
    wait_until(lambda: len(orders.seen()) == 70)
    assert orders.values(0) == values
    assert orders.values(1) == values
    wait_until(lambda: orders.committed(0) == 35 and orders.committed(1) == 35)
    assert orders.runner.status()["event_sources"]["OrdersSource"]["lag"] == 0


def test_a_failed_item_is_tried_again_and_nothing_overtakes_it(orders: Orders) -> None:
    orders.broker.produce(orders.topic, ["a", "fails-3", "b", "c"])
    wait_until(lambda: "c" in orders.values())
    assert orders.values() == ["a", "fails-3", "fails-3", "fails-3", "fails-3", "b", "c"]
    wait_until(lambda: orders.committed() == 4)


def test_a_batch_that_kills_its_process_is_given_to_a_new_one(orders: Orders) -> None:
    orders.broker.produce(orders.topic, ["a", "dies", "b"])
    wait_until(lambda: "b" in orders.values())
    assert orders.values() == ["a", "dies", "a", "dies", "b"]
    wait_until(lambda: orders.committed() == 3)


@pytest.mark.parametrize("orders", [{"OrdersWindow": "10"}], indirect=True)
def test_records_that_come_within_the_window_make_one_batch(orders: Orders) -> None:
    orders.broker.produce(orders.topic, ["a"])
    orders.broker.produce(orders.topic, ["b", "c"])
    wait_until(lambda: orders.batches() == [["a", "b", "c"]])


@pytest.mark.parametrize("orders", [{"OrdersWindow": "300"}], indirect=True)
def test_a_full_batch_does_not_wait_for_its_window(orders: Orders) -> None:
    values = [f"order-{number}" for number in range(10)]
    orders.broker.produce(orders.topic, values)
    wait_until(lambda: orders.batches() == [values])


@pytest.mark.parametrize("orders", [{"OrdersRetries": "2"}], indirect=True)
def test_after_its_last_retry_a_batch_is_given_up_and_the_next_comes(orders: Orders) -> None:
    orders.broker.produce(orders.topic, ["a", "fails-1000000"])
    wait_until(lambda: orders.committed() == 2)
    orders.broker.produce(orders.topic, ["b"])
    wait_until(lambda: "b" in orders.values())
    assert orders.values() == ["a", *["fails-1000000"] * 3, "b"]
    wait_until(lambda: f"{orders.topic}-0 gives up offsets 1-1" in orders.runner.log())


@pytest.mark.parametrize("orders", [{"OrdersBatchSize": "1000"}], indirect=True)
def test_a_batch_is_split_where_its_event_would_be_over_six_megabytes(orders: Orders) -> None:
    values = [f"order-{number}-".ljust(900_000, "x") for number in range(8)]
    orders.broker.produce(orders.topic, values)
    wait_until(lambda: len(orders.seen()) == 8)
    assert orders.values() == [value[:40] for value in values]
    # 900,000 bytes are 1.2 million in base64: five to an event.
    assert max(map(len, orders.batches())) <= 5
    wait_until(lambda: orders.committed() == 8)


def test_what_fails_is_not_committed_and_comes_again_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    topic, journal = "restarted", tmp_path / "journal.jsonl"
    broker.create(topic)
    broker.produce(topic, ["done", "fails-1000000", "later"])
    with started(broker, topic, journal, tmp_path / "first.txt") as runner:
        first = Orders(topic, broker, journal, runner)
        wait_until(lambda: first.values().count("fails-1000000") >= 2 and first.committed() == 1)
    seen_before = len(first.values())
    with started(broker, topic, journal, tmp_path / "second.txt"):
        wait_until(lambda: len(first.values()) > seen_before)
        assert "done" not in first.values()[seen_before:]
        assert "later" not in first.values()


def test_a_broker_that_dies_and_returns_is_read_again(orders: Orders, broker: Broker) -> None:
    broker.produce(orders.topic, ["before"])
    wait_until(lambda: orders.values() == ["before"] and orders.committed() == 1)
    broker.stop()
    broker.start()
    broker.create(orders.topic, partitions=2)
    broker.produce(orders.topic, ["after-1", "after-2"])
    wait_until(lambda: "after-2" in orders.values())
