"""Runs of replay and reconcile on a test's own exchange, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3

from exchange.dead_letters.service import DeadLetters
from exchange.partners.service import PartnerRegistry
from exchange.platform.deadline import Deadline
from exchange.platform.listing import Listing
from exchange.raw.reader import RawReader
from exchange.recovery.jobs import Progress
from exchange.recovery.reconcile import Reconciler
from exchange.recovery.replay import Replayer
from tests.integration.exchange.harness import TOPICS, Exchange, kafka_event

LONG_SECONDS = 600.0
CANONICAL = (
    *("canonical_records", "canonical_encounters", "canonical_claims", "canonical_claim_lines"),
    *("canonical_lab_results", "canonical_lab_observations", "patient_tokens"),
)
LEDGER = ("processing_stage_state", "processing_attempts", "dead_letters")


def listing(exchange: Exchange) -> Listing:
    s3 = exchange.endpoints.s3
    client = boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
    )
    return Listing(client, exchange.bucket)


def replayer(exchange: Exchange) -> Replayer:
    database = exchange.connect_as("exchange_replay")
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    return Replayer(database, listing(exchange), reader, TOPICS)


def reconciler(exchange: Exchange) -> Reconciler:
    database = exchange.connect_as("exchange_reconcile")
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    return Reconciler(database, listing(exchange), reader, exchange.bucket, TOPICS)


def redriver(exchange: Exchange) -> DeadLetters:
    database = exchange.connect_as("exchange_redrive")
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    return DeadLetters(database, reader, TOPICS)


def replay(exchange: Exchange, mode: str = "emit", **request: Any) -> dict[str, int]:
    """Replay all shards to their end, one after the other; return their total counts."""
    worker = replayer(exchange)
    job_id = worker.start({"mode": mode, **request})
    total: dict[str, int] = {}
    for shard in range(request.get("shards", 1)):
        progress = worker.run(job_id, shard, Deadline.after(LONG_SECONDS))
        assert progress.done, progress
        add(total, progress)
    return total


def add(total: dict[str, int], progress: Progress) -> None:
    for name, count in progress.counts.items():
        total[name] = total.get(name, 0) + count


def reconcile(exchange: Exchange, **request: Any) -> dict[str, int]:
    """Reconcile everything, by default without a grace period; return the counts."""
    worker = reconciler(exchange)
    asked = {"since": "2020-01-01T00:00:00Z", "old_layout": True, "grace_seconds": 0, **request}
    progress = worker.run(worker.start(asked), 0, Deadline.after(LONG_SECONDS))
    assert progress.done, progress
    return progress.counts


def pending_events(exchange: Exchange) -> list[tuple[str, str, bytes]]:
    """Return (topic, key, value) of the events that wait in the outbox, in order."""
    rows = exchange.rows(
        "SELECT topic, key, value FROM outbox_events WHERE published_at IS NULL ORDER BY outbox_id"
    )
    return [(topic, key, bytes(value)) for topic, key, value in rows]


def publish(exchange: Exchange) -> list[tuple[str, str, bytes]]:
    """Mark the waiting events as acknowledged by a broker; return them."""
    events = pending_events(exchange)
    exchange.rows("UPDATE outbox_events SET published_at = clock_timestamp() WHERE published_at IS NULL")
    return events


def deliver(exchange: Exchange, events: list[tuple[str, str, bytes]]) -> int:
    """Deliver events to normalize, topic by topic; return how many records became canonical."""
    normalizer = exchange.normalizer()
    canonical = 0
    for topic in TOPICS.values():
        values = [value for name, _, value in events if name == topic]
        if values:
            canonical += normalizer.normalize(kafka_event(*values, topic=topic)).canonical
    return canonical


def table(exchange: Exchange, name: str) -> list[Any]:
    return [
        row for (row,) in exchange.rows(f"SELECT to_jsonb(t) FROM {name} AS t ORDER BY to_jsonb(t)::text")
    ]


def canonical_tables(exchange: Exchange) -> Mapping[str, list[Any]]:
    return {name: table(exchange, name) for name in CANONICAL}


def findings(exchange: Exchange) -> dict[str, str]:
    """Return the open findings by record id."""
    return {
        str(record_id): finding
        for record_id, finding in exchange.rows(
            "SELECT record_id, finding FROM reconcile_findings WHERE resolved_at IS NULL"
        )
    }
