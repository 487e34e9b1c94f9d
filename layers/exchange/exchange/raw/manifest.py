"""Manifest rows, which are read, restored from objects, and emitted as events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Row, Transaction
from exchange.platform.queries import load_queries
from exchange.raw.entry import ManifestEntry, ManifestRow, encode_event
from exchange.raw.key import Folder

QUERIES = load_queries(__file__)


def record_lock_id(record_id: UUID) -> int:
    """Return the id of the advisory lock by which ingest, erase and restore of the same record exclude each other."""
    return int.from_bytes(record_id.bytes[:8], "big", signed=True)


def read_manifest(transaction: Transaction, record_ids: Sequence[UUID]) -> dict[UUID, ManifestRow]:
    """Read the manifest rows of these records by record id; a record without a row is left out."""
    if not record_ids:
        return {}
    return _by_record(transaction.execute(QUERIES["read_manifest"], {"record_ids": list(record_ids)}))


def read_manifest_between(
    transaction: Transaction, bucket: str, folder: Folder, after: str, upto: str
) -> dict[UUID, ManifestRow]:
    """Read the manifest rows of one folder with keys in (`after`, `upto`]."""
    parameters = {"bucket": bucket, "after": after, "upto": upto, "prefix": folder.prefix}
    return _by_record(transaction.execute(QUERIES["read_manifest_between"], parameters))


def read_page_end(
    transaction: Transaction, bucket: str, folder: Folder, after: str, upto: str, *, limit: int
) -> str:
    """Read the key of the `limit`th manifest row of a folder in (`after`, `upto`]; return `upto` if there are fewer."""
    parameters = {"bucket": bucket, "after": after, "upto": upto, "prefix": folder.prefix, "limit": limit}
    rows = transaction.execute(QUERIES["read_page_end"], parameters)
    return str(rows[0][0]) if rows else upto


def read_sources(transaction: Transaction, bucket: str) -> list[str]:
    """Read the sources that have manifest rows."""
    return [name for (name,) in transaction.execute(QUERIES["read_manifest_sources"], {"bucket": bucket})]


def read_folders(
    transaction: Transaction, bucket: str, source: str, since_hour: str, until_hour: str
) -> list[Folder]:
    """Read the hours of a source, both ends included, that have manifest rows; '' begins with the first hour."""
    first = f"{source}/{since_hour or '1970-01-01T00'}"
    last = f"{source}/{until_hour}/~"
    rows = transaction.execute(
        QUERIES["read_manifest_folders"], {"bucket": bucket, "first": first, "last": last}
    )
    return [folder for (prefix,) in rows if (folder := Folder.of(prefix)) is not None]


def restore(
    transaction: Transaction,
    entries: Iterable[tuple[ManifestEntry, str | None]],
    replay_job_id: UUID | None = None,
) -> set[UUID]:
    """Write manifest rows that the database has lost; return the records whose rows were missing.

    Each entry comes with the name of its idempotency key's row, if its object has it. That row itself is not written:
    nothing tells whether the client has received its answer or its request died before. For a replay, the audit log
    names the job with each record; reconcile writes its own audit rows.
    """
    lost = list(entries)
    if not lost:
        return set()
    # A separate statement, because the snapshot of the next one has to be younger than the locks.
    transaction.execute(
        QUERIES["lock_records"], {"lock_ids": [record_lock_id(entry.record_id) for entry, _ in lost]}
    )
    rows = [{**asdict(entry), "key_hash": key_hash} for entry, key_hash in lost]
    written = transaction.execute(
        QUERIES["restore_manifest"],
        {"rows": json.dumps(rows, default=str), "job_id": replay_job_id and str(replay_job_id)},
    )
    return {record_id for (record_id,) in written}


def emit(
    transaction: Transaction, entries: Sequence[ManifestEntry], version: str, topics: Mapping[str, str]
) -> set[UUID]:
    """Put the event of each entry into the outbox, in order; return the records whose events were put there.

    `version` is v1, v2, or auto for each record's own. An erased record gets no event.
    """
    if not entries:
        return set()
    events = [_event(entry, entry.version if version == "auto" else version[1:], topics) for entry in entries]
    rows = transaction.execute(
        QUERIES["emit"],
        {
            "shards": [event.shard for event in events],
            "topics": [event.topic for event in events],
            "record_ids": [entry.record_id for entry in entries],
            "values": [event.value for event in events],
        },
    )
    return {UUID(key) for (key,) in rows}


def _event(entry: ManifestEntry, version: str, topics: Mapping[str, str]) -> OutboxEvent:
    return OutboxEvent(topics[version], str(entry.record_id), encode_event(entry, version))


def _by_record(rows: Iterable[Row]) -> dict[UUID, ManifestRow]:
    return {row[0]: ManifestRow(ManifestEntry(*row[:-1]), row[-1]) for row in rows}
