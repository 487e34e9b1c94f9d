"""Numbered events under a few keys, put into the outbox during a fault to check that they are published in order.

A record has only one event, which says nothing about order. These are many per key, on their own topic, and take the
same way: outbox, publisher, broker.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from exchange.outbox.model import OutboxEvent
from infra.embedded import create_topics
from tests.chaos.observation import Observation

TOPIC = "chaos.order"
PARTITIONS = 3
KEYS = 8
PAUSE_SECONDS = 0.2


class Witness:
    """The witness of an experiment. For each fault: `write` until `stop`, then `read`."""

    def __init__(self, observation: Observation, brokers: str) -> None:
        create_topics(brokers, {TOPIC: PARTITIONS})
        self._observation = observation
        self._consumer = KafkaConsumer(
            bootstrap_servers=[brokers],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=20,
            reconnect_backoff_max_ms=1000,
        )
        self._consumer.assign([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
        self._is_stopping = False
        self._keys: list[str] = []

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=1000)

    async def write(self, run: str) -> None:
        """Write an event for each key of this run every PAUSE_SECONDS; retry while the database is away."""
        self._keys = [f"{run}-{number}" for number in range(KEYS)]
        self._is_stopping = False
        while not self._is_stopping:
            with suppress(psycopg2.Error):
                await asyncio.to_thread(self._write_round)
            await asyncio.sleep(PAUSE_SECONDS)

    def stop(self) -> None:
        self._is_stopping = True

    def read(self, timeout_seconds: float) -> Mapping[str, Sequence[int]]:
        """Read the numbers on the topic by key, in order. A key whose last event does not come gets a gap."""
        written = self._written()
        sequences: defaultdict[str, list[int]] = defaultdict(list)
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            polled = self._consumer.poll(timeout_ms=200)
            for records in polled.values():
                for record in records:
                    sequences[(record.key or b"").decode()].append(int(record.value or b"-1"))
            missing = [key for key, count in written.items() if count - 1 not in sequences[key]]
            # One more poll without messages, to see late copies.
            if not missing and not polled:
                break
        return {key: [*sequences[key], *([written[key]] if key in missing else [])] for key in written}

    def _written(self) -> dict[str, int]:
        """Return the number of events of each key."""
        return dict(
            self._observation.rows(
                "SELECT key, count(*) FROM outbox_events WHERE topic = %s AND key = ANY (%s) GROUP BY key",
                TOPIC,
                self._keys,
            )
        )

    def _write_round(self) -> None:
        """Write the next number of each key after the committed ones, lest a commit with a lost answer be repeated."""
        counts = self._written()
        events = [OutboxEvent(TOPIC, key, str(counts.get(key, 0)).encode()) for key in self._keys]
        self._observation.rows(
            "INSERT INTO outbox_events (shard, topic, key, value) SELECT * FROM unnest(%s::smallint[], %s, %s, %s)",
            [event.shard for event in events],
            [event.topic for event in events],
            [event.key for event in events],
            [event.value for event in events],
        )
