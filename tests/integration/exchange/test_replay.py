"""Everything is restored from the bucket alone, once, with the same bytes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from exchange.errors import ContractViolation
from exchange.intake.model import Submission
from exchange.partners.service import PartnerRegistry
from exchange.platform.deadline import Deadline
from exchange.platform.listing import PAGE_KEYS, ListedPage, Listing
from exchange.platform.objects import StoredObject
from exchange.raw.reader import RawReader
from exchange.recovery.jobs import JobCancelled, ShardTaken, resume
from exchange.recovery.replay import Replayer
from tests.integration.exchange.harness import (
    SAM,
    TOPICS,
    Context,
    Exchange,
    body_of,
    example,
    http_request,
    object_metadata,
    record_ingested,
    submission,
)
from tests.integration.exchange.recovery_harness import (
    CANONICAL,
    LEDGER,
    LONG_SECONDS,
    add,
    canonical_tables,
    deliver,
    listing,
    pending_events,
    publish,
    replay,
    replayer,
    table,
)

HINT_OF = {"1": "partnerA.v1", "2": "partnerA.v2"}
KINDS = ("encounter", "claim", "lab_result")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ingest(exchange: Exchange, number: int = 6) -> list[str]:
    """Ingest records of both versions and every kind; return their ids."""
    intake = exchange.intake()
    record_ids = []
    for n in range(number):
        version, kind = str(n % 2 + 1), KINDS[n % 3]
        body = body_of(version, kind, HINT_OF[version], example(HINT_OF[version], kind), SAM)
        request = http_request(body, key=f"key-of-record-{n:04}", route=f"/v{version}/ingest")
        record_ids.append(intake.submit(request, Context()).record_id)  # type: ignore[arg-type]
    return record_ids


def store(exchange: Exchange, number: int, **changes: Any) -> list[Submission]:
    """Store raw objects that no table has rows about."""
    records = [replace(submission(f"key-of-object-{n:05}"), **changes) for n in range(number)]
    for record in records:
        exchange.put(record)
    return records


def store_old(exchange: Exchange, record: Submission) -> None:
    """Store an object as the first system did, without hour and metadata."""
    exchange.objects().put(f"{record.source}/{record.record_id}.json", record.body, {})


def lose_tables(exchange: Exchange) -> None:
    exchange.rows(
        f"TRUNCATE raw_object_manifest, idempotency_keys, outbox_events, audit_log, {', '.join((*CANONICAL, *LEDGER))}"
    )


def in_order(records: list[Submission]) -> list[str]:
    return [str(r.record_id) for r in sorted(records, key=lambda r: r.object_key)]


def test_an_empty_database_and_a_full_bucket_become_what_they_were_row_by_row(exchange: Exchange) -> None:
    ingest(exchange, 12)
    first_events = publish(exchange)
    assert deliver(exchange, first_events) == 12
    before = canonical_tables(exchange), table(exchange, "raw_object_manifest")
    lose_tables(exchange)
    assert exchange.count("canonical_records") == 0

    counts = replay(exchange)
    assert (counts["restored"], counts["emitted"], counts["missing"]) == (12, 12, 12)
    restored = (
        "SELECT record_id, partner_id, route, correlation_id FROM audit_log"
        " WHERE (action, outcome, status) = ('replay', 'restored', 200) ORDER BY record_id"
    )
    assert exchange.rows(restored) == exchange.rows(
        "SELECT record_id, partner_id, route, job_id::text FROM raw_object_manifest, job_runs ORDER BY record_id"
    )
    events = publish(exchange)
    assert sorted(events) == sorted(first_events)
    assert deliver(exchange, events) == 12
    assert (canonical_tables(exchange), table(exchange, "raw_object_manifest")) == before
    assert replay(exchange, "verify")["canonical"] == 12


def test_a_repeated_request_is_answered_after_the_loss_of_the_database_as_it_was_before(
    exchange: Exchange,
) -> None:
    hint = HINT_OF["1"]
    body = body_of("1", "claim", hint, example(hint, "claim"), SAM)
    request = http_request(body, key="key-of-a-client", correlation_id="of-the-first-time")
    first = exchange.intake().submit(request, Context())  # type: ignore[arg-type]
    lose_tables(exchange)
    replay(exchange)
    again = replace(request, headers={**request.headers, "x-correlation-id": ["of-the-second-time"]})
    assert exchange.intake().submit(again, Context()) == first  # type: ignore[arg-type]


def test_a_replay_of_what_is_there_is_the_same_bytes_and_changes_no_row(exchange: Exchange) -> None:
    ingest(exchange)
    first_events = publish(exchange)
    deliver(exchange, first_events)
    before = canonical_tables(exchange), table(exchange, "raw_object_manifest")
    audited = exchange.count("audit_log")
    counts = replay(exchange)
    assert exchange.count("audit_log") == audited
    assert (counts["emitted"], counts["canonical"]) == (6, 6)
    assert "restored" not in counts
    events = publish(exchange)
    assert sorted(events) == sorted(first_events)
    assert deliver(exchange, events) == 0
    assert (canonical_tables(exchange), table(exchange, "raw_object_manifest")) == before


def test_a_record_whose_canonical_row_was_lost_is_made_again_though_the_ledger_calls_it_done(
    exchange: Exchange,
) -> None:
    ingest(exchange)
    deliver(exchange, publish(exchange))
    before = canonical_tables(exchange)
    exchange.rows(f"TRUNCATE {', '.join(CANONICAL)}")
    assert replay(exchange)["missing"] == 6
    assert deliver(exchange, publish(exchange)) == 6
    assert canonical_tables(exchange) == before


def test_events_leave_in_the_order_of_sources_and_hours_and_keys(exchange: Exchange) -> None:
    late = store(exchange, 20, occurred_at=NOON + timedelta(hours=12))
    early = [replace(submission(f"key-of-early-{n:04}"), occurred_at=NOON) for n in range(9)]
    for record in early:
        exchange.put(record)
    old = [submission(f"key-of-old-one-{n:04}") for n in range(5)]
    for record in old:
        store_old(exchange, record)
    replay(exchange)
    expected = sorted(str(r.record_id) for r in old) + in_order(early) + in_order(late)
    assert [key for _, key, _ in pending_events(exchange)] == expected


@pytest.mark.parametrize("shards", [2, 16])
def test_shards_are_disjoint_and_together_everything(exchange: Exchange, shards: int) -> None:
    records = store(exchange, 60)
    old = [submission(f"key-of-old-one-{n:04}") for n in range(30)]
    for record in old:
        store_old(exchange, record)
    counts = replay(exchange, shards=shards)
    assert counts["emitted"] == 90
    keys = [key for _, key, _ in pending_events(exchange)]
    assert sorted(keys) == sorted(str(r.record_id) for r in records + old)


def test_a_shard_goes_on_where_its_time_ran_out_and_emits_nothing_twice(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.recovery.budget.PAGE_OBJECTS", 7)
    store(exchange, 30)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit"})
    progress = []
    for _ in range(20):
        # no time is left: each invocation does the least that it can
        said = worker.run(job_id, 0, Deadline.after(0.02))
        progress.append(said.progress)
        if said.done:
            break
        assert said.waits_for == "time"
    assert said.done
    assert progress == sorted(progress)
    assert said.counts["emitted"] == exchange.count("outbox_events") == 30
    assert exchange.rows("SELECT state FROM job_runs") == [("succeeded",)]
    assert worker.run(job_id, 0, Deadline.after(LONG_SECONDS)).done
    assert exchange.count("outbox_events") == 30


def test_a_page_of_a_shard_that_another_invoke_has_gone_on_with_takes_no_effect(exchange: Exchange) -> None:
    store(exchange, 5)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit"})
    stale = worker.jobs.read(job_id, 0)
    worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    with pytest.raises(ShardTaken), exchange.connect_as("exchange_replay").transaction() as transaction:
        worker.jobs.save(transaction, stale, "hospital-a/x", {}, 0.5)
    assert exchange.count("outbox_events") == 5


def test_what_was_left_is_taken_up_by_the_schedule(exchange: Exchange) -> None:
    store(exchange, 5)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit"})
    worker.start({"mode": "verify"})
    assert resume(worker, Deadline.after(LONG_SECONDS)) == []
    exchange.rows("UPDATE job_checkpoints SET updated_at = updated_at - interval '2 minutes'")
    (resumed,) = resume(worker, Deadline.after(LONG_SECONDS))
    assert (resumed.job_id, resumed.done, resumed.counts["emitted"]) == (job_id, True, 5)


def test_a_cancelled_job_does_nothing_more_and_is_not_called_done(exchange: Exchange) -> None:
    store(exchange, 5)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit"})
    assert worker.jobs.cancel(job_id)
    with pytest.raises(JobCancelled, match="job_id: was cancelled"):
        worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert exchange.count("outbox_events") == 0


class ListingThatThen(Listing):
    """A real bucket that calls a function after each page."""

    def __init__(self, listing: Listing, then: Callable[[], object]) -> None:
        super().__init__(listing._client, listing._bucket)
        self._then = then

    def page(self, prefix: str, after: str = "", *, limit: int = PAGE_KEYS, flat: bool = False) -> ListedPage:
        page = super().page(prefix, after, limit=limit, flat=flat)
        self._then()
        return page


def test_a_job_that_is_cancelled_under_way_emits_no_further_page(exchange: Exchange) -> None:
    store(exchange, 5)
    database = exchange.connect_as("exchange_replay")
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    canceller = replayer(exchange)
    job_id = canceller.start({"mode": "emit"})
    watched = ListingThatThen(listing(exchange), lambda: canceller.jobs.cancel(job_id))
    with pytest.raises(ShardTaken):
        Replayer(database, watched, reader, TOPICS).run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert exchange.count("outbox_events") == exchange.count("raw_object_manifest") == 0
    assert exchange.rows("SELECT state FROM job_runs") == [("cancelled",)]


def test_a_rate_is_kept_by_coming_back_later_and_not_by_sleeping(exchange: Exchange) -> None:
    store(exchange, 90)
    worker = replayer(exchange)
    # one second of the rate is available at once, and a shard gets its part of it
    job_id = worker.start({"mode": "emit", "rate_per_sec": 1})
    first = worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert first.waits_for == "rate"
    assert 1 <= first.counts["emitted"] < 60
    assert first.resume_after_seconds > 0
    exchange.rows("UPDATE job_checkpoints SET paid_until = clock_timestamp() + interval '10 seconds'")
    again = worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert again.counts == first.counts
    assert 5 < again.resume_after_seconds <= 11
    # after a week only a minute of the rate has accumulated
    exchange.rows("UPDATE job_checkpoints SET paid_until = paid_until - interval '1 week'")
    third = worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert (third.waits_for, third.counts["emitted"] - first.counts["emitted"]) == ("rate", 60)
    exchange.rows("UPDATE job_checkpoints SET paid_until = paid_until - interval '1 week'")
    last = worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
    assert (last.done, last.counts["emitted"]) == (True, 90)


def test_the_slowest_rate_over_the_most_shards_is_kept(exchange: Exchange) -> None:
    (record, *_) = store(exchange, 40)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit", "rate_per_sec": 0.1, "shards": 16})
    shard = int(str(record.record_id)[0], 16)

    def emitted_after(seconds: float) -> int:
        exchange.rows(
            "UPDATE job_checkpoints SET paid_until = paid_until - make_interval(secs => %s)", seconds
        )
        return worker.run(job_id, shard, Deadline.after(LONG_SECONDS)).counts.get("emitted", 0)

    # the shard's rate is one event in 160 s, the first in advance
    assert [emitted_after(seconds) for seconds in (60, 150, 15)] == [1, 1, 2]


def test_live_events_do_not_wait_behind_a_replay(exchange: Exchange) -> None:
    store(exchange, 3)
    exchange.rows(
        "INSERT INTO outbox_events (shard, topic, key, value)"
        " SELECT 0, 'record.ingested.v1', n::text, 'x' FROM generate_series(1, 10000) AS n"
    )
    worker = replayer(exchange)
    said = worker.run(worker.start({"mode": "emit"}), 0, Deadline.after(LONG_SECONDS))
    assert (said.done, said.waits_for, said.counts) == (False, "outbox", {})


def test_a_v1_record_goes_out_as_v2_by_stated_rules_and_becomes_the_same_rows(exchange: Exchange) -> None:
    ingest(exchange, 6)
    deliver(exchange, publish(exchange))
    before = canonical_tables(exchange)
    lose_tables(exchange)
    replay(exchange, emit_version="v2")
    events = publish(exchange)
    assert {topic for topic, _, _ in events} == {TOPICS["2"]}
    from_v1 = [json.loads(value) for _, _, value in events]
    assert {(e["event_version"], e["schema_hint"]) for e in from_v1} == {
        ("2", "partnerA.v1"),
        ("2", "partnerA.v2"),
    }
    assert {e["record_kind"] for e in from_v1} == set(KINDS)
    assert deliver(exchange, events) == 6
    assert canonical_tables(exchange) == before


def test_a_v2_record_goes_out_as_v1_and_becomes_the_same_rows(exchange: Exchange) -> None:
    ingest(exchange, 6)
    deliver(exchange, publish(exchange))
    before = canonical_tables(exchange)
    lose_tables(exchange)
    replay(exchange, emit_version="v1")
    events = publish(exchange)
    assert {topic for topic, _, _ in events} == {TOPICS["1"]}
    assert deliver(exchange, events) == 6
    assert canonical_tables(exchange) == before


@pytest.mark.parametrize(
    ("version", "hint"), [("1", "partnerA.v1"), ("1", "partnerB.v1"), ("2", "partnerA.v2")]
)
def test_auto_knows_an_object_of_the_old_system_by_its_body(
    exchange: Exchange, version: str, hint: str
) -> None:
    record = submission("key-of-an-old-one", version=version, hint=hint)
    store_old(exchange, record)
    assert replay(exchange)["restored"] == 1
    events = publish(exchange)
    ((topic, key, value),) = events
    assert (topic, key) == (TOPICS[version], str(record.record_id))
    # rebuilt again, it is the same event
    exchange.rows("TRUNCATE raw_object_manifest")
    replay(exchange)
    assert publish(exchange) == events
    assert json.loads(value)["raw_object"]["key"] == f"{record.source}/{record.record_id}.json"
    assert deliver(exchange, events) == 1
    assert exchange.rows("SELECT partner_id, schema_hint FROM canonical_records") == [
        (record.partner_id, hint)
    ]


UNFIT: dict[str, tuple[bytes | None, dict[str, str]]] = {
    "another body than its metadata say": (b"{}", {}),
    "another record's metadata": (None, {"record-id": str(uuid4())}),
    "another source's metadata": (None, {"source": "hospital-b"}),
    "a time that is none": (None, {"occurred-at": "yesterday"}),
    "a time of no zone": (None, {"occurred-at": "2026-11-24T12:00:00"}),
    "a partner that is none": (None, {"partner-id": "partnerX"}),
    "a route that is none": (None, {"route": "/v3/ingest"}),
}


@pytest.mark.parametrize(("body", "metadata"), UNFIT.values(), ids=UNFIT)
def test_an_object_that_is_not_what_it_says_is_counted_and_emitted_by_nobody(
    exchange: Exchange, body: bytes | None, metadata: dict[str, str]
) -> None:
    good, bad = submission("key-of-a-good-one"), submission("key-of-a-bad-one")
    exchange.put(good)
    exchange.objects().put(bad.object_key, body or bad.body, {**object_metadata(bad), **metadata})
    exchange.objects().put("hospital-a/notes.txt", b"x", {})
    counts = replay(exchange)
    assert (counts["emitted"], counts["unfit"], counts["foreign"]) == (1, 1, 1)
    assert [key for _, key, _ in pending_events(exchange)] == [str(good.record_id)]


def test_an_erased_record_stays_erased_whatever_is_left_of_it(exchange: Exchange) -> None:
    (record,) = store(exchange, 1)
    erase(exchange, record.record_id)
    counts = replay(exchange)
    assert counts["erased"] == 1
    assert "emitted" not in counts
    assert exchange.count("raw_object_manifest") == exchange.count("outbox_events") == 0


def erase(exchange: Exchange, record_id: UUID) -> None:
    exchange.rows(
        "INSERT INTO tombstones (record_id, erasure_id, partner_id, bucket, object_key, deleted_rows)"
        " VALUES (%s, gen_random_uuid(), 'partnerA', %s, 'gone', '{}')",
        record_id,
        exchange.bucket,
    )


def test_of_two_objects_of_one_record_the_first_stands_for_it(exchange: Exchange) -> None:
    record = submission("key-of-a-retry-01")
    again = replace(record, occurred_at=record.occurred_at + timedelta(hours=2), correlation_id="another-one")
    exchange.put(again)
    exchange.put(record)
    counts = replay(exchange)
    assert (counts["emitted"], counts["copies"]) == (1, 1)
    assert [value for _, _, value in pending_events(exchange)] == [record_ingested(record, exchange.bucket)]


def test_a_copy_that_alone_is_left_of_a_record_is_a_gap_until_the_record_is_canonical(
    exchange: Exchange,
) -> None:
    (record_id,) = ingest(exchange, 1)
    ((key,),) = exchange.rows("SELECT object_key FROM raw_object_manifest")
    (body,) = exchange.objects().get_many([key], limit_bytes=10**6)
    assert isinstance(body, StoredObject)
    exchange.objects().put(f"hospital-a/2026-01-01T00/{record_id}.json", body.body, body.metadata)
    # as in a bucket that was restored to an earlier time than the tables
    listing(exchange)._client.delete_object(Bucket=exchange.bucket, Key=key)
    assert replay(exchange, "verify") == {"copies": 1, "missing": 1}
    exchange.objects().put(key, body.body, body.metadata)
    deliver(exchange, publish(exchange))
    counts = replay(exchange, "verify")
    assert (counts["canonical"], counts["copies"], counts.get("missing")) == (1, 1, None)


def test_a_selection_is_kept_to(exchange: Exchange) -> None:
    hours = [
        store(exchange, 3, occurred_at=NOON + timedelta(hours=n), idempotency_key=f"hour-{n:08}")[0]
        for n in range(4)
    ]
    other = submission("key-of-another-hospital", hint="partnerB.v1")
    exchange.put(other)

    def emitted(**request: Any) -> list[str]:
        exchange.rows("TRUNCATE outbox_events")
        replay(exchange, **request)
        return [key for _, key, _ in pending_events(exchange)]

    ids = [str(record.record_id) for record in hours]
    assert emitted(source="hospital-a") == ids
    assert emitted(source="hospital-b") == [str(other.record_id)]
    assert emitted(prefix="hospital-a/2026-11-24T13/") == [ids[1]]
    assert emitted(prefix=f"hospital-a/2026-11-24T14/{ids[2][:5]}") == [ids[2]]
    assert emitted(since="2026-11-24T13:00:00Z", until="2026-11-24T15:00:00Z") == ids[1:3]
    assert emitted(since="2026-11-24T13:00:01Z", source="hospital-a") == ids[2:]
    assert emitted(source="hospital-a", limit=2) == ids[:2]


def test_a_limit_over_several_shards_and_a_window_the_wrong_way_round_are_refused(exchange: Exchange) -> None:
    worker = replayer(exchange)
    with pytest.raises(ContractViolation, match=r"^shards: "):
        worker.start({"mode": "emit", "limit": 5, "shards": 2})
    with pytest.raises(ContractViolation, match=r"^until: "):
        worker.start({"mode": "emit", "since": "2026-11-24T13:00:00Z", "until": "2026-11-24T12:00:00Z"})


def test_a_dry_run_and_a_verification_count_and_change_nothing(exchange: Exchange) -> None:
    ingest(exchange)
    deliver(exchange, publish(exchange)[:4])
    lost = store(exchange, 2)
    before = {
        name: table(exchange, name) for name in ("raw_object_manifest", "outbox_events", "canonical_records")
    }
    for mode in ("dry_run", "verify"):
        counts = replay(exchange, mode)
        assert (counts["objects"], counts["canonical"], counts["missing"], counts["lost"]) == (
            8,
            4,
            4,
            len(lost),
        )
    assert {name: table(exchange, name) for name in before} == before


def test_a_job_of_one_shard_adds_up_over_its_invokes(exchange: Exchange) -> None:
    total: dict[str, int] = {}
    store(exchange, 4)
    worker = replayer(exchange)
    job_id = worker.start({"mode": "emit", "shards": 4})
    for shard in range(4):
        add(total, worker.run(job_id, shard, Deadline.after(LONG_SECONDS)))
    assert total["emitted"] == 4
    assert exchange.rows("SELECT state, shards FROM job_runs") == [("succeeded", 4)]


def test_a_page_of_large_objects_is_not_held_in_memory_all_at_once(exchange: Exchange) -> None:
    size = 1024 * 1024
    for n in range(64):
        exchange.put(submission(f"key-of-a-large-one-{n:02}", body=b"{}".ljust(size)))
    tracemalloc.start()
    try:
        assert replay(exchange)["emitted"] == 64
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * size
