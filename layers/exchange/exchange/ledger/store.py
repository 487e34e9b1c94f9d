"""Rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from exchange.ledger.model import Attempt, DeadLetter, Standing
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)


def start_attempts(transaction: Transaction, event_ids: Mapping[UUID, UUID]) -> list[Attempt]:
    """Count an attempt for each record (record_id → event_id) that may be tried with the others."""
    rows = transaction.execute(
        QUERIES["start_attempts"],
        {
            "record_ids": list(event_ids.keys()),
            "event_ids": list(event_ids.values()),
            "environment_id": environment_id(),
        },
    )
    return [Attempt(record_id, Standing(standing), number) for record_id, standing, number in rows]


def start_suspect(transaction: Transaction, record_id: UUID) -> Attempt:
    """Count an attempt of one record that has to be tried alone."""
    rows = transaction.execute(
        QUERIES["start_suspect"], {"record_id": record_id, "environment_id": environment_id()}
    )
    if not rows:
        return Attempt(record_id, Standing.FINISHED, 0)
    return Attempt(record_id, Standing.STARTED, rows[0][0])


def give_back_attempts(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Uncount attempts that a dependency cut short."""
    transaction.execute(
        QUERIES["give_back_attempts"], {"record_ids": list(record_ids), "environment_id": environment_id()}
    )


def finish_attempts(transaction: Transaction, outcomes: Mapping[UUID, tuple[str, str | None]]) -> None:
    """Write each record's (state, error code)."""
    if outcomes:
        transaction.execute(
            QUERIES["finish_attempts"],
            {
                "record_ids": list(outcomes),
                "states": [state for state, _ in outcomes.values()],
                "error_codes": [code for _, code in outcomes.values()],
            },
        )


def bury(transaction: Transaction, letter: DeadLetter) -> None:
    """Write the dead letter and its message."""
    message = OutboxEvent(letter.topic, letter.key, letter.encode())
    event = letter.event or {}
    transaction.execute(
        QUERIES["bury"],
        {
            "topic": letter.delivery.topic,
            "kafka_partition": letter.delivery.partition,
            "kafka_offset": letter.delivery.offset,
            "record_id": event.get("record_id"),
            "event_id": event.get("event_id"),
            "stage": letter.stage,
            "error_type": letter.error_type,
            "error_message": letter.error_message,
            "attempts": letter.attempts,
            "failed_at": letter.failed_at,
            "shard": message.shard,
            "dlq_topic": message.topic,
            "key": message.key,
            "value": message.value,
        },
    )
