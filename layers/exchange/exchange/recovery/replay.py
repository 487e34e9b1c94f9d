"""Replay: emits the events of raw objects again, byte for byte, through the outbox. ADR 0015.

A page is one transaction, which writes lost manifest rows, events, and the checkpoint. The handler never sleeps: for a
shard that has used up its rate, or would delay live events, the answer says when to continue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.ledger import attempts as ledger
from exchange.platform.contracts import contract
from exchange.platform.db import Database, Transaction, database
from exchange.platform.deadline import Deadline
from exchange.platform.listing import Listing, raw_listing
from exchange.platform.settings import load_settings
from exchange.raw import manifest
from exchange.raw.entry import ManifestEntry, topics_by_version
from exchange.raw.key import RawKey
from exchange.raw.reader import Place, RawObject, RawReader, raw_reader
from exchange.recovery import store
from exchange.recovery.budget import Budget
from exchange.recovery.jobs import BACKLOG_PAUSE_SECONDS, Answer, Checkpoint, Jobs, Progress, resume
from exchange.recovery.model import Counts, RecordState, Selection
from exchange.recovery.scan import Page, Scan


@dataclass(frozen=True)
class Found:
    """A record of a page; `is_lost` tells that the manifest lacks its entry, which was then made from the object."""

    entry: ManifestEntry
    is_lost: bool
    key_hash: str | None


class Replayer:
    """The replayer of one environment."""

    def __init__(
        self, database: Database, listing: Listing, reader: RawReader, topics: Mapping[str, str]
    ) -> None:
        """Create a replayer; `topics` are by event version."""
        self._database = database
        self._listing = listing
        self._reader = reader
        self._topics = topics
        self.jobs = Jobs(database, "replay")

    def answer(self, event: Mapping[str, Any], deadline: Deadline) -> Answer:
        """Answer an operator or a schedule, whose requests contracts/api/schemas/replay.request.json describes.

        Raises ContractViolation, naming the field, or DependencyUnavailable.
        """
        contract("api/schemas/replay.request").validate(event)
        request = {name: value for name, value in event.items() if name != "action"}
        match event["action"]:
            case "run":
                return Answer.of_shard(self.run(self.start({**request, "shards": 1}), 0, deadline))
            case "continue":
                return Answer.of_shard(self.run(UUID(request["job_id"]), request["shard"], deadline))
            case "resume":
                resumed = resume(self, deadline)
                return Answer({"resumed": [progress.encode() for progress in resumed]}, resumed)
            case "start":
                return Answer({"job_id": str(self.start(request)), "shards": request.get("shards", 1)})
            case _:
                return Answer({"cancelled": self.jobs.cancel(UUID(request["job_id"]))})

    def start(self, request: Mapping[str, Any]) -> UUID:
        """Write a new job for the records accepted before now, or before the time that the request names.

        Raises ContractViolation for a limit over more than one shard, where chance would decide which objects come
        first.
        """
        shards = request.get("shards", 1)
        if shards > 1 and "limit" in request:
            raise ContractViolation("must be 1 where there is a limit", field="shards")
        asked = {"emit_version": "auto", "until": datetime.now(UTC).isoformat(), **request}
        Selection.of(asked)
        return self.jobs.start(asked, shards)

    def run(self, job_id: UUID, shard: int, deadline: Deadline) -> Progress:
        """Work on a shard until it is finished, the deadline has passed, or it has to wait.

        Raises DependencyUnavailable, or JobCancelled.
        """
        checkpoint = self.jobs.read(job_id, shard)
        before = checkpoint.counts
        if checkpoint.is_done:
            return Progress.at(checkpoint, before, done=True)
        budget = Budget(checkpoint)
        counts = Counts(dict(checkpoint.counts))
        scan = Scan(self._listing, checkpoint.selection, checkpoint.shard)
        pages = scan.pages(checkpoint.cursor, budget.page_limit)
        while True:
            pause = self._pause(checkpoint, budget, deadline)
            if pause is not None:
                return Progress.at(checkpoint, before, *pause)
            page = None if budget.is_at_limit(counts) else next(pages, None)
            if page is None:
                self.jobs.finish(checkpoint)
                return Progress.at(checkpoint, before, done=True)
            checkpoint = self._replay(checkpoint, page, counts, budget)

    def _pause(self, checkpoint: Checkpoint, budget: Budget, deadline: Deadline) -> tuple[str, float] | None:
        if not budget.has_page:
            return "rate", budget.seconds_until_page
        if checkpoint.request["mode"] == "emit" and self.jobs.is_outbox_full():
            return "outbox", BACKLOG_PAUSE_SECONDS
        if deadline.has_passed:
            return "time", 0.0
        return None

    def _replay(self, checkpoint: Checkpoint, page: Page, counts: Counts, budget: Budget) -> Checkpoint:
        mode = checkpoint.request["mode"]
        found, copied = self._find(checkpoint, page, counts)
        found = found[: budget.left(counts)]
        with self._database.transaction() as transaction:
            record_ids = [*(f.entry.record_id for f in found), *copied]
            states = store.read_record_states(transaction, record_ids, ())
            _count(found, copied, states, counts)
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
        restored = manifest.restore(transaction, lost, checkpoint.job_id)
        counts.add("restored", len(restored))
        ledger.lock_states(transaction, [f.entry.record_id for f in found])
        # Lost, but not restored here: another shard of an overlapping job was faster, or the record was erased.
        version = checkpoint.request["emit_version"]
        emitted = manifest.emit(transaction, [f.entry for f in found], version, self._topics)
        counts.add("emitted", len(emitted))
        return len(emitted)

    def _find(self, checkpoint: Checkpoint, page: Page, counts: Counts) -> tuple[list[Found], list[UUID]]:
        """Return the selected records of a page, each with the one object that counts.

        Also return the records of which the page has another object, a copy.
        """
        selection = checkpoint.selection
        listed: list[Place] = []
        for entry in page.objects:
            key = RawKey.parse(entry.key)
            if key is None:
                counts.add("foreign")
            elif selection.has_key(entry.key):
                listed.append(Place(key.record_id, entry.key, entry.last_modified))
        with self._database.transaction() as transaction:
            known = manifest.read_manifest(transaction, [place.record_id for place in listed])
        lost = [place for place in listed if place.record_id not in known]
        described = {raw.record_id: raw for raw in self._reader.describe(lost) if raw is not None}
        found: list[Found] = []
        copied: list[UUID] = []
        for place in listed:
            if place.record_id in known:
                row = known[place.record_id].entry
                if row.object_key != place.object_key:
                    copied.append(place.record_id)
                elif selection.has_time(row.occurred_at):
                    found.append(Found(row, False, None))
            elif place.record_id in described:
                self._take_described(described[place.record_id], checkpoint, found, counts)
        return found, copied

    def _take_described(
        self, described: RawObject, checkpoint: Checkpoint, found: list[Found], counts: Counts
    ) -> None:
        if described.entry is None:
            counts.add("unfit")
        elif checkpoint.selection.has_time(described.entry.occurred_at):
            found.append(Found(described.entry, True, described.key_hash))


def _count(
    found: Sequence[Found], copied: Sequence[UUID], states: Mapping[UUID, RecordState], counts: Counts
) -> None:
    counts.add("objects", len(found))
    counts.add("copies", len(copied))
    # The record's own object may be gone: then only the copy shows that something is missing.
    counts.add("missing", sum(states[record_id].outcome == "missing" for record_id in copied))
    for record in found:
        counts.add("lost" if record.is_lost else "known")
        counts.add(f"v{record.entry.version}")
        counts.add(states[record.entry.record_id].outcome)


@cache
def replayer() -> Replayer:
    """Return this environment's replayer."""
    return Replayer(database(), raw_listing(), raw_reader(), topics_by_version(load_settings()))
