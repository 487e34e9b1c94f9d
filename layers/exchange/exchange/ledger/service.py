"""Opening and settling attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.errors import RecordFailed
from exchange.ledger import store
from exchange.ledger.model import ATTEMPT_LIMIT, ERROR_MESSAGE_LIMIT, Attempt, DeadLetter, Delivery, Subject
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


def start_attempts(database: Database, subjects: Sequence[Subject]) -> dict[UUID, Attempt]:
    """Commit an attempt for each record before any work is done on it."""
    if not subjects:
        return {}
    with database.transaction() as transaction:
        return {attempt.record_id: attempt for attempt in store.start_attempts(transaction, subjects)}


def start_suspect(database: Database, subject: Subject) -> Attempt:
    """Commit an attempt of a record that has to be tried alone."""
    with database.transaction() as transaction:
        return store.start_suspect(transaction, subject)


def give_back_attempts(database: Database, record_ids: Sequence[UUID]) -> None:
    """Uncount attempts that a dependency cut short."""
    with database.transaction() as transaction:
        store.give_back_attempts(transaction, record_ids)


def lock_states(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Keep everybody else from these records until the end of `transaction`, in the one order that all keep to.

    Once a transaction, for all of its records, before anything else that it writes about them.
    """
    store.lock_states(transaction, record_ids)


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> Mapping[UUID, str]:
    """Write the outcome of each attempt, and the dead letters among them, with whatever else is in `transaction`.

    Gives the state that each record is in now. Of those `erased` while they were worked on nothing may be written.
    Until the end of `transaction` no other can be, so whoever writes an effect settles first.
    """
    states = store.finish_attempts(transaction, [_outcome(settlement) for settlement in settlements])
    erased = [s.attempt for s in settlements if states[s.attempt.record_id] == "erased"]
    if erased:
        store.mark_erased(transaction, erased)
    for settlement in settlements:
        # A late twin's failure buries no record that another environment has made canonical.
        if settlement.failure and settlement.is_final and states[settlement.attempt.record_id] == "dlq":
            bury(
                transaction,
                settlement.delivery,
                settlement.event,
                settlement.failure,
                attempts=settlement.attempt.number,
            )
    return states


def _outcome(settlement: Settlement) -> tuple[Attempt, str, str | None]:
    failure = settlement.failure
    if failure is None:
        return settlement.attempt, "succeeded", None
    return settlement.attempt, "dlq" if settlement.is_final else "failed_retryable", failure.code


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
