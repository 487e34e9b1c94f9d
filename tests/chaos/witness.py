"""Numbered events under a few keys, put into the outbox while the system breaks: did they leave in order?

A record has one event, which says nothing of order. These are many to a key, on a topic of their own, and go the same
way: outbox, publisher, broker.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, suppress

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from exchange.outbox.model import OutboxEvent
from infra.embedded import create_topics
from tests.chaos.observation import Observation

TOPIC = "chaos.order"
PARTITIONS = 3
KEYS = 12
PAUSE_SECONDS = 0.05


class Witness:
    """Writes until it is stopped, then reads what came out."""

    def __init__(self, observation: Observation, brokers: str, run: str) -> None:
        self._observation = observation
        self._brokers = brokers
        self._keys = [f"{run}-{number}" for number in range(KEYS)]
        self._is_stopping = False

    @staticmethod
    def make_topic(brokers: str) -> None:
        create_topics(brokers, {TOPIC: PARTITIONS})

    async def write(self) -> None:
        """A round of all keys every PAUSE_SECONDS; a database that is away is asked again."""
        while not self._is_stopping:
            with suppress(psycopg2.Error):
                await asyncio.to_thread(self._write_round)
            await asyncio.sleep(PAUSE_SECONDS)

    def stop(self) -> None:
        self._is_stopping = True

    def is_published(self) -> bool:
        """Whether everything that was written has left."""
        ((count,),) = self._observation.rows(
            "SELECT count(*) FROM outbox_events WHERE topic = %s AND published_at IS NULL", TOPIC
        )
        return bool(count == 0)

    def written(self) -> dict[str, int]:
        """How many events each key has."""
        return dict(
            self._observation.rows(
                "SELECT key, count(*) FROM outbox_events WHERE topic = %s AND key = ANY (%s) GROUP BY key",
                TOPIC,
                self._keys,
            )
        )

    def read(self) -> dict[str, Sequence[int]]:
        """What the topic holds of each key, in its order. A key whose last event is missing gets a gap."""
        sequences: defaultdict[str, list[int]] = defaultdict(list)
        consumer = KafkaConsumer(
            bootstrap_servers=[self._brokers], auto_offset_reset="earliest", enable_auto_commit=False
        )
        with closing(consumer):
            consumer.assign([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
            while polled := consumer.poll(timeout_ms=1_500):
                for records in polled.values():
                    for record in records:
                        sequences[(record.key or b"").decode()].append(int(record.value or b"-1"))
        for key, count in self.written().items():
            if max(sequences[key], default=-1) != count - 1:
                sequences[key] = [-1]
        return {key: sequences[key] for key in self._keys}

    def _write_round(self) -> None:
        """The numbers follow from what is committed, so that a commit whose answer was lost is not repeated."""
        counts = self.written()
        for key in self._keys:
            number = counts.get(key, 0)
            event = OutboxEvent(TOPIC, key, str(number).encode())
            self._observation.rows(
                "INSERT INTO outbox_events (shard, topic, key, value) VALUES (%s, %s, %s, %s)",
                event.shard,
                event.topic,
                event.key,
                event.value,
            )
