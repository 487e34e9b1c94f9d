"""Publication of the outbox at least once and in order for each key, by up to one publisher per shard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

from exchange.errors import DependencyUnavailable
from exchange.outbox import store
from exchange.platform.bus import Bus, Message, bus
from exchange.platform.db import Database, database
from exchange.platform.deadline import Deadline
from exchange.platform.settings import load_settings

PAGE_EVENTS = 1_000
POLL_SECONDS = 0.02
# The wait between two attempts to reach a database that is away.
OUTAGE_POLL_SECONDS = 0.5
PRUNE_PAGE = 5_000


@dataclass(frozen=True)
class PublishReport:
    """The numbers of events that one run published and left behind."""

    published: int
    failed: int
    pruned: int
    backlog: int
    oldest_age_seconds: float


class Publisher:
    """The publisher of one environment."""

    def __init__(self, database: Database, bus: Bus, *, retention_hours: int) -> None:
        self._database = database
        self._bus = bus
        self._retention_hours = retention_hours

    def run(self, linger_seconds: float, deadline: Deadline) -> PublishReport:
        """Publish waiting events, then for `linger_seconds` those that arrive; prune; return the report.

        This has the only sleep in the exchange: an empty outbox is polled every POLL_SECONDS, because NOTIFY would take
        a database-wide lock at every commit of an ingest (ADR 0003). The run waits for a database that is away, since
        the next run starts only a minute later. Raises DependencyUnavailable when it is still away at the end.
        """
        linger = min(Deadline.after(linger_seconds), deadline)
        published = failed = 0
        while True:
            try:
                outcomes = self.publish_page()
            except DependencyUnavailable:
                if linger.remaining_seconds <= OUTAGE_POLL_SECONDS:
                    raise
                time.sleep(OUTAGE_POLL_SECONDS)
                continue
            page_failures = sum(outcome is not None for outcome in outcomes)
            published += len(outcomes) - page_failures
            failed += page_failures
            # A backlog is worked off even after the linger has passed, but not after the deadline.
            if outcomes and not page_failures and not deadline.has_passed:
                continue
            if linger.remaining_seconds <= POLL_SECONDS:
                break
            time.sleep(POLL_SECONDS)
        pruned = self.prune()
        with self._database.transaction() as transaction:
            backlog, oldest_age_seconds = store.read_backlog(transaction)
        return PublishReport(published, failed, pruned, backlog, oldest_age_seconds)

    def publish_page(self) -> list[str | None]:
        """Take shards, produce and mark in one transaction; return the outcome of each event."""
        with self._database.transaction() as transaction:
            events = store.take_pending(transaction, PAGE_EVENTS)
            if not events:
                return []
            outcomes = self._bus.produce(
                [Message(event.topic, event.key.encode(), event.value) for event in events]
            )
            store.mark_outcomes(transaction, events, outcomes)
        return outcomes

    def prune(self) -> int:
        """Delete a page of events published longer ago than the retention."""
        with self._database.transaction() as transaction:
            return store.prune_published(transaction, self._retention_hours, PRUNE_PAGE)


@cache
def publisher() -> Publisher:
    """Return this environment's publisher."""
    return Publisher(database(), bus(), retention_hours=int(load_settings().outbox_retention_hours))
