"""Rows that recovery reads and mends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

from exchange.intake.model import (
    ManifestEntry,
    encode_event,
    record_lock_id,
)
from exchange.outbox.model import OutboxEvent
from exchange.platform.db import Row, Transaction
from exchange.platform.queries import load_queries
from exchange.recovery.model import Folder, ManifestRow, Selection, Standing

QUERIES = load_queries(__file__)


def read_manifest(transaction: Transaction, record_ids: Sequence[UUID]) -> dict[UUID, ManifestRow]:
    """The manifest rows of these records, those there are."""
    if not record_ids:
        return {}
    return _manifest(transaction.execute(QUERIES["read_manifest"], {"record_ids": list(record_ids)}))


def read_manifest_between(
    transaction: Transaction, bucket: str, folder: Folder, after: str, upto: str
) -> dict[UUID, ManifestRow]:
    """The manifest rows of one folder with keys in (`after`, `upto`]."""
    parameters = {"bucket": bucket, "after": after, "upto": upto, "prefix": folder.prefix}
    return _manifest(transaction.execute(QUERIES["read_manifest_between"], parameters))


def read_page_end(
    transaction: Transaction, bucket: str, folder: Folder, after: str, upto: str, *, limit: int
) -> str:
    """The key of the `limit`th manifest row of one folder in (`after`, `upto`], else `upto`."""
    parameters = {"bucket": bucket, "after": after, "upto": upto, "prefix": folder.prefix, "limit": limit}
    rows = transaction.execute(QUERIES["read_page_end"], parameters)
    return str(rows[0][0]) if rows else upto


def read_manifest_sources(transaction: Transaction, bucket: str) -> list[str]:
    """The sources of which the manifest has objects."""
    return [name for (name,) in transaction.execute(QUERIES["read_manifest_sources"], {"bucket": bucket})]


def read_manifest_folders(
    transaction: Transaction, bucket: str, source: str, selection: Selection
) -> list[Folder]:
    """The hours of a source of which the manifest has objects, within the selection's window."""
    first = f"{source}/{selection.since_hour or '1970-01-01T00'}"
    last = f"{source}/{selection.until_hour}/~"
    rows = transaction.execute(
        QUERIES["read_manifest_folders"], {"bucket": bucket, "first": first, "last": last}
    )
    return [folder for (prefix,) in rows if (folder := Folder.of(prefix)) is not None]


def read_first_attempt(transaction: Transaction) -> datetime | None:
    """When the oldest attempt that is still known began."""
    ((first,),) = transaction.execute(QUERIES["read_first_attempt"])
    return None if first is None else first.astimezone(UTC)


def read_unknown_canonical(transaction: Transaction, since: datetime, until: datetime) -> list[UUID]:
    """Canonical records worked on from `since` to before `until` that the manifest does not know."""
    rows = transaction.execute(QUERIES["read_unknown_canonical"], {"since": since, "until": until})
    return [record_id for (record_id,) in rows]


def read_standing(
    transaction: Transaction, record_ids: Sequence[UUID], topics: Sequence[str]
) -> dict[UUID, Standing]:
    """What the tables say of each of these records."""
    if not record_ids:
        return {}
    rows = transaction.execute(
        QUERIES["read_standing"], {"record_ids": list(record_ids), "topics": list(topics)}
    )
    return {record_id: Standing(*said) for record_id, *said in rows}


def restore(
    transaction: Transaction,
    entries: Iterable[tuple[ManifestEntry, str | None]],
    replay_job_id: UUID | None = None,
) -> set[UUID]:
    """Write what the database has lost of records, made from their objects; gives those that were missing.

    Each comes with the name of its idempotency key's row, where its object knows it. That row is not written: nothing
    tells a client that had its answer from one whose request died before. A replay's job is in the audit log, with each
    record; reconcile writes its own rows there.
    """
    lost = list(entries)
    if not lost:
        return set()
    # A statement of its own: the next one's snapshot has to be younger than the locks.
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
    """Put the event of each entry into the outbox, in order; `version` is v1, v2, or auto: each record's own.

    Gives the records whose event was put there: erased ones are not.
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


def read_backlog(transaction: Transaction, limit: int) -> int:
    """How many events wait to be published, `limit` at most."""
    ((count,),) = transaction.execute(QUERIES["read_backlog"], {"limit": limit})
    return int(count)


def _event(entry: ManifestEntry, version: str, topics: Mapping[str, str]) -> OutboxEvent:
    return OutboxEvent(topics[version], str(entry.record_id), encode_event(entry, version))


def _manifest(rows: Iterable[Row]) -> dict[UUID, ManifestRow]:
    return {row[0]: ManifestRow(ManifestEntry(*row[:-1]), row[-1]) for row in rows}
