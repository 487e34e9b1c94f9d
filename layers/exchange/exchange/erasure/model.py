"""Records to erase, tombstones, and the receipt that proves an erasure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from exchange.platform.strict_json import canonical_json
from exchange.raw.key import RawKey

TOPIC_HORIZON_DAYS = 7
# A receipt needs up to 600 bytes per record, and an answer of Lambda may have 6 MB at most.
ERASURE_RECORDS = 5_000
# A client without an answer retries within a day, and each of its requests may have left an object under its hour.
RETRY_HORIZON = timedelta(hours=24)
STATEMENT = (
    "Every stored version of these records' raw objects, their canonical rows, tokens, answers and waiting events are "
    f"deleted. Kafka's topics keep events for {TOPIC_HORIZON_DAYS} days at most: record ids, object keys and hashes, "
    "no name and no other identifier of a person. The audit log and the ledger of attempts keep record ids."
)


@dataclass(frozen=True)
class ErasableRecord:
    """A record to erase, whose lock is held; `erasure_id` is set when it was erased before.

    A record that was erased before has rows only if a backup brought them back.
    """

    record_id: UUID
    partner_id: str
    route: str | None
    bucket: str
    object_key: str
    key_hash: str | None
    erasure_id: UUID | None
    has_rows: bool


@dataclass(frozen=True)
class ErasedRecord:
    """A tombstone in the form that a receipt shows."""

    record_id: UUID
    partner_id: str
    deleted_rows: dict[str, int]
    deleted_object_versions: int
    erased_at: datetime
    raw_deleted_at: datetime | None


@dataclass(frozen=True)
class PendingErasure:
    """A tombstone whose raw object may still exist."""

    record_id: UUID
    bucket: str
    object_key: str

    def object_keys(self) -> list[str]:
        """Return the keys that the record's objects may have: its own, and those of requests that crashed.

        A request may have crashed in an hour before or after that of the record's own key: if the tables were lost, the
        first of several objects was taken for the record's own.
        """
        key = RawKey.parse(self.object_key)
        began_at = key.folder.began_at if key else None
        if key is None or began_at is None:
            # A key of the first system, which had no hours.
            return [self.object_key]
        hours = int(RETRY_HORIZON / timedelta(hours=1))
        return [
            str(RawKey.of(key.folder.source, began_at - timedelta(hours=n), key.record_id))
            for n in range(-hours, hours + 1)
        ]


def receipt_of(erasure_id: UUID, records: Sequence[ErasedRecord]) -> dict[str, Any]:
    """Return the receipt as a JSON object; its `sha256` is over its canonical JSON without that field."""
    rows: Counter[str] = Counter()
    for record in records:
        rows.update(record.deleted_rows)
    receipt: dict[str, Any] = {
        "erasure_id": str(erasure_id),
        "complete": all(record.raw_deleted_at for record in records),
        "partners": sorted({record.partner_id for record in records}),
        "records": [
            {
                "record_id": str(record.record_id),
                "erased_at": record.erased_at.isoformat(),
                "raw_deleted_at": record.raw_deleted_at and record.raw_deleted_at.isoformat(),
                "deleted_object_versions": record.deleted_object_versions,
                "deleted_rows": {table: count for table, count in record.deleted_rows.items() if count},
            }
            for record in records
        ],
        "totals": {
            "records": len(records),
            "object_versions": sum(record.deleted_object_versions for record in records),
            "rows": {table: count for table, count in sorted(rows.items()) if count},
        },
        "topic_horizon_days": TOPIC_HORIZON_DAYS,
        "statement": STATEMENT,
    }
    return receipt | {"sha256": hashlib.sha256(canonical_json(receipt)).hexdigest()}
