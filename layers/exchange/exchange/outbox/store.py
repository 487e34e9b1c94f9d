"""Outbox rows, which are taken by whole shards, marked and pruned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exchange.outbox.model import PendingEvent
from exchange.platform.db import Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)
# The first key of the advisory locks; the shard is the second.
LOCK_CLASS = 0x0E7B0


def take_pending(transaction: Transaction, limit: int) -> list[PendingEvent]:
    """Take up to about `limit` events of free shards, in order; no other publisher gets these shards meanwhile."""
    shards = [shard for (shard,) in transaction.execute(QUERIES["take_shards"], {"lock_class": LOCK_CLASS})]
    if not shards:
        return []
    rows = transaction.execute(
        QUERIES["read_pending"], {"shards": shards, "rows_per_shard": -(-limit // len(shards))}
    )
    return [PendingEvent(outbox_id, topic, key, bytes(value)) for outbox_id, topic, key, value in rows]


def mark_outcomes(
    transaction: Transaction, events: Sequence[PendingEvent], outcomes: Sequence[str | None]
) -> None:
    """Mark each event as published, or with its error, and commit."""
    published = sum(outcome is None for outcome in outcomes)
    transaction.execute_and_commit(
        f"{QUERIES['mark_outcomes']}; {QUERIES['count_outcomes']}",
        {
            "outbox_ids": [event.outbox_id for event in events],
            "errors": list(outcomes),
            "environment_id": environment_id(),
            "published": published,
            "failed": len(events) - published,
        },
    )


def read_backlog(transaction: Transaction) -> tuple[int, float]:
    """Count the waiting events; return their number and the age of the oldest in seconds."""
    ((count, oldest_age_seconds),) = transaction.execute(QUERIES["read_backlog"])
    return count, oldest_age_seconds


def prune_published(transaction: Transaction, retention_hours: int, limit: int) -> int:
    """Delete up to `limit` events published before the retention; return their number."""
    pruned: Iterable[object] = transaction.execute(
        QUERIES["prune_published"], {"retention_hours": retention_hours, "limit": limit}
    )
    return len(list(pruned))
