"""The rows that recovery reads and repairs: states of records, jobs, and findings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from exchange.platform.db import Row, Transaction
from exchange.platform.queries import load_queries
from exchange.recovery.model import RecordState

QUERIES = load_queries(__file__)


def read_first_attempt(transaction: Transaction) -> datetime | None:
    """Read the start of the oldest attempt that the ledger still has."""
    ((first,),) = transaction.execute(QUERIES["read_first_attempt"])
    return None if first is None else first.astimezone(UTC)


def read_unknown_canonical(transaction: Transaction, since: datetime, until: datetime) -> list[UUID]:
    """Read the canonical records with an attempt from `since` to before `until` that have no manifest row."""
    rows = transaction.execute(QUERIES["read_unknown_canonical"], {"since": since, "until": until})
    return [record_id for (record_id,) in rows]


def read_record_states(
    transaction: Transaction, record_ids: Sequence[UUID], topics: Sequence[str]
) -> dict[UUID, RecordState]:
    """Read the state of each of these records."""
    if not record_ids:
        return {}
    rows = transaction.execute(
        QUERIES["read_record_states"], {"record_ids": list(record_ids), "topics": list(topics)}
    )
    return {record_id: RecordState(*columns) for record_id, *columns in rows}


def read_backlog(transaction: Transaction, limit: int) -> int:
    """Count the events that wait to be published, `limit` at most."""
    ((count,),) = transaction.execute(QUERIES["read_backlog"], {"limit": limit})
    return int(count)


def settle_canonical(transaction: Transaction, record_ids: Sequence[UUID]) -> set[UUID]:
    """Correct the ledger's state of canonical records; return the records that it had wrong."""
    rows = transaction.execute(QUERIES["settle_canonical"], {"record_ids": list(record_ids)})
    return {record_id for (record_id,) in rows}


def start_job(
    transaction: Transaction, job_id: UUID, job: str, request: Mapping[str, Any], shards: int
) -> None:
    """Write a new job with a checkpoint for each shard; delete jobs that ended long ago."""
    transaction.execute(QUERIES["prune_jobs"], {"job": job})
    transaction.execute(
        QUERIES["start_job"],
        {"job_id": job_id, "job": job, "request": json.dumps(request), "shards": shards},
    )


def read_checkpoint(transaction: Transaction, job_id: UUID, job: str, shard: int) -> Row | None:
    """Read (request, shards, state, started_at, cursor, counts, progress, is_done, earned_seconds) of a shard."""
    rows = transaction.execute(QUERIES["read_checkpoint"], {"job_id": job_id, "job": job, "shard": shard})
    return rows[0] if rows else None


def save_checkpoint(
    transaction: Transaction,
    job_id: UUID,
    shard: int,
    *,
    expected_cursor: str | None,
    cursor: str,
    counts: Mapping[str, int],
    progress: float,
    paid_seconds: float,
) -> bool:
    """Move a checkpoint; return False when it is not at `expected_cursor`, or its job has ended."""
    return bool(
        transaction.execute(
            QUERIES["save_checkpoint"],
            {
                "job_id": job_id,
                "shard": shard,
                "expected": expected_cursor,
                "cursor": cursor,
                "counts": json.dumps(counts),
                "progress": progress,
                "paid_seconds": paid_seconds,
            },
        )
    )


def finish_unless_last(transaction: Transaction, job_id: UUID, shard: int) -> bool:
    """Finish a shard unless it is the last open one of its job; return True if it is the last."""
    ((is_last,),) = transaction.execute(QUERIES["finish_unless_last"], {"job_id": job_id, "shard": shard})
    return bool(is_last)


def finish_shard(transaction: Transaction, job_id: UUID, shard: int) -> None:
    """Finish a shard, and with the last one the job."""
    transaction.execute(QUERIES["finish_shard"], {"job_id": job_id, "shard": shard})


def cancel_job(transaction: Transaction, job_id: UUID, job: str) -> bool:
    """End a running job; return False when there is none."""
    return bool(transaction.execute(QUERIES["cancel_job"], {"job_id": job_id, "job": job}))


def read_left_shards(transaction: Transaction, job: str) -> list[tuple[UUID, int]]:
    """Read the shards that were begun and that no invocation works on any more."""
    return [
        (job_id, shard) for job_id, shard in transaction.execute(QUERIES["read_left_shards"], {"job": job})
    ]


def read_last_window(transaction: Transaction, job: str) -> datetime | None:
    """Read the time up to which complete jobs over all sources have compared, less records then in flight."""
    rows = transaction.execute(QUERIES["read_last_window"], {"job": job})
    return rows[0][0].astimezone(UTC) if rows else None


def lock_findings(transaction: Transaction, lock_class: int) -> None:
    """Lock out other writers of findings until the end of `transaction`."""
    transaction.execute(QUERIES["lock_findings"], {"lock_class": lock_class})


def write_findings(transaction: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Write findings, each with its record_id, finding, object_key, partner_id and repaired."""
    transaction.execute(QUERIES["write_findings"], {"rows": json.dumps(rows)})


def resolve_findings(
    transaction: Transaction, compared: Sequence[tuple[UUID, str | None, str | None, bool]]
) -> None:
    """Resolve the open findings that comparisons did not find again.

    Each comparison is (record id, object key, finding or None, whether the object's bytes were read).
    """
    transaction.execute(
        QUERIES["resolve_findings"],
        {
            "record_ids": [record_id for record_id, _, _, _ in compared],
            "object_keys": [object_key for _, object_key, _, _ in compared],
            "findings": [finding for _, _, finding, _ in compared],
            "hashes_known": [hash_known for _, _, _, hash_known in compared],
        },
    )


def touch_findings(transaction: Transaction, record_ids: Sequence[UUID]) -> None:
    """Record that the open findings of these records were checked again."""
    transaction.execute(QUERIES["touch_findings"], {"record_ids": list(record_ids)})


def read_open_findings(
    transaction: Transaction, before: datetime, limit: int
) -> list[tuple[UUID, str | None, str]]:
    """Read (record id, object key, finding) of open findings last checked before a time, the oldest check first."""
    rows = transaction.execute(QUERIES["read_open_findings"], {"before": before, "limit": limit})
    return [(record_id, object_key, finding) for record_id, object_key, finding in rows]


def count_open_findings(transaction: Transaction) -> dict[str, int]:
    """Count the open findings by kind."""
    return dict(transaction.execute(QUERIES["count_open_findings"]))


def prune_findings(transaction: Transaction) -> None:
    """Delete findings that were resolved long ago."""
    transaction.execute(QUERIES["prune_findings"])


def audit_repairs(transaction: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Write an audit row for each repair."""
    transaction.execute(QUERIES["audit_repairs"], {"rows": json.dumps(rows)})


def read_findings(
    transaction: Transaction, since: datetime, after: tuple[UUID, str], limit: int
) -> list[Row]:
    """Read open findings and those seen since `since`, in order, past (record id, finding) `after`."""
    return transaction.execute(
        QUERIES["read_findings"],
        {"since": since, "after_record": after[0], "after_finding": after[1], "limit": limit},
    )
