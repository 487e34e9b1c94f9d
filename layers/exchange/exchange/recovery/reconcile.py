"""Reconcile: compares bucket and tables hour by hour, writes findings and repairs the safe ones. ADR 0016."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from exchange.platform.contracts import contract
from exchange.platform.db import Database, Transaction, database
from exchange.platform.deadline import Deadline
from exchange.platform.listing import Listing, raw_listing
from exchange.platform.settings import load_settings
from exchange.raw.entry import topics_by_version
from exchange.raw.reader import RawReader, raw_reader
from exchange.recovery import findings, store
from exchange.recovery.compare import Comparer, Comparison
from exchange.recovery.findings import Verdict
from exchange.recovery.jobs import BACKLOG_PAUSE_SECONDS, Answer, Checkpoint, Jobs, Progress, resume
from exchange.recovery.model import Counts, Selection
from exchange.recovery.repair import repair
from exchange.recovery.rules import Finding, Sound
from exchange.recovery.scan import Page, Scan

GRACE_SECONDS = 300
FIRST_WINDOW = timedelta(hours=24)
AGAIN_RECORDS = 500
SLICE = timedelta(minutes=10)
# A statement that took less than this may cover twice as much: that stays well below the timeout of ten seconds.
QUICK_SECONDS = 0.5


class Reconciler:
    """The reconciler of one environment."""

    def __init__(
        self,
        database: Database,
        listing: Listing,
        reader: RawReader,
        bucket: str,
        topics: Mapping[str, str],
    ) -> None:
        """Create a reconciler; `topics` are by event version."""
        self._database = database
        self._listing = listing
        self._topics = topics
        self._comparer = Comparer(database, listing, reader, bucket, list(topics.values()))
        self.jobs = Jobs(database, "reconcile")

    def answer(self, event: Mapping[str, Any], deadline: Deadline) -> Answer:
        """Answer an operator or a schedule, whose requests contracts/api/schemas/reconcile.request.json describes.

        Raises ContractViolation, naming the field, or DependencyUnavailable.
        """
        contract("api/schemas/reconcile.request").validate(event)
        request = {name: value for name, value in event.items() if name != "action"}
        match event["action"]:
            case "run":
                return self._with_open_findings(self._run_next(request, deadline))
            case "continue":
                progress = self.run(UUID(request["job_id"]), request["shard"], deadline)
                return self._with_open_findings(Answer.of_shard(progress))
            case "look_again":
                counts = self.look_again(request, deadline)
                return self._with_open_findings(Answer({"counts": counts.values}))
            case "findings":
                return Answer(self.read_findings(request))
            case "start":
                return Answer({"job_id": str(self.start(request)), "shards": request.get("shards", 1)})
            case _:
                return Answer({"cancelled": self.jobs.cancel(UUID(request["job_id"]))})

    def start(self, request: Mapping[str, Any]) -> UUID:
        """Write a new job. Raises ContractViolation.

        Without `since` the job begins where the last one over all sources ended; the first job begins a day ago. A job
        that begins later than that leaves a gap, and the next job begins where this one should have begun.
        """
        now = datetime.now(UTC)
        asked = {"repair": False, "grace_seconds": GRACE_SECONDS, "until": now.isoformat(), **request}
        last = self.jobs.last_window_end()
        if "since" not in asked:
            # The last job passed over records that were younger than the grace period.
            begin = last - timedelta(seconds=asked["grace_seconds"]) if last else now - FIRST_WINDOW
            asked["since"] = begin.isoformat()
        selection = Selection.of(asked)
        assert selection.since is not None  # noqa: S101 - it has just been set
        asked["leaves_gap"] = selection.since > (last or now - FIRST_WINDOW)
        with self._database.transaction() as transaction:
            store.prune_findings(transaction)
        return self.jobs.start(asked, asked.get("shards", 1))

    def run(self, job_id: UUID, shard: int, deadline: Deadline) -> Progress:
        """Work on a shard until it is finished, the deadline has passed, or it has to wait.

        Raises DependencyUnavailable, or JobCancelled.
        """
        checkpoint = self.jobs.read(job_id, shard)
        before = checkpoint.counts
        if checkpoint.is_done:
            return Progress.at(checkpoint, before, done=True)
        selection = checkpoint.selection
        scan = Scan(
            self._listing,
            selection,
            checkpoint.shard,
            old_layout=checkpoint.request.get("old_layout", False),
            more_sources=self._comparer.manifest_sources(),
            more_folders=lambda source: self._comparer.manifest_folders(source, selection),
            end_within=self._comparer.page_end,
        )
        counts = Counts(dict(checkpoint.counts))
        for page in scan.pages(checkpoint.cursor):
            checkpoint = self._reconcile(checkpoint, page, counts)
            if checkpoint.request["repair"] and self.jobs.is_outbox_full():
                return Progress.at(checkpoint, before, "outbox", BACKLOG_PAUSE_SECONDS)
            if deadline.has_passed:
                return Progress.at(checkpoint, before, "time")
        if self.jobs.finish_unless_last(checkpoint):
            self._find_unknown(checkpoint, counts)
            self.jobs.finish(checkpoint)
        return Progress.at(replace(checkpoint, counts=dict(counts.values)), before, done=True)

    def look_again(self, request: Mapping[str, Any], deadline: Deadline) -> Counts:
        """Compare the records of open findings again, the longest unchecked first, until the deadline."""
        began = datetime.now(UTC)
        grace_seconds = request.get("grace_seconds", GRACE_SECONDS)
        counts = Counts({})
        while not deadline.has_passed:
            with self._database.transaction() as transaction:
                waiting = store.read_open_findings(transaction, began, AGAIN_RECORDS)
            if not waiting:
                break
            compared, gone = self._comparer.compare_again(waiting, grace_seconds)
            with self._database.transaction() as transaction:
                self._settle(transaction, compared, counts, mend=request.get("repair", False), gone=gone)
        return counts

    def count_open(self) -> dict[str, int]:
        """Count the open findings by kind."""
        with self._database.transaction() as transaction:
            return store.count_open_findings(transaction)

    def read_findings(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of findings for display."""
        with self._database.transaction() as transaction:
            return findings.read_page(transaction, request)

    def _run_next(self, request: Mapping[str, Any], deadline: Deadline) -> Answer:
        # At most half of the time, so that new records are compared however many findings are open.
        self.look_again(request, deadline.half())
        # Shards that the last run did not finish come before a new job.
        left = resume(self, deadline)
        if left and not left[-1].done:
            return Answer.of_shard(left[-1])
        return Answer.of_shard(self.run(self.start({**request, "shards": 1}), 0, deadline))

    def _with_open_findings(self, answer: Answer) -> Answer:
        found = self.count_open()
        return Answer({**answer.body, "open_findings": found}, answer.progress, found)

    def _find_unknown(self, checkpoint: Checkpoint, counts: Counts) -> None:
        """Find canonical rows without object and manifest row, by the attempts in the window.

        This comes last: only when all shards are scanned is it known which records have no object.
        """
        selection = checkpoint.selection
        if selection.source or selection.prefix or selection.since is None or selection.until is None:
            return
        with self._database.transaction() as transaction:
            first = store.read_first_attempt(transaction)
        since = max(selection.since, first) if first else selection.until
        length = SLICE
        while since < selection.until:
            until, began = min(since + length, selection.until), time.monotonic()
            with self._database.transaction() as transaction:
                unknown = store.read_unknown_canonical(transaction, since, until)
            # Grow the slices, or a year of few records would be read ten minutes at a time.
            length = 2 * length if time.monotonic() - began < QUICK_SECONDS else SLICE
            since = until
            if not unknown:
                continue
            named = [(record_id, None, Finding.CANONICAL_WITHOUT_RAW) for record_id in unknown]
            compared, _ = self._comparer.compare_again(named, 0)
            with self._database.transaction() as transaction:
                self._settle(transaction, compared, counts, mend=False)

    def _reconcile(self, checkpoint: Checkpoint, page: Page, counts: Counts) -> Checkpoint:
        request = checkpoint.request
        compared = self._comparer.compare_page(
            page, request["grace_seconds"], check_hashes=request.get("check_hashes", False)
        )
        counts.add("objects", len(page.objects))
        with self._database.transaction() as transaction:
            self._settle(transaction, compared, counts, mend=request["repair"])
            self.jobs.save(transaction, checkpoint, page.cursor, counts.values, page.progress)
        return replace(checkpoint, cursor=page.cursor, counts=dict(counts.values), progress=page.progress)

    def _settle(
        self,
        transaction: Transaction,
        compared: Sequence[Comparison],
        counts: Counts,
        *,
        mend: bool,
        gone: Sequence[tuple[UUID, str]] = (),
    ) -> None:
        """Repair if `mend`, count, and write the findings; `gone` are objects whose findings are to be resolved."""
        repaired = repair(transaction, compared, self._topics) if mend else set()
        for record in compared:
            counts.add("records")
            counts.add(str(record.verdict))
            if record.verdict is Sound.IN_FLIGHT:
                counts.at_most("in_flight_since", _since(record))
            if record.record_id in repaired:
                counts.add("repaired")
                counts.add(f"repaired_{record.verdict}")
        verdicts = [record.to_verdict(repaired=record.record_id in repaired) for record in compared]
        over = [
            Verdict(record_id, Sound.OK, object_key, None, hash_known=True) for record_id, object_key in gone
        ]
        findings.write(transaction, verdicts + over)


def _since(record: Comparison) -> int:
    """Return when a record in flight was accepted, in whole seconds since 1970."""
    if record.facts.manifest is not None:
        return int(record.facts.manifest.entry.occurred_at.timestamp())
    return int(record.facts.raw.last_modified.timestamp()) if record.facts.raw else 0


@cache
def reconciler() -> Reconciler:
    """Return this environment's reconciler."""
    settings = load_settings()
    bucket, topics = settings.require("raw_bucket"), topics_by_version(settings)
    return Reconciler(database(), raw_listing(), raw_reader(), bucket, topics)
