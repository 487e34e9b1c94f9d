"""The findings in the database, which are seen, repaired and resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.platform.db import Transaction
from exchange.raw.entry import format_time
from exchange.recovery import store
from exchange.recovery.rules import Finding, Sound

PAGE_FINDINGS = 1_000
# The first key of the advisory lock, next to that of the outbox's shards.
LOCK_CLASS = 0x0E7B1
_COLUMNS = (
    *("record_id", "finding", "object_key", "partner_id"),
    *("first_seen", "last_seen", "repaired_at", "resolved_at"),
)


@dataclass(frozen=True)
class Verdict:
    """A verdict on a record, the object that it is about, and whether the object's bytes were read for it."""

    record_id: UUID
    verdict: Finding | Sound
    object_key: str | None
    partner_id: str | None
    hash_known: bool
    repaired: bool = False


def write(transaction: Transaction, verdicts: Sequence[Verdict]) -> None:
    """Write the findings; resolve open ones that were not found again; leave open those of records in flight.

    A lock keeps other writers of findings away until the end of the transaction, since this takes three statements.
    """
    store.lock_findings(transaction, LOCK_CLASS)
    # Two objects of one record may lead to the same finding.
    found = {
        (verdict.record_id, verdict.verdict): {
            "record_id": str(verdict.record_id),
            "finding": verdict.verdict,
            "object_key": verdict.object_key,
            "partner_id": verdict.partner_id,
            "repaired": verdict.repaired,
        }
        for verdict in verdicts
        if isinstance(verdict.verdict, Finding)
    }
    if found:
        store.write_findings(transaction, list(found.values()))
    compared = [
        (
            verdict.record_id,
            verdict.object_key,
            str(verdict.verdict) if isinstance(verdict.verdict, Finding) else None,
            verdict.hash_known,
        )
        for verdict in verdicts
        if verdict.verdict is not Sound.IN_FLIGHT
    ]
    if compared:
        store.resolve_findings(transaction, compared)
    under_way = [verdict.record_id for verdict in verdicts if verdict.verdict is Sound.IN_FLIGHT]
    if under_way:
        store.touch_findings(transaction, under_way)


def read_page(transaction: Transaction, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of findings for display: open ones, and those seen since `since`. `next` asks for more."""
    after = request.get("after") or {}
    since = datetime.fromisoformat(request["since"]) if "since" in request else datetime.now(UTC)
    position = (UUID(after.get("record_id", str(UUID(int=0)))), after.get("finding", ""))
    rows = store.read_findings(transaction, since, position, PAGE_FINDINGS)
    found = [{name: _plain(value) for name, value in zip(_COLUMNS, row, strict=True)} for row in rows]
    last = (
        {name: found[-1][name] for name in ("record_id", "finding")} if len(found) == PAGE_FINDINGS else None
    )
    return {"findings": found, "next": last}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    return str(value) if isinstance(value, UUID) else value
