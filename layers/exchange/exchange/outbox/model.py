"""An event that waits to be published, and the shard that keeps its key in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

SHARD_COUNT = 16


def shard_of(key: str) -> int:
    """Return the key's shard, 0..15, the same in every process: Python's own `hash` is salted."""
    return hashlib.sha256(key.encode()).digest()[0] % SHARD_COUNT


@dataclass(frozen=True)
class OutboxEvent:
    """An event to publish: its topic, its key and its bytes."""

    topic: str
    key: str
    value: bytes = field(repr=False)

    @property
    def shard(self) -> int:
        return shard_of(self.key)


@dataclass(frozen=True)
class PendingEvent:
    """An outbox row that no broker has acknowledged yet."""

    outbox_id: int
    topic: str
    key: str
    value: bytes = field(repr=False)
