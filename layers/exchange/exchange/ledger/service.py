"""Opening and settling attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.errors import RecordFailed
from exchange.ledger import store
from exchange.ledger.model import ATTEMPT_LIMIT, ERROR_MESSAGE_LIMIT, Attempt, DeadLetter, Delivery
from exchange.platform.db import Database, Transaction


@dataclass(frozen=True)
class Settlement:
    """How one attempt ended: `failure` is None when its effect is in this very transaction."""

    delivery: Delivery
    event: dict[str, Any] = field(repr=False)
    attempt: Attempt
    failure: RecordFailed | None

    @property
    def is_final(self) -> bool:
        """False when the event source is to bring the record again."""
        return self.failure is None or not self.failure.retryable or self.attempt.number >= ATTEMPT_LIMIT


def start_attempts(database: Database, event_ids: Mapping[UUID, UUID]) -> dict[UUID, Attempt]:
    """Commit an attempt for each record (record_id → event_id) before any work is done on it."""
    if not event_ids:
        return {}
    with database.transaction() as transaction:
        return {attempt.record_id: attempt for attempt in store.start_attempts(transaction, event_ids)}


def start_suspect(database: Database, record_id: UUID) -> Attempt:
    """Commit an attempt of a record that has to be tried alone."""
    with database.transaction() as transaction:
        return store.start_suspect(transaction, record_id)


def give_back_attempts(database: Database, record_ids: Sequence[UUID]) -> None:
    """Uncount attempts that a dependency cut short."""
    with database.transaction() as transaction:
        store.give_back_attempts(transaction, record_ids)


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> None:
    """Write the outcome of each attempt, and the dead letters among them, with whatever else is in `transaction`."""
    outcomes: dict[UUID, tuple[str, str | None]] = {}
    for settlement in settlements:
        failure = settlement.failure
        if failure is None:
            outcomes[settlement.attempt.record_id] = ("succeeded", None)
        elif settlement.is_final:
            outcomes[settlement.attempt.record_id] = ("dlq", failure.code)
            bury(
                transaction,
                settlement.delivery,
                settlement.event,
                failure,
                attempts=settlement.attempt.number,
            )
        else:
            outcomes[settlement.attempt.record_id] = ("failed_retryable", failure.code)
    store.finish_attempts(transaction, outcomes)


def bury(
    transaction: Transaction,
    delivery: Delivery,
    event: dict[str, Any] | None,
    failure: RecordFailed,
    *,
    attempts: int,
) -> None:
    """Make a delivery a dead letter: a ledger row, and a message that outbox-publish takes to the topic."""
    store.bury(
        transaction,
        DeadLetter(
            delivery=delivery,
            event=event,
            error_type=type(failure).__name__,
            error_message=str(failure)[:ERROR_MESSAGE_LIMIT],
            stage=failure.stage,
            attempts=attempts,
            failed_at=datetime.now(UTC),
        ),
    )
