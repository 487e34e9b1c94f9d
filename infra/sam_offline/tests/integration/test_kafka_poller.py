from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from kafka import TopicPartition

from integration.running import Broker
from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer
from sam_offline.sources.kafka.lane import Lane
from sam_offline.sources.kafka.on_failure import Discards
from sam_offline.sources.kafka.poller import KafkaPoller
from unit.kafka_sources import SOURCE


class Nobody:
    async def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Answer:
        raise AssertionError("there is no record")


class HeldUpLane(Lane):
    """A lane that holds up its poller between fetch and commit until `go`."""

    asked, go = threading.Event(), threading.Event()

    @property
    def is_full(self) -> bool:
        self.asked.set()
        self.go.wait(60)
        return super().is_full


def test_a_partition_is_held_until_the_turn_that_may_commit_it_has_ended(broker: Broker) -> None:
    topic = "handed-over"
    broker.create(topic)
    source = replace(SOURCE, bootstrap_servers=(broker.address,), topics=(topic,))
    lane = HeldUpLane(
        source,
        f"{topic}-0",
        invoker=Nobody(),
        discards=Discards(source, "us-east-1", Buckets({}), Clock()),
        clock=Clock(),
        announce=lambda line: None,
        topic_id="",
        is_late=False,
    )

    async def scenario() -> None:
        ended = asyncio.Event()
        poller = KafkaPoller(source, print, lambda _: ended.set())
        poller.start()
        poller.assign({TopicPartition(topic, 0): lane})
        assert await asyncio.to_thread(lane.asked.wait, 60)
        poller.assign({})
        assert poller.held == {TopicPartition(topic, 0)}
        lane.go.set()
        async with asyncio.timeout(60):
            while poller.held:
                await asyncio.sleep(0.01)
            poller.ask_to_stop()
            await ended.wait()
        poller.join(60)

    asyncio.run(scenario())
