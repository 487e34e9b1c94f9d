"""The rows that an erasure reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from exchange.erasure.model import ErasableRecord, ErasedRecord, PendingErasure
from exchange.outbox.model import shard_of
from exchange.platform.db import Transaction
from exchange.platform.environment import environment_id
from exchange.platform.queries import load_queries
from exchange.raw.entry import event_id, version_of_route
from exchange.raw.manifest import record_lock_id

QUERIES = load_queries(__file__)


def lock_record(transaction: Transaction, record_id: UUID) -> ErasableRecord | None:
    """Lock the record until the end of `transaction` and read it; return None when no table has it."""
    asked = {"record_id": record_id, "lock_id": record_lock_id(record_id)}
    (found,) = transaction.execute(QUERIES["lock_record"], asked)
    partner_id = found[0]
    return None if partner_id is None else ErasableRecord(record_id, *found)


def erase(
    transaction: Transaction,
    record: ErasableRecord,
    erasure_id: UUID,
    request_id: str,
    case_ref: str | None,
) -> None:
    """Delete every row of the record and leave its tombstone."""
    transaction.execute(
        QUERIES["stop_processing"],
        {
            "record_id": record.record_id,
            "event_id": event_id(record.record_id, version_of_route(record.route).number),
            "environment_id": environment_id(),
        },
    )
    transaction.execute(
        QUERIES["erase"],
        {
            "record_id": record.record_id,
            "erasure_id": erasure_id,
            "partner_id": record.partner_id,
            "key_hash": record.key_hash,
            "bucket": record.bucket,
            "object_key": record.object_key,
            "shard": shard_of(str(record.record_id)),
            "request_id": request_id,
            "case_ref": case_ref,
        },
    )


def mark_raw_deleted(transaction: Transaction, record_id: UUID, versions: int) -> None:
    """Record that the record's raw object is gone, and the number of its versions."""
    transaction.execute(QUERIES["mark_raw_deleted"], {"record_id": record_id, "versions": versions})


def mark_raw_deleted_again(
    transaction: Transaction, record_id: UUID, versions: int, request_id: str, case_ref: str | None
) -> None:
    """Record that the raw object of a record erased before had come back, and that its versions are gone again."""
    asked = {"record_id": record_id, "versions": versions, "request_id": request_id, "case_ref": case_ref}
    transaction.execute(QUERIES["mark_raw_deleted_again"], asked)


def read_pending(transaction: Transaction, erasure_id: UUID | None, limit: int) -> list[PendingErasure]:
    """Read up to `limit` tombstones, of one erasure or of all, whose raw objects are not known to be gone."""
    rows = transaction.execute(QUERIES["read_pending"], {"erasure_id": erasure_id, "limit": limit})
    return [PendingErasure(*row) for row in rows]


def find_known(transaction: Transaction, record_ids: Sequence[UUID]) -> set[UUID]:
    """Read those of the records that `lock_record` would find."""
    if not record_ids:
        return set()
    rows = transaction.execute(QUERIES["find_known"], {"record_ids": list(record_ids)})
    return {record_id for (record_id,) in rows}


def find_records(
    transaction: Transaction, partner_id: str, profile: str, tokens: Sequence[str]
) -> list[UUID]:
    """Read the records of a partner that have one of the tokens."""
    asked = {"partner_id": partner_id, "profile": profile, "tokens": list(tokens)}
    return [record_id for (record_id,) in transaction.execute(QUERIES["find_records"], asked)]


def partner_exists(transaction: Transaction, partner_id: str) -> bool:
    """Tell whether the partner is registered."""
    ((count,),) = transaction.execute(QUERIES["partner_exists"], {"partner_id": partner_id})
    return bool(count)


def count_others(transaction: Transaction, erasure_id: UUID, record_ids: Sequence[UUID]) -> int:
    """Count the records of an erasure other than these."""
    asked = {"erasure_id": erasure_id, "record_ids": list(record_ids)}
    ((count,),) = transaction.execute(QUERIES["count_others"], asked)
    return int(count)


def read_erasure(transaction: Transaction, erasure_id: UUID) -> list[ErasedRecord]:
    """Read the tombstones of one erasure."""
    return [
        ErasedRecord(*row) for row in transaction.execute(QUERIES["read_erasure"], {"erasure_id": erasure_id})
    ]
