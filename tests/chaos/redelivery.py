"""A second copy of every event, out of order: some copies come after the original, some before it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import closing

from kafka import KafkaProducer

from tests.chaos.observation import Observation

TOPICS = ("record.ingested.v1", "record.ingested.v2")
PAUSE_SECONDS = 0.02


class Redelivery:
    """Reads the events in the outbox and produces them shuffled, in addition to the publisher."""

    def __init__(self, observation: Observation, brokers: str, seed: int, note: Callable[[], None]) -> None:
        self._observation = observation
        self._brokers = brokers
        self._chance = random.Random(seed)
        self._note = note
        self._began_after = self._newest_id()
        self._copied: list[int] = []
        self._is_stopping = False

    def stop(self) -> None:
        self._is_stopping = True

    async def run(self) -> None:
        """Produce copies; return some time after `stop`, when every event has been copied."""
        with closing(KafkaProducer(bootstrap_servers=self._brokers, acks="all")) as producer:
            while True:
                is_last = self._is_stopping
                await asyncio.to_thread(self._copy, producer)
                if is_last:
                    return
                await asyncio.sleep(PAUSE_SECONDS)

    def _newest_id(self) -> int:
        ((newest,),) = self._observation.rows("SELECT coalesce(max(outbox_id), 0) FROM outbox_events")
        return int(newest)

    def _copy(self, producer: KafkaProducer) -> None:
        rows = self._observation.rows(
            "SELECT outbox_id, topic, key, value FROM outbox_events"
            # Numbers are not committed in order: having seen one does not mean that all lower ones were seen.
            " WHERE topic = ANY (%s) AND outbox_id > %s AND NOT outbox_id = ANY (%s::bigint[])",
            list(TOPICS),
            self._began_after,
            self._copied,
        )
        if not rows:
            return
        self._copied += [row[0] for row in rows]
        self._chance.shuffle(rows)
        for _, topic, key, value in rows:
            producer.send(topic, key=key.encode(), value=bytes(value))
            self._note()
        producer.flush(timeout=10)
