"""The rows that the intake writes: manifest, outbox, audit log and counters."""

from __future__ import annotations

from exchange.intake.model import RefusedRequest, Submission
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Database, Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries
from exchange.raw.entry import ManifestEntry

QUERIES = load_queries(__file__)


def accept_submission(
    transaction: Transaction, entry: ManifestEntry, event: OutboxEvent, *, key_hash: str
) -> None:
    """Write the record, its event, its audit row and its count; `key_hash` names its idempotency key's row."""
    transaction.execute(
        QUERIES["accept_submission"],
        {
            **vars(entry),
            "key_hash": key_hash,
            "shard": event.shard,
            "topic": event.topic,
            "key": event.key,
            "value": event.value,
            "environment_id": environment_id(),
            "labels": _labels(entry.route, 202),
        },
    )


def audit_repetition(database: Database, submission: Submission) -> None:
    """Record a repeated request in the audit log and the counters; nothing else changes."""
    _audit_answer(
        database,
        outcome="repeated",
        status=202,
        route=submission.route,
        partner_id=submission.partner_id,
        record_id=submission.record_id,
        correlation_id=submission.correlation_id,
    )


def audit_refusal(database: Database, refusal: RefusedRequest) -> None:
    """Record a refused request by its error code, never by its content."""
    _audit_answer(
        database,
        outcome=refusal.code,
        status=refusal.status,
        route=refusal.route,
        partner_id=refusal.partner_id,
        record_id=None,
        correlation_id=refusal.correlation_id,
    )


def _audit_answer(database: Database, *, route: str, status: int, **columns: object) -> None:
    with database.transaction() as transaction:
        transaction.execute(
            QUERIES["audit_answer"],
            {
                "route": route,
                "status": status,
                "environment_id": environment_id(),
                "labels": _labels(route, status),
                **columns,
            },
        )


def read_series(database: Database) -> list[tuple[str, str, int]]:
    """Read (metric, labels, value) for every series on /metrics."""
    with database.transaction() as transaction:
        return [
            (metric, labels, value) for metric, labels, value in transaction.execute(QUERIES["read_series"])
        ]


def add_to_series(database: Database, metric: str, value: int) -> None:
    """Add `value` to one of this environment's counters."""
    with database.transaction() as transaction:
        transaction.execute(
            QUERIES["count"],
            {"environment_id": environment_id(), "metric": metric, "labels": "", "value": value},
        )


def _labels(route: str, status: int) -> str:
    return f'route="{route}",status="{status}"'
