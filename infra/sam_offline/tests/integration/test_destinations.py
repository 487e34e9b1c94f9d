"""Deliveries to a destination that does not respond."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import uuid
from contextlib import closing

from kafka import KafkaAdminClient, KafkaConsumer

from integration.running import Broker, freeze
from sam_offline.errors import DeliveryFailed
from sam_offline.invocation.destinations import Topic


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "kafka" in thread.name.lower()}


def test_a_broker_that_stands_still_fails_every_delivery_and_leaves_no_thread(broker: Broker) -> None:
    name = f"discards-{uuid.uuid4().hex[:12]}"
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics({name: {"num_partitions": 4, "replication_factor": 1}})
    before = threads()

    async def scenario() -> None:
        topic = Topic((broker.address,), name, timeout_seconds=4.0)
        await topic.put([(b"first", b"first")])
        try:
            freeze(broker.pid)
            # As the partitions of a source do, at once.
            deliveries = [topic.put([(bytes([key]), b"late") for key in range(20)]) for _ in range(2)]
            failed = await asyncio.gather(*deliveries, return_exceptions=True)
            assert [type(error) for error in failed] == [DeliveryFailed] * 2
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await topic.put([(b"last", b"last")])
        await topic.close()

    asyncio.run(scenario())
    assert threads() <= before
    missing = {b"first", b"last"}
    with closing(
        KafkaConsumer(
            name, bootstrap_servers=broker.address, auto_offset_reset="earliest", consumer_timeout_ms=60_000
        )
    ) as consumer:
        for record in consumer:
            missing.discard(record.value)
            if not missing:
                break
    assert not missing
