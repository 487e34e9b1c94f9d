"""Numbered events under a few keys, put into the outbox while the system breaks: did they leave in order?

A record has one event, which says nothing of order. These are many to a key, on a topic of their own, and go the same
way: outbox, publisher, broker.
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
    """One for an experiment. For each fault: `write` until `stop`, then `read`."""

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
        """A round of keys of this run every PAUSE_SECONDS; a database that is away is asked again."""
        self._keys = [f"{run}-{number}" for number in range(KEYS)]
        self._is_stopping = False
        while not self._is_stopping:
            with suppress(psycopg2.Error):
                await asyncio.to_thread(self._write_round)
            await asyncio.sleep(PAUSE_SECONDS)

    def stop(self) -> None:
        self._is_stopping = True

    def read(self, timeout_seconds: float) -> Mapping[str, Sequence[int]]:
        """What the topic holds of each key, in its order. A key whose last event does not come gets a gap."""
        written = self._written()
        sequences: defaultdict[str, list[int]] = defaultdict(list)
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            polled = self._consumer.poll(timeout_ms=200)
            for records in polled.values():
                for record in records:
                    sequences[(record.key or b"").decode()].append(int(record.value or b"-1"))
            missing = [key for key, count in written.items() if count - 1 not in sequences[key]]
            # One quiet poll more shows what comes again.
            if not missing and not polled:
                break
        return {key: [*sequences[key], *([written[key]] if key in missing else [])] for key in written}

    def _written(self) -> dict[str, int]:
        """How many events each key has."""
        return dict(
            self._observation.rows(
                "SELECT key, count(*) FROM outbox_events WHERE topic = %s AND key = ANY (%s) GROUP BY key",
                TOPIC,
                self._keys,
            )
        )

    def _write_round(self) -> None:
        """The numbers follow from what is committed, so that a commit whose answer was lost is not repeated."""
        counts = self._written()
        events = [OutboxEvent(TOPIC, key, str(counts.get(key, 0)).encode()) for key in self._keys]
        self._observation.rows(
            "INSERT INTO outbox_events (shard, topic, key, value) SELECT * FROM unnest(%s::smallint[], %s, %s, %s)",
            [event.shard for event in events],
            [event.topic for event in events],
            [event.key for event in events],
            [event.value for event in events],
        )
