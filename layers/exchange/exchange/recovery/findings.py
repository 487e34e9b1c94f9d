"""Findings as rows: seen, repaired, resolved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.platform.db import Transaction
from exchange.platform.queries import load_queries
from exchange.recovery.classifying import Finding, Sound
from exchange.recovery.model import ManifestRow

QUERIES = load_queries(__file__)
PAGE_FINDINGS = 1_000
# The first half of the advisory lock's name, beside outbox's shards.
LOCK_CLASS = 0x0E7B1


@dataclass(frozen=True)
class Verdict:
    """A record, looked at: what was found, the object it was found with, and whether its bytes had a say."""

    record_id: UUID
    said: Finding | Sound
    object_key: str | None
    partner_id: str | None
    hash_known: bool
    repaired: bool = False


def write(transaction: Transaction, verdicts: Sequence[Verdict]) -> None:
    """Keep what was found; resolve what is over; leave open what is still under way.

    From here to the end of `transaction` no other writes findings: a record's come and go in three statements.
    """
    transaction.execute(QUERIES["lock_findings"], {"lock_class": LOCK_CLASS})
    found = [verdict for verdict in verdicts if isinstance(verdict.said, Finding)]
    if found:
        # Two objects of one record may be found to be the same.
        rows = {
            (verdict.record_id, verdict.said): {
                "record_id": str(verdict.record_id),
                "finding": verdict.said,
                "object_key": verdict.object_key,
                "partner_id": verdict.partner_id,
                "repaired": verdict.repaired,
            }
            for verdict in found
        }
        transaction.execute(QUERIES["write_findings"], {"rows": json.dumps(list(rows.values()))})
    judged = [verdict for verdict in verdicts if verdict.said is not Sound.IN_FLIGHT]
    if judged:
        transaction.execute(
            QUERIES["resolve_findings"],
            {
                "record_ids": [verdict.record_id for verdict in judged],
                "object_keys": [verdict.object_key for verdict in judged],
                "findings": [
                    str(verdict.said) if isinstance(verdict.said, Finding) else None for verdict in judged
                ],
                "hashes_known": [verdict.hash_known for verdict in judged],
            },
        )
    waiting = [verdict.record_id for verdict in verdicts if verdict.said is Sound.IN_FLIGHT]
    if waiting:
        transaction.execute(QUERIES["touch_findings"], {"record_ids": waiting})


def read_open(transaction: Transaction, before: datetime, limit: int) -> list[tuple[UUID, str | None, str]]:
    """(record id, object key, finding) of those last looked at before that time, those that wait longest first."""
    rows = transaction.execute(QUERIES["read_open_findings"], {"before": before, "limit": limit})
    return [(record_id, object_key, finding) for record_id, object_key, finding in rows]


def count_open(transaction: Transaction) -> dict[str, int]:
    """How many findings are open, by what was found."""
    return dict(transaction.execute(QUERIES["count_open_findings"]))


def prune(transaction: Transaction) -> None:
    """Forget what was resolved long ago."""
    transaction.execute(QUERIES["prune_findings"])


def audit(transaction: Transaction, repairs: Iterable[tuple[Finding, ManifestRow]]) -> None:
    """An audit row for each repair."""
    rows = [
        {
            "finding": finding,
            "route": row.entry.route,
            "partner_id": row.entry.partner_id,
            "record_id": str(row.entry.record_id),
            "correlation_id": row.entry.correlation_id,
        }
        for finding, row in repairs
    ]
    if rows:
        transaction.execute(QUERIES["audit_repairs"], {"rows": json.dumps(rows)})


def settle_canonical(transaction: Transaction, record_ids: Sequence[UUID]) -> set[UUID]:
    """Let the ledger say of canonical records that they are; those that it did not say it of."""
    rows = transaction.execute(QUERIES["settle_canonical"], {"record_ids": list(record_ids)})
    return {record_id for (record_id,) in rows}


def read(transaction: Transaction, request: Mapping[str, Any]) -> dict[str, Any]:
    """A page of findings for people: open ones, and those seen since `since`. `next` asks for more."""
    after = request.get("after") or {}
    since = datetime.fromisoformat(request["since"]) if "since" in request else datetime.now(UTC)
    rows = transaction.execute(
        QUERIES["read_findings"],
        {
            "since": since,
            "after_record": UUID(after.get("record_id", str(UUID(int=0)))),
            "after_finding": after.get("finding", ""),
            "limit": PAGE_FINDINGS,
        },
    )
    names = (
        *("record_id", "finding", "object_key", "partner_id"),
        *("first_seen", "last_seen", "repaired_at", "resolved_at"),
    )
    found = [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in rows]
    last = (
        {name: found[-1][name] for name in ("record_id", "finding")} if len(found) == PAGE_FINDINGS else None
    )
    return {"findings": found, "next": last}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
