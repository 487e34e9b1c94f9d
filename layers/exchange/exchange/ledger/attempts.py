"""Attempts at making a record canonical: their start, return, settlement and burial as dead letters. ADR 0010."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.errors import RecordFailed
from exchange.ledger.model import (
    ATTEMPT_LIMIT,
    ERROR_MESSAGE_LIMIT,
    Attempt,
    DeadLetter,
    Delivery,
    Standing,
    Subject,
)
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)


@dataclass(frozen=True)
class Settlement:
    """The end of one attempt; `failure` is None when its effect is in this very transaction."""

    delivery: Delivery
    event: dict[str, Any] = field(repr=False)
    attempt: Attempt
    failure: RecordFailed | None

    @property
    def state(self) -> str:
        """The state that the attempt ends in; after `failed_retryable` the event source delivers the record again."""
        if self.failure is None:
            return "succeeded"
        is_final = not self.failure.retryable or self.attempt.number >= ATTEMPT_LIMIT
        return "dlq" if is_final else "failed_retryable"


def start_attempts(transaction: Transaction, subjects: Sequence[Subject]) -> dict[UUID, Attempt]:
    """Count an attempt for each record that may be tried in a batch; return the standing of all records.

    The caller must commit before it works on them, so that a record that kills its environment is detected.
    """
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
    return {
        record_id: Attempt(record_id, Standing(standing), number, started_at)
        for record_id, standing, number, started_at in rows
    }


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
    """Lock the states of these records until the end of `transaction`, in the order that every writer uses.

    Call it once per transaction, for all of its records, before the transaction writes anything else about them.
    Records whose work has not begun have no state to lock.
    """
    transaction.execute(QUERIES["lock_states"], {"record_ids": list(record_ids)})


def give_back_attempts(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Undo the count of attempts that a dependency cut short."""
    transaction.execute(
        f"{QUERIES['lock_states']}; {QUERIES['give_back_attempts']}",
        {"record_ids": list(record_ids), "environment_id": environment_id()},
    )


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> Mapping[UUID, str]:
    """Write the outcome of each attempt, and the dead letters among them, in the caller's `transaction`.

    Return the state that each record is in now. The caller must write nothing about a record that was `erased`
    meanwhile. No other record can be erased before the end of `transaction`, provided that every writer of effects
    settles first.
    """
    states = _finish_attempts(transaction, settlements)
    erased = [s.attempt for s in settlements if states[s.attempt.record_id] == "erased"]
    if erased:
        _mark_erased(transaction, erased)
    for settlement in settlements:
        # A late failure must not bury a record that another environment has made canonical meanwhile.
        if settlement.failure and settlement.state == "dlq" and states[settlement.attempt.record_id] == "dlq":
            bury(
                transaction,
                settlement.delivery,
                settlement.event,
                settlement.failure,
                attempts=settlement.attempt.number,
            )
    return states


def bury(
    transaction: Transaction,
    delivery: Delivery,
    event: dict[str, Any] | None,
    failure: RecordFailed,
    *,
    attempts: int,
) -> None:
    """Make a delivery a dead letter: write its ledger row, and a message for the dead-letter topic to the outbox."""
    letter = DeadLetter(
        delivery=delivery,
        event=event,
        error_type=type(failure).__name__,
        error_message=str(failure)[:ERROR_MESSAGE_LIMIT],
        stage=failure.stage,
        attempts=attempts,
        failed_at=datetime.now(UTC),
    )
    message = OutboxEvent(letter.topic, letter.key, letter.encode())
    ids = event or {}
    transaction.execute(
        QUERIES["bury"],
        {
            "topic": letter.delivery.topic,
            "kafka_partition": letter.delivery.partition,
            "kafka_offset": letter.delivery.offset,
            "record_id": ids.get("record_id"),
            "event_id": ids.get("event_id"),
            # An unreadable delivery may hold anything, such as a name: only its hash is kept.
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


def _finish_attempts(transaction: Transaction, settlements: Sequence[Settlement]) -> dict[UUID, str]:
    rows = transaction.execute(
        f"{QUERIES['lock_states']}; {QUERIES['finish_attempts']}",
        {
            "record_ids": [settlement.attempt.record_id for settlement in settlements],
            "started_at": [settlement.attempt.started_at for settlement in settlements],
            "states": [settlement.state for settlement in settlements],
            "error_codes": [settlement.failure and settlement.failure.code for settlement in settlements],
        },
    )
    return dict(rows)


def _mark_erased(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    transaction.execute(
        QUERIES["mark_erased"],
        {
            "record_ids": [attempt.record_id for attempt in attempts],
            "started_at": [attempt.started_at for attempt in attempts],
        },
    )
