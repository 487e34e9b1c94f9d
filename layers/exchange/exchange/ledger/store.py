"""Rows of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from exchange.ledger.model import Attempt, DeadLetter, Standing, Subject
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)
SHOWN_ATTEMPTS = 200


def start_attempts(transaction: Transaction, subjects: Sequence[Subject]) -> list[Attempt]:
    """Count an attempt for each record that may be tried with the others."""
    rows = transaction.execute(
        QUERIES["start_attempts"],
        {
            "record_ids": [subject.record_id for subject in subjects],
            "event_ids": [subject.event_id for subject in subjects],
            "topics": [subject.delivery.topic for subject in subjects],
            "partitions": [subject.delivery.partition for subject in subjects],
            "offsets": [subject.delivery.offset for subject in subjects],
            "environment_id": environment_id(),
        },
    )
    return [
        Attempt(record_id, Standing(standing), number, started_at)
        for record_id, standing, number, started_at in rows
    ]


def start_suspect(transaction: Transaction, subject: Subject) -> Attempt:
    """Count an attempt of one record that has to be tried alone."""
    rows = transaction.execute(
        QUERIES["start_suspect"],
        {
            "record_id": subject.record_id,
            "event_id": subject.event_id,
            "topic": subject.delivery.topic,
            "partition": subject.delivery.partition,
            "offset": subject.delivery.offset,
            "environment_id": environment_id(),
        },
    )
    if not rows:
        return Attempt(subject.record_id, Standing.FINISHED, 0)
    ((number, started_at),) = rows
    return Attempt(subject.record_id, Standing.STARTED, number, started_at)


def lock_states(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Keep everybody else from these records until the end of `transaction`, as far as their work has begun."""
    transaction.execute(QUERIES["lock_states"], {"record_ids": list(record_ids)})


def give_back_attempts(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Uncount attempts that a dependency cut short."""
    transaction.execute(
        f"{QUERIES['lock_states']}; {QUERIES['give_back_attempts']}",
        {"record_ids": list(record_ids), "environment_id": environment_id()},
    )


def finish_attempts(
    transaction: Transaction, outcomes: Sequence[tuple[Attempt, str, str | None]]
) -> dict[UUID, str]:
    """Write each attempt's (state, error code); gives the state that each record is in now, `erased` among them."""
    rows = transaction.execute(
        f"{QUERIES['lock_states']}; {QUERIES['finish_attempts']}",
        {
            "record_ids": [attempt.record_id for attempt, _, _ in outcomes],
            "started_at": [attempt.started_at for attempt, _, _ in outcomes],
            "states": [state for _, state, _ in outcomes],
            "error_codes": [code for _, _, code in outcomes],
        },
    )
    return dict(rows)


def mark_erased(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    """Say of attempts that their record was erased under them."""
    transaction.execute(
        QUERIES["mark_erased"],
        {
            "record_ids": [attempt.record_id for attempt in attempts],
            "started_at": [attempt.started_at for attempt in attempts],
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
            # What could not be read may be anything, a name among it; its hash has to do.
            "event": letter.delivery.value if letter.event else None,
            "event_sha256": letter.delivery.sha256,
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


def read_lineage(transaction: Transaction, record_id: UUID, shard: int) -> dict[str, Any]:
    """Everything that is known of one record; lists are empty and facts null where there is nothing.

    Of events and attempts the newest SHOWN_ATTEMPTS; `events_left_off` and `attempts_left_off` count the others.
    """
    asked = {"record_id": record_id, "shard": shard, "limit": SHOWN_ATTEMPTS}
    ((lineage,),) = transaction.execute(QUERIES["read_lineage"], asked)
    return cast(dict[str, Any], lineage)
