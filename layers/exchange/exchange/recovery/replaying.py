"""Replay: the events of raw objects once more, the same bytes as at first, through the outbox. ADR 0015.

A page is one transaction: manifest rows that were lost, events, and the checkpoint. A handler never sleeps: a shard
that has used up its rate, or would make live events wait, says when to come back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.intake.model import ManifestEntry
from exchange.ledger import service as ledger
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Database, Transaction, database
from exchange.platform.listing import ListedObject, Listing, raw_listing
from exchange.platform.objects import raw_objects
from exchange.platform.settings import load_settings
from exchange.recovery import store
from exchange.recovery.describing import Described, Describer
from exchange.recovery.jobs import RESERVE_SECONDS, Checkpoint, Jobs, Progress
from exchange.recovery.model import Counts, RawKey, Selection, Standing
from exchange.recovery.walking import PAGE_OBJECTS, Page, Walk

# Live events wait behind what is in the outbox: two or three seconds at most.
BACKLOG_LIMIT = 10_000
BACKLOG_PAUSE_SECONDS = 1.0
# As read_checkpoint has it.
EARNED_SECONDS = 60.0


@dataclass(frozen=True)
class Found:
    """A record of a page: its entry, and whether the manifest has it or it was made from the object."""

    entry: ManifestEntry
    is_lost: bool
    key_hash: str | None


class Replayer:
    """The replayer of one environment."""

    def __init__(
        self,
        database: Database,
        listing: Listing,
        describer: Describer,
        topics: Mapping[str, str],
    ) -> None:
        """`topics` by event version."""
        self._database = database
        self._listing = listing
        self._describer = describer
        self._topics = topics
        self.jobs = Jobs(database, "replay")

    def start(self, request: Mapping[str, Any]) -> UUID:
        """Write a job down. It is about what was accepted before it began, unless the request says until when.

        Raises ContractViolation for a limit over more than one shard: which objects come first would be chance.
        """
        shards = request.get("shards", 1)
        if shards > 1 and "limit" in request:
            raise ContractViolation("must be 1 where there is a limit", field="shards")
        asked = {"emit_version": "auto", "until": datetime.now(UTC).isoformat(), **request}
        Selection.of(asked)
        return self.jobs.start(asked, shards)

    def run(self, job_id: UUID, shard: int, remaining_seconds: float) -> Progress:
        """Go on with a shard until it is through, its time is over, or it has to wait.

        Raises DependencyUnavailable, or JobCancelled.
        """
        last_moment = time.monotonic() + max(remaining_seconds - RESERVE_SECONDS, 0.0)
        checkpoint = self.jobs.read(job_id, shard)
        before = checkpoint.counts
        if checkpoint.is_done:
            return Progress.at(checkpoint, before, done=True)
        budget = _Budget(checkpoint)
        counts = Counts(dict(checkpoint.counts))
        walk = Walk(self._listing, checkpoint.selection, checkpoint.shard)
        pages = walk.pages(checkpoint.cursor, budget.page_limit)
        while True:
            pause = self._pause(checkpoint, budget, last_moment)
            if pause is not None:
                return Progress.at(checkpoint, before, *pause)
            page = None if budget.is_at_limit(counts) else next(pages, None)
            if page is None:
                self.jobs.finish(checkpoint)
                return Progress.at(checkpoint, before, done=True)
            checkpoint = self._replay(checkpoint, page, counts, budget)

    def _pause(self, checkpoint: Checkpoint, budget: _Budget, last_moment: float) -> tuple[str, float] | None:
        if not budget.has_page:
            return "rate", budget.seconds_until_page
        if checkpoint.request["mode"] == "emit" and self._backlog() >= BACKLOG_LIMIT:
            return "outbox", BACKLOG_PAUSE_SECONDS
        if time.monotonic() >= last_moment:
            return "time", 0.0
        return None

    def _backlog(self) -> int:
        with self._database.transaction() as transaction:
            return store.read_backlog(transaction, BACKLOG_LIMIT)

    def _replay(self, checkpoint: Checkpoint, page: Page, counts: Counts, budget: _Budget) -> Checkpoint:
        mode = checkpoint.request["mode"]
        found, copied = self._find(checkpoint, page, counts)
        found = found[: budget.left(counts)]
        with self._database.transaction() as transaction:
            record_ids = [*(f.entry.record_id for f in found), *copied]
            standing = store.read_standing(transaction, record_ids, ())
            _count(found, copied, standing, counts)
            spent = 0
            if mode == "emit":
                spent = self._emit(transaction, found, checkpoint, counts)
            self.jobs.save(
                transaction,
                checkpoint,
                page.cursor,
                counts.values,
                page.progress,
                paid_seconds=budget.spend(spent),
            )
        return replace(checkpoint, cursor=page.cursor, counts=dict(counts.values), progress=page.progress)

    def _emit(
        self, transaction: Transaction, found: Sequence[Found], checkpoint: Checkpoint, counts: Counts
    ) -> int:
        lost = [(f.entry, f.key_hash) for f in found if f.is_lost]
        restored = store.restore(transaction, lost, checkpoint.job_id)
        counts.add("restored", len(restored))
        ledger.lock_states(transaction, [f.entry.record_id for f in found])
        # Lost to us and not restored by us: another shard of an overlapping job was faster, or it was erased.
        version = checkpoint.request["emit_version"]
        emitted = store.emit(transaction, [f.entry for f in found], version, self._topics)
        counts.add("emitted", len(emitted))
        return len(emitted)

    def _find(self, checkpoint: Checkpoint, page: Page, counts: Counts) -> tuple[list[Found], list[UUID]]:
        """The records of a page that are of the selection, each by the one object that stands for it.

        Beside them the records of which the page has another object.
        """
        selection = checkpoint.selection
        listed: list[tuple[RawKey, ListedObject]] = []
        for entry in page.objects:
            key = RawKey.parse(entry.key)
            if key is None:
                counts.add("foreign")
            elif selection.has_key(entry.key):
                listed.append((key, entry))
        with self._database.transaction() as transaction:
            known = store.read_manifest(transaction, [key.record_id for key, _ in listed])
        lost = [(key, entry) for key, entry in listed if key.record_id not in known]
        described = {d.key.record_id: d for d in self._describer.describe(lost) if d is not None}
        found: list[Found] = []
        copied: list[UUID] = []
        for key, listed_object in listed:
            if key.record_id in known:
                row = known[key.record_id].entry
                if row.object_key != listed_object.key:
                    copied.append(key.record_id)
                elif selection.has_time(row.occurred_at):
                    found.append(Found(row, False, None))
            elif key.record_id in described:
                self._take_described(described[key.record_id], checkpoint, found, counts)
        return found, copied

    def _take_described(
        self, described: Described, checkpoint: Checkpoint, found: list[Found], counts: Counts
    ) -> None:
        if described.entry is None:
            counts.add("unfit")
        elif checkpoint.selection.has_time(described.entry.occurred_at):
            found.append(Found(described.entry, True, described.key_hash))


class _Budget:
    """How much a shard may emit now: its rate, as far as it has come together, and its limit."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        emits = checkpoint.request["mode"] == "emit"
        rate: float | None = checkpoint.request.get("rate_per_sec") if emits else None
        self._rate = rate / checkpoint.shard.count if rate else None
        self._limit = checkpoint.request.get("limit")
        self._left = PAGE_OBJECTS
        self._missing_seconds = 0.0
        if self._rate:
            # No more than a minute comes together. An event that costs more goes out then, and is paid for afterwards.
            self._missing_seconds = min(1 / self._rate, EARNED_SECONDS) - checkpoint.earned_seconds
            self._left = (
                0 if self._missing_seconds > 0 else max(int(checkpoint.earned_seconds * self._rate), 1)
            )

    @property
    def has_page(self) -> bool:
        return self._rate is None or self._left > 0

    @property
    def seconds_until_page(self) -> float:
        """Until one more event has come together, and not for less than a tenth of a second."""
        return max(self._missing_seconds, 0.1 / self._rate) if self._rate else 0.0

    def page_limit(self) -> int:
        return PAGE_OBJECTS if self._rate is None else max(min(PAGE_OBJECTS, self._left), 1)

    def left(self, counts: Counts) -> int:
        return PAGE_OBJECTS if self._limit is None else self._limit - counts.values.get("objects", 0)

    def is_at_limit(self, counts: Counts) -> bool:
        return self._limit is not None and counts.values.get("objects", 0) >= self._limit

    def spend(self, events: int) -> float:
        """The seconds of rate that this many events cost."""
        if self._rate is None:
            return 0.0
        self._left -= events
        return events / self._rate


def _count(
    found: Sequence[Found], copied: Sequence[UUID], standing: Mapping[UUID, Standing], counts: Counts
) -> None:
    counts.add("objects", len(found))
    counts.add("copies", len(copied))
    # Its record's own object may be gone: then the copy is all that says that there is a gap.
    counts.add("missing", sum(standing[record_id].outcome == "missing" for record_id in copied))
    for record in found:
        counts.add("lost" if record.is_lost else "known")
        counts.add(f"v{record.entry.version}")
        counts.add(standing[record.entry.record_id].outcome)


@cache
def replayer() -> Replayer:
    """This environment's replayer."""
    settings = load_settings()
    describer = Describer(raw_objects(), PartnerRegistry(database()), settings.require("raw_bucket"))
    topics = {"1": settings.topic_record_ingested_v1, "2": settings.topic_record_ingested_v2}
    return Replayer(database(), raw_listing(), describer, topics)
