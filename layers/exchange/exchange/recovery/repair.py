"""The safe repair of records, with its audit rows, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from exchange.ledger import attempts as ledger
from exchange.platform.db import Transaction
from exchange.raw import manifest
from exchange.recovery import store
from exchange.recovery.compare import Comparison
from exchange.recovery.rules import EMITTED, RESTORED, SETTLED, Finding


def repair(transaction: Transaction, compared: Sequence[Comparison], topics: Mapping[str, str]) -> set[UUID]:
    """Repair the records that can be repaired safely; return their ids. `topics` are by event version."""
    lost = [record for record in compared if record.verdict in RESTORED and record.manifest is not None]
    restored = manifest.restore(
        transaction,
        [(r.manifest.entry, r.described.key_hash if r.described else None) for r in lost if r.manifest],
    )
    # A manifest row that turned out to exist was written by the client's retry, together with its event.
    to_emit = [
        record.manifest.entry
        for record in compared
        if record.verdict in EMITTED
        and record.manifest is not None
        and (record.verdict not in RESTORED or record.record_id in restored)
    ]
    unsettled = [record.record_id for record in compared if record.verdict in SETTLED]
    ledger.lock_states(transaction, [*(entry.record_id for entry in to_emit), *unsettled])
    emitted = manifest.emit(transaction, to_emit, "auto", topics)
    repaired = restored | emitted | store.settle_canonical(transaction, unsettled)
    _audit(transaction, [record for record in compared if record.record_id in repaired])
    return repaired


def _audit(transaction: Transaction, repaired: Sequence[Comparison]) -> None:
    """Write an audit row for each repaired record, with the finding that caused the repair."""
    rows = [
        {
            "finding": record.verdict,
            "route": record.manifest.entry.route,
            "partner_id": record.manifest.entry.partner_id,
            "record_id": str(record.record_id),
            "correlation_id": record.manifest.entry.correlation_id,
        }
        for record in repaired
        if isinstance(record.verdict, Finding) and record.manifest is not None
    ]
    if rows:
        store.audit_repairs(transaction, rows)
