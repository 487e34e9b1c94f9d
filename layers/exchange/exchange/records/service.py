"""Normalization of a batch: each delivery becomes canonical or a dead letter, or is asked for again.

A record's own failure counts as an attempt; at the latest the fifth makes it a dead letter. A dependency's failure does
not count: it is raised, and the event source delivers the batch again. ADR 0005.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from exchange.errors import DependencyUnavailable, RecordFailed, RecordRejected, RowRefused
from exchange.ledger import attempts as ledger
from exchange.ledger.attempts import Settlement
from exchange.ledger.model import ATTEMPT_LIMIT, Attempt, Delivery, Standing, Subject
from exchange.platform.db import Database, database
from exchange.platform.functions import tokenize_function
from exchange.platform.settings import load_settings
from exchange.raw.entry import event_contracts_by_topic, topics_by_version
from exchange.raw.reader import raw_reader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.deliveries import RecordIngested, read_batch
from exchange.records.store import CanonicalEntry, write_canonical

# The size of raw objects held in memory at once; a function has a few hundred megabytes.
GROUP_BYTES = 48 * 1024 * 1024

Started = tuple[RecordIngested, Attempt]


@dataclass
class BatchReport:
    """The outcome of a batch; `retry` holds the deliveries that the event source has to bring again.

    `erased` counts records that were erased while they were worked on; those erased before count as repeated.
    """

    canonical: int = 0
    repeated: int = 0
    erased: int = 0
    dead_letters: int = 0
    retry: list[Delivery] = field(default_factory=list)


class Normalizer:
    """The normalizer of one environment."""

    def __init__(
        self, database: Database, canonicalizer: Canonicalizer, contract_of_topic: Mapping[str, str]
    ) -> None:
        self._database = database
        self._canonicalizer = canonicalizer
        self._contract_of_topic = contract_of_topic

    def normalize(self, event: Mapping[str, Any]) -> BatchReport:
        """Process an event of the Kafka event source; raise DependencyUnavailable to have all of it delivered again."""
        report = BatchReport()
        batch = read_batch(event, self._contract_of_topic)
        self._bury(batch.unreadable, report)
        # A record that comes twice in one batch counts once.
        first: dict[UUID, RecordIngested] = {}
        for ingested in batch.readable:
            first.setdefault(ingested.record_id, ingested)
        report.repeated += len(batch.readable) - len(first)
        started = self._start(list(first.values()))
        report.repeated += sum(attempt.standing is Standing.FINISHED for _, attempt in started)
        for group in _groups([pair for pair in started if pair[1].standing is Standing.STARTED]):
            self._work(group, report)
        for ingested, attempt in started:
            if attempt.standing is Standing.SUSPECT:
                self._work_alone(ingested, attempt, report)
        return report

    def _start(self, batch: Sequence[RecordIngested]) -> list[Started]:
        """Commit an attempt for each record before any work is done on it."""
        if not batch:
            return []
        with self._database.transaction() as transaction:
            attempts = ledger.start_attempts(transaction, [_subject(ingested) for ingested in batch])
        return [(ingested, attempts[ingested.record_id]) for ingested in batch]

    def _bury(self, unreadable: Sequence[tuple[Delivery, RecordRejected]], report: BatchReport) -> None:
        if unreadable:
            with self._database.transaction() as transaction:
                # In one order in every environment: an insert waits for an uncommitted insert of the same letter.
                for delivery, failure in sorted(unreadable, key=lambda pair: pair[0].position):
                    ledger.bury(transaction, delivery, None, failure, attempts=0)
        report.dead_letters += len(unreadable)

    def _work_alone(self, ingested: RecordIngested, last: Attempt, report: BatchReport) -> None:
        if last.number >= ATTEMPT_LIMIT:
            died = RecordRejected("the environment died under the last attempt", stage="start_attempt")
            self._settle([(ingested, last)], [died], report)
            return
        with self._database.transaction() as transaction:
            attempt = ledger.start_suspect(transaction, _subject(ingested))
        if attempt.standing is Standing.FINISHED:
            report.repeated += 1
        else:
            self._work([(ingested, attempt)], report)

    def _work(self, group: Sequence[Started], report: BatchReport) -> None:
        try:
            outcomes = self._canonicalizer.canonicalize([ingested for ingested, _ in group])
            self._settle(group, outcomes, report)
        except DependencyUnavailable:
            # If the database itself failed, start_attempts recognises these attempts by our environment's id.
            with suppress(DependencyUnavailable), self._database.transaction() as transaction:
                ledger.give_back_attempts(transaction, [ingested.record_id for ingested, _ in group])
            raise

    def _settle(
        self,
        group: Sequence[Started],
        outcomes: Sequence[CanonicalEntry | RecordFailed],
        report: BatchReport,
    ) -> None:
        settlements = [
            Settlement(
                ingested.delivery,
                ingested.event,
                attempt,
                failure=outcome if isinstance(outcome, RecordFailed) else None,
            )
            for (ingested, attempt), outcome in zip(group, outcomes, strict=True)
        ]
        try:
            with self._database.transaction() as transaction:
                # Settle before writing rows: it locks the records against an erasure and tells which are erased
                # already.
                states = ledger.settle(transaction, settlements)
                erased = {record_id for record_id, state in states.items() if state == "erased"}
                entries = [outcome for outcome in outcomes if isinstance(outcome, CanonicalEntry)]
                write_canonical(
                    transaction, [entry for entry in entries if entry.record.record_id not in erased]
                )
        except RowRefused as refused:
            self._settle_one_by_one(group, outcomes, refused, report)
            return
        settled = [s for s in settlements if s.attempt.record_id not in erased]
        report.erased += len(erased)
        report.canonical += sum(s.failure is None for s in settled)
        ended = [states[s.attempt.record_id] for s in settled if s.state == "dlq"]
        report.dead_letters += ended.count("dlq")
        # a late attempt failed, but another environment has made the record canonical
        report.repeated += ended.count("succeeded")
        report.retry += [s.delivery for s in settled if s.state == "failed_retryable"]

    def _settle_one_by_one(
        self,
        group: Sequence[Started],
        outcomes: Sequence[CanonicalEntry | RecordFailed],
        refused: RowRefused,
        report: BatchReport,
    ) -> None:
        """Settle each record alone, since a constraint refused one row of many: the others are written."""
        if len(group) == 1:
            rejected = RecordRejected(f"the constraint {refused} refused the row", stage="write_canonical")
            self._settle(group, [rejected], report)
            return
        for pair, outcome in zip(group, outcomes, strict=True):
            self._settle([pair], [outcome], report)


def _subject(ingested: RecordIngested) -> Subject:
    return Subject(ingested.record_id, ingested.event_id, ingested.delivery)


def _groups(started: Sequence[Started]) -> Iterator[list[Started]]:
    """Yield runs of records whose raw objects have at most GROUP_BYTES together."""
    group: list[Started] = []
    size_bytes = 0
    for ingested, attempt in started:
        if group and size_bytes + ingested.reference.size_bytes > GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
        group.append((ingested, attempt))
        size_bytes += ingested.reference.size_bytes
    if group:
        yield group


@cache
def normalizer() -> Normalizer:
    """Return this environment's normalizer."""
    contracts = event_contracts_by_topic(topics_by_version(load_settings()))
    return Normalizer(database(), Canonicalizer(raw_reader(), tokenize_function()), contracts)
