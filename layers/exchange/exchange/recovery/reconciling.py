"""Reconcile: the bucket and the tables laid side by side, hour by hour; findings kept, safe ones repaired. ADR 0016."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from exchange.ledger import service as ledger
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Database, Transaction, database
from exchange.platform.listing import Listing, raw_listing
from exchange.platform.objects import raw_objects
from exchange.platform.settings import load_settings
from exchange.recovery import findings, store
from exchange.recovery.classifying import EMITTED, RESTORED, SETTLED, Finding, Sound
from exchange.recovery.describing import Describer
from exchange.recovery.findings import Verdict
from exchange.recovery.jobs import RESERVE_SECONDS, Checkpoint, Jobs, Progress
from exchange.recovery.judging import Judge, Judged
from exchange.recovery.model import Counts, Selection
from exchange.recovery.replaying import BACKLOG_LIMIT, BACKLOG_PAUSE_SECONDS
from exchange.recovery.walking import Page, Walk

GRACE_SECONDS = 300
FIRST_WINDOW = timedelta(hours=24)
AGAIN_RECORDS = 500
SLICE = timedelta(minutes=10)
# Twice as much is then well below the database's ten seconds a statement.
QUICK_SECONDS = 0.5


class Reconciler:
    """The reconciler of one environment."""

    def __init__(
        self,
        database: Database,
        listing: Listing,
        describer: Describer,
        bucket: str,
        topics: Mapping[str, str],
    ) -> None:
        """`topics` by event version."""
        self._database = database
        self._listing = listing
        self._topics = topics
        self._judge = Judge(database, listing, describer, bucket, list(topics.values()))
        self.jobs = Jobs(database, "reconcile")

    def start(self, request: Mapping[str, Any]) -> UUID:
        """Write a job down. Raises ContractViolation.

        Without `since` it looks from where those over everything ended, and at first from a day back. One that begins
        later leaves a gap: the next begins where this one ought to have.
        """
        now = datetime.now(UTC)
        asked = {"repair": False, "grace_seconds": GRACE_SECONDS, "until": now.isoformat(), **request}
        last = self.jobs.last_window_end()
        if "since" not in asked:
            # Records that were younger than the grace were not judged then.
            begin = last - timedelta(seconds=asked["grace_seconds"]) if last else now - FIRST_WINDOW
            asked["since"] = begin.isoformat()
        selection = Selection.of(asked)
        assert selection.since is not None  # noqa: S101 - it has just been set
        asked["leaves_gap"] = selection.since > (last or now - FIRST_WINDOW)
        with self._database.transaction() as transaction:
            findings.prune(transaction)
        return self.jobs.start(asked, asked.get("shards", 1))

    def run(self, job_id: UUID, shard: int, remaining_seconds: float) -> Progress:
        """Go on with a shard until it is through, its time is over, or it has to wait.

        Raises DependencyUnavailable, or JobCancelled.
        """
        last_moment = time.monotonic() + max(remaining_seconds - RESERVE_SECONDS, 0.0)
        checkpoint = self.jobs.read(job_id, shard)
        before = checkpoint.counts
        if checkpoint.is_done:
            return Progress.at(checkpoint, before, done=True)
        selection = checkpoint.selection
        walk = Walk(
            self._listing,
            selection,
            checkpoint.shard,
            old_layout=checkpoint.request.get("old_layout", False),
            more_sources=self._judge.manifest_sources(),
            more_folders=lambda source: self._judge.manifest_folders(source, selection),
            end_within=self._judge.page_end,
        )
        counts = Counts(dict(checkpoint.counts))
        for page in walk.pages(checkpoint.cursor):
            checkpoint = self._reconcile(checkpoint, page, counts)
            if checkpoint.request["repair"] and self._backlog() >= BACKLOG_LIMIT:
                return Progress.at(checkpoint, before, "outbox", BACKLOG_PAUSE_SECONDS)
            if time.monotonic() >= last_moment:
                return Progress.at(checkpoint, before, "time")
        if self.jobs.finish_unless_last(checkpoint):
            self._find_unknown(checkpoint, counts)
            self.jobs.finish(checkpoint)
        return Progress.at(replace(checkpoint, counts=dict(counts.values)), before, done=True)

    def look_again(self, request: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> Counts:
        """Judge every open finding anew, those that wait longest first, as far as the time goes."""
        began = datetime.now(UTC)
        grace_seconds = request.get("grace_seconds", GRACE_SECONDS)
        counts = Counts({})
        while remaining_seconds() > RESERVE_SECONDS:
            with self._database.transaction() as transaction:
                waiting = findings.read_open(transaction, began, AGAIN_RECORDS)
            if not waiting:
                break
            judged, gone = self._judge.judge_again(waiting, grace_seconds)
            with self._database.transaction() as transaction:
                self._settle(transaction, judged, counts, repair=request.get("repair", False), gone=gone)
        return counts

    def count_open(self) -> dict[str, int]:
        """How many findings are open, by what was found."""
        with self._database.transaction() as transaction:
            return findings.count_open(transaction)

    def read_findings(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A page of findings for people."""
        with self._database.transaction() as transaction:
            return findings.read(transaction, request)

    def _find_unknown(self, checkpoint: Checkpoint, counts: Counts) -> None:
        """Canonical rows of which neither bucket nor manifest knows, by the attempts of the window.

        Comes last: only what every shard has passed over is unknown to the bucket.
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
            # A year in which little happened is not asked for ten minutes at a time.
            length = 2 * length if time.monotonic() - began < QUICK_SECONDS else SLICE
            since = until
            if not unknown:
                continue
            named = [(record_id, None, Finding.CANONICAL_WITHOUT_RAW) for record_id in unknown]
            judged, _ = self._judge.judge_again(named, 0)
            with self._database.transaction() as transaction:
                self._settle(transaction, judged, counts, repair=False)

    def _backlog(self) -> int:
        with self._database.transaction() as transaction:
            return store.read_backlog(transaction, BACKLOG_LIMIT)

    def _reconcile(self, checkpoint: Checkpoint, page: Page, counts: Counts) -> Checkpoint:
        request = checkpoint.request
        judged = self._judge.judge_page(
            page, request["grace_seconds"], check_hashes=request.get("check_hashes", False)
        )
        counts.add("objects", len(page.objects))
        with self._database.transaction() as transaction:
            self._settle(transaction, judged, counts, repair=request["repair"])
            self.jobs.save(transaction, checkpoint, page.cursor, counts.values, page.progress)
        return replace(checkpoint, cursor=page.cursor, counts=dict(counts.values), progress=page.progress)

    def _settle(
        self,
        transaction: Transaction,
        judged: Sequence[Judged],
        counts: Counts,
        *,
        repair: bool,
        gone: Sequence[tuple[UUID, str]] = (),
    ) -> None:
        repaired = self._repair(transaction, judged) if repair else set()
        for record in judged:
            counts.add("records")
            counts.add(str(record.said))
            if record.said is Sound.IN_FLIGHT:
                counts.at_most("in_flight_since", _since(record))
            if record.record_id in repaired:
                counts.add("repaired")
                counts.add(f"repaired_{record.said}")
        findings.audit(
            transaction,
            [
                (record.said, record.manifest)
                for record in judged
                if record.record_id in repaired
                and isinstance(record.said, Finding)
                and record.manifest is not None
            ],
        )
        verdicts = [record.verdict(repaired=record.record_id in repaired) for record in judged]
        over = [
            Verdict(record_id, Sound.OK, object_key, None, hash_known=True) for record_id, object_key in gone
        ]
        findings.write(transaction, verdicts + over)

    def _repair(self, transaction: Transaction, judged: Sequence[Judged]) -> set[UUID]:
        """Mend what can safely be mended, with everything else that `transaction` holds; which records it was."""
        lost = [record for record in judged if record.said in RESTORED and record.manifest is not None]
        restored = store.restore(
            transaction,
            [(r.manifest.entry, r.described.key_hash if r.described else None) for r in lost if r.manifest],
        )
        # A row that was there after all came from the client's retry, and its event with it.
        to_emit = [
            record.manifest.entry
            for record in judged
            if record.said in EMITTED
            and record.manifest is not None
            and (record.said not in RESTORED or record.record_id in restored)
        ]
        unsettled = [record.record_id for record in judged if record.said in SETTLED]
        ledger.lock_states(transaction, [*(entry.record_id for entry in to_emit), *unsettled])
        emitted = store.emit(transaction, to_emit, "auto", self._topics)
        return restored | emitted | findings.settle_canonical(transaction, unsettled)


def _since(record: Judged) -> int:
    """When a record under way was accepted, in whole seconds since 1970."""
    if record.facts.manifest is not None:
        return int(record.facts.manifest.entry.occurred_at.timestamp())
    return int(record.facts.raw.last_modified.timestamp()) if record.facts.raw else 0


@cache
def reconciler() -> Reconciler:
    """This environment's reconciler."""
    settings = load_settings()
    bucket = settings.require("raw_bucket")
    describer = Describer(raw_objects(), PartnerRegistry(database()), bucket)
    topics = {"1": settings.topic_record_ingested_v1, "2": settings.topic_record_ingested_v2}
    return Reconciler(database(), raw_listing(), describer, bucket, topics)
