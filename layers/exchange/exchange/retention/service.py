"""The deletion of data whose retention has ended, in pages, until nothing is left or the time is up.

A run deletes each page before it reads the next, so that the run after an interrupted one continues where that stopped.
Raw objects are found in the bucket, not in the tables, because objects without a row hold names, too. The object of an
accepted record stays until the record is canonical or erased. The audit log is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from exchange.erasure.service import Eraser, eraser
from exchange.platform.db import Database, Transaction, database
from exchange.platform.deadline import Deadline
from exchange.platform.queries import load_queries
from exchange.platform.settings import load_settings
from exchange.platform.versions import DELETE_PAGE, ObjectVersion, ObjectVersions, raw_object_versions
from exchange.raw.key import Folder, record_named_by

PAGE = 5_000
QUERIES = load_queries(__file__)


@dataclass(frozen=True)
class RetentionReport:
    """The numbers of deletions of one run; `complete` is False when the time was up before its end.

    `raw_object_versions_overdue` counts expired versions that stayed because their records are not canonical.
    """

    raw_object_versions: int
    raw_object_versions_overdue: int
    idempotency_keys: int
    attempts: int
    dead_letters: int
    erasures_completed: int
    complete: bool


class Retention:
    """The retention of one environment."""

    def __init__(
        self,
        database: Database,
        versions: ObjectVersions,
        eraser: Eraser,
        *,
        ledger_days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._versions = versions
        self._eraser = eraser
        self._ledger_days = ledger_days
        self._now = now

    def run(self, *, deadline: Deadline, request_id: str) -> RetentionReport:
        """Delete until `deadline`: first pending erasures, which people asked for, then rows, then raw objects."""
        erasures = self._eraser.delete_raw(None, deadline=deadline)
        keys = self._prune("prune_idempotency_keys", deadline)
        attempts = self._prune("prune_attempts", deadline)
        letters = self._prune("prune_dead_letters", deadline)
        raw, overdue = self._delete_raw_objects(deadline, request_id)
        return RetentionReport(raw, overdue, keys, attempts, letters, erasures, not deadline.has_passed)

    def _prune(self, statement: str, deadline: Deadline) -> int:
        pruned = 0
        while not deadline.has_passed:
            with self._database.transaction() as transaction:
                page = len(
                    transaction.execute(QUERIES[statement], {"limit": PAGE, "days": self._ledger_days})
                )
            pruned += page
            if page < PAGE:
                break
        return pruned

    def _delete_raw_objects(self, deadline: Deadline, request_id: str) -> tuple[int, int]:
        """Delete expired versions; return their number, and the number of expired versions that are still needed."""
        with self._database.transaction() as transaction:
            retention = transaction.execute(QUERIES["read_retention"])
        deleted = overdue = 0
        for source, partner_id, days in retention:
            cutoff = self._now() - timedelta(days=days)
            for page in self._expired(f"{source}/", cutoff):
                if deadline.has_passed:
                    return deleted, overdue
                with self._database.transaction() as transaction:
                    needed = _retire(transaction, page, partner_id, request_id)
                retired = [version for version in page if record_named_by(version.key) not in needed]
                deleted += self._versions.delete(retired)
                overdue += len(page) - len(retired)
        return deleted, overdue

    def _expired(self, folder: str, cutoff: datetime) -> Iterator[list[ObjectVersion]]:
        """Yield pages of versions in `folder` older than `cutoff`: those of whole hours, and keys without an hour."""
        loose: list[ObjectVersion] = []
        for found in self._versions.browse(folder):
            if isinstance(found, ObjectVersion):
                if found.modified_at < cutoff:
                    loose.append(found)
            elif (began_at := Folder.containing(found).began_at) is not None and began_at + timedelta(
                hours=1
            ) < cutoff:
                yield from self._versions.pages(found)
        for begin in range(0, len(loose), DELETE_PAGE):
            yield loose[begin : begin + DELETE_PAGE]


def _retire(
    transaction: Transaction, page: list[ObjectVersion], partner_id: str, request_id: str
) -> frozenset[UUID]:
    """Mark the objects that may be deleted; return the records whose objects may not."""
    record_ids = {record_id for version in page if (record_id := record_named_by(version.key)) is not None}
    asked = {
        "record_ids": list(record_ids),
        "object_keys": [version.key for version in page],
        "partner_id": partner_id,
        "request_id": request_id,
    }
    return frozenset(record_id for (record_id,) in transaction.execute(QUERIES["retire_raw_objects"], asked))


@cache
def retention() -> Retention:
    """Return this environment's retention."""
    settings = load_settings()
    return Retention(
        database(), raw_object_versions(), eraser(), ledger_days=int(settings.ledger_retention_days)
    )
