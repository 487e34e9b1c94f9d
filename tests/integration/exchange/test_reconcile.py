"""Every lost or stuck record is found, named by its fault, and repaired where that is safe."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from exchange.errors import DependencyUnavailable
from exchange.intake.model import Submission
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import Transaction
from exchange.platform.deadline import Deadline
from exchange.platform.listing import PAGE_KEYS, ListedPage, Listing
from exchange.raw.reader import RawReader
from exchange.recovery.jobs import Checkpoint, Jobs, resume
from exchange.recovery.reconcile import Reconciler
from exchange.recovery.scan import PAGE_OBJECTS
from exchange.recovery.store import read_unknown_canonical
from tests.integration.exchange.harness import (
    SAM,
    TOPICS,
    Context,
    Exchange,
    ObjectsThatThen,
    body_of,
    example,
    http_request,
    object_metadata,
    record_ingested,
    submission,
)
from tests.integration.exchange.recovery_harness import (
    CANONICAL,
    LONG_SECONDS,
    canonical_tables,
    deliver,
    findings,
    listing,
    pending_events,
    publish,
    reconcile,
    reconciler,
)

BODY = body_of("2", "encounter", "partnerA.v2", example("partnerA.v2", "encounter"), SAM)
REQUEST = http_request(BODY, key="key-of-a-client", route="/v2/ingest")


def submit(exchange: Exchange) -> str:
    receipt = exchange.intake().submit(REQUEST, Context())  # type: ignore[arg-type]
    return receipt.record_id


def canonical(exchange: Exchange) -> str:
    record_id = submit(exchange)
    assert deliver(exchange, publish(exchange)) == 1
    return record_id


def remove_object(exchange: Exchange) -> None:
    ((key,),) = exchange.rows("SELECT object_key FROM raw_object_manifest")
    listing(exchange)._client.delete_object(Bucket=exchange.bucket, Key=key)


def change_object(exchange: Exchange, body: bytes) -> None:
    (((key,),)) = exchange.rows("SELECT object_key FROM raw_object_manifest")
    exchange.objects().put(key, body, {})


class Crashed(BaseException):
    """Simulates the end of a process: no handler of an exception runs."""


def crash_before_commit(exchange: Exchange) -> None:
    def crash() -> None:
        raise Crashed

    database = exchange.connect_as("exchange_ingest")
    intake = exchange.intake(database=database, objects=ObjectsThatThen(exchange.store(), crash))
    with pytest.raises(Crashed):
        intake.submit(REQUEST, Context())  # type: ignore[arg-type]
    # A dying process closes its connection and so releases its locks.
    database.close()


def after_a_crash_between_put_and_commit(exchange: Exchange) -> None:
    crash_before_commit(exchange)


def after_the_broker_lost_an_event(exchange: Exchange) -> None:
    submit(exchange)
    publish(exchange)


def after_an_environment_died_and_nobody_delivered_again(exchange: Exchange) -> None:
    canonical(exchange)
    exchange.rows(f"TRUNCATE {', '.join(CANONICAL)}")
    exchange.rows("UPDATE processing_stage_state SET state = 'failed_retryable'")


def after_the_outbox_row_was_lost(exchange: Exchange) -> None:
    submit(exchange)
    exchange.rows("DELETE FROM outbox_events")


def after_the_canonical_row_was_lost(exchange: Exchange) -> None:
    canonical(exchange)
    exchange.rows(f"TRUNCATE {', '.join(CANONICAL)}")


def after_the_manifest_was_lost(exchange: Exchange) -> None:
    canonical(exchange)
    exchange.rows("DELETE FROM raw_object_manifest")


def after_the_ledger_forgot_its_last_word(exchange: Exchange) -> None:
    canonical(exchange)
    exchange.rows("UPDATE processing_stage_state SET state = 'failed_retryable'")


MENDED: dict[str, Callable[[Exchange], None]] = {
    "orphan_raw": after_a_crash_between_put_and_commit,
    "stuck_enqueued": after_the_broker_lost_an_event,
    "written_no_enqueue": after_the_outbox_row_was_lost,
    "unexpected_state_no_canonical": after_the_canonical_row_was_lost,
    "canonical_missing_manifest": after_the_manifest_was_lost,
    "canonical_state_mismatch": after_the_ledger_forgot_its_last_word,
}


@pytest.mark.parametrize(("finding", "break_it"), MENDED.items(), ids=MENDED)
def test_what_has_a_safe_fix_is_found_then_mended_then_proven(
    exchange: Exchange, finding: str, break_it: Callable[[Exchange], None]
) -> None:
    break_it(exchange)
    assert reconcile(exchange)[finding] == 1
    assert set(findings(exchange).values()) == {finding}
    assert pending_events(exchange) == []

    counts = reconcile(exchange, repair=True)
    assert (counts[finding], counts[f"repaired_{finding}"]) == (1, 1)
    deliver(exchange, publish(exchange))
    assert reconciler(exchange).look_again({"grace_seconds": 0}, Deadline.after(LONG_SECONDS)).values == {
        "records": 1,
        "ok": 1,
    }
    assert findings(exchange) == {}
    assert exchange.rows(
        "SELECT repaired_at IS NOT NULL, resolved_at IS NOT NULL FROM reconcile_findings"
    ) == [(True, True)]
    assert exchange.rows("SELECT action, outcome FROM audit_log WHERE action <> 'ingest'") == [
        ("reconcile", finding)
    ]
    assert exchange.count("canonical_records") == exchange.count("raw_object_manifest") == 1
    assert reconcile(exchange)["ok"] == 1


def test_a_retry_before_or_after_the_repair_is_the_same_record(exchange: Exchange) -> None:
    crash_before_commit(exchange)
    reconcile(exchange, repair=True)
    ((orphan,),) = exchange.rows("SELECT record_id FROM raw_object_manifest")
    events = publish(exchange)
    assert submit(exchange) == str(orphan)
    assert pending_events(exchange) == []
    assert exchange.count("raw_object_manifest") == 1
    assert deliver(exchange, events) == 1


def test_a_record_stuck_under_way_is_sent_again_and_normalize_takes_it_up(exchange: Exchange) -> None:
    after_an_environment_died_and_nobody_delivered_again(exchange)
    assert reconcile(exchange, repair=True)["repaired_stuck_enqueued"] == 1
    assert deliver(exchange, publish(exchange)) == 1


def delete_raw(exchange: Exchange) -> None:
    canonical(exchange)
    remove_object(exchange)


def delete_raw_before_its_time(exchange: Exchange) -> None:
    submit(exchange)
    remove_object(exchange)


def lengthen_raw(exchange: Exchange) -> None:
    canonical(exchange)
    change_object(exchange, BODY + b" ")


def leave_in_outbox(exchange: Exchange) -> None:
    submit(exchange)


def die(exchange: Exchange) -> None:
    submit(exchange)
    exchange.rows("UPDATE partner_sources SET partner_id = 'partnerB' WHERE source = 'hospital-a'")
    change_object(exchange, BODY.replace(b"Sam", b"Tam"))
    assert deliver(exchange, publish(exchange)) == 0


def copy_to_another_hour(exchange: Exchange) -> None:
    record_id = canonical(exchange)
    exchange.objects().put(f"hospital-a/2026-01-01T00/{record_id}.json", BODY, {})


def put_what_is_no_record(exchange: Exchange) -> None:
    bad = submission("key-of-a-bad-one")
    exchange.objects().put(bad.object_key, b"{}", object_metadata(bad))


def put_an_unknown_partner_s(exchange: Exchange) -> None:
    record = submission("key-of-a-stranger")
    exchange.objects().put(
        record.object_key, record.body, {**object_metadata(record), "partner-id": "partnerX"}
    )


def leave_behind_an_erased_object(exchange: Exchange) -> None:
    record_id = submit(exchange)
    exchange.rows(
        "INSERT INTO tombstones (record_id, erasure_id, partner_id, bucket, object_key, deleted_rows)"
        " VALUES (%s, gen_random_uuid(), 'partnerA', 'x', 'x', '{}')",
        record_id,
    )
    exchange.rows("DELETE FROM raw_object_manifest")
    exchange.rows("DELETE FROM outbox_events")


REPORTED: dict[str, Callable[[Exchange], None]] = {
    "canonical_without_raw": delete_raw,
    "manifest_without_raw": delete_raw_before_its_time,
    "hash_mismatch": lengthen_raw,
    "stuck_outbox": leave_in_outbox,
    "dead_lettered": die,
    "raw_copy": copy_to_another_hour,
    "unfit_raw": put_what_is_no_record,
    "erased_not_gone": leave_behind_an_erased_object,
}


@pytest.mark.parametrize(
    ("finding", "break_it"), [*REPORTED.items(), ("unfit_raw", put_an_unknown_partner_s)]
)
def test_what_has_no_safe_fix_is_reported_and_left_as_it_is(
    exchange: Exchange, finding: str, break_it: Callable[[Exchange], None]
) -> None:
    break_it(exchange)
    before = {
        name: exchange.count(name) for name in ("raw_object_manifest", "outbox_events", "canonical_records")
    }
    counts = reconcile(exchange, repair=True)
    assert counts[finding] == 1
    assert not any(name.startswith("repaired") for name in counts)
    assert set(findings(exchange).values()) == {finding}
    assert {name: exchange.count(name) for name in before} == before


def test_a_changed_object_of_the_same_size_is_found_where_hashes_are_asked_for(exchange: Exchange) -> None:
    canonical(exchange)
    change_object(exchange, BODY.replace(b"Sam", b"Tam"))
    assert reconcile(exchange)["ok"] == 1
    assert reconcile(exchange, check_hashes=True)["hash_mismatch"] == 1


def test_a_hash_that_is_wrong_stays_a_finding_until_the_bytes_are_right_again(exchange: Exchange) -> None:
    canonical(exchange)
    change_object(exchange, BODY.replace(b"Sam", b"Tam"))
    reconcile(exchange, check_hashes=True)
    # the unchanged size deceives neither a run without hashes nor a second check of the finding
    reconcile(exchange)
    look_again(exchange)
    assert set(findings(exchange).values()) == {"hash_mismatch"}
    change_object(exchange, BODY)
    look_again(exchange)
    assert findings(exchange) == {}


def look_again(exchange: Exchange, **request: Any) -> dict[str, int]:
    """Check every open finding again, without a grace period; return the counts."""
    return (
        reconciler(exchange).look_again({"grace_seconds": 0, **request}, Deadline.after(LONG_SECONDS)).values
    )


def test_nothing_young_is_taken_for_stuck(exchange: Exchange) -> None:
    crash_before_commit(exchange)
    counts = reconcile(exchange, repair=True, grace_seconds=300)
    assert counts["in_flight"] == 1
    submit(exchange)
    assert reconcile(exchange, repair=True, grace_seconds=300)["in_flight"] == 1
    publish(exchange)
    assert reconcile(exchange, repair=True, grace_seconds=300)["in_flight"] == 1
    assert exchange.count("reconcile_findings") == 0
    assert exchange.count("outbox_events") == 1


def test_an_hour_that_the_bucket_lost_altogether_is_noticed_by_the_manifest(exchange: Exchange) -> None:
    for n in range(3):
        record = replace(submission(f"key-of-hour-{n:04}"), occurred_at=datetime(2026, 11, 24, n, tzinfo=UTC))
        keep_in_manifest(exchange, record)
        if n != 1:
            exchange.put(record)
    assert reconcile(exchange)["manifest_without_raw"] == 1
    assert "manifest_without_raw" not in reconcile(exchange, since="2026-11-24T02:00:00Z")


def test_what_the_bucket_lost_of_an_hour_is_looked_at_page_by_page(exchange: Exchange) -> None:
    for n in range(2 * PAGE_OBJECTS + 10):
        record = submission(f"key-of-object-{n:05}")
        keep_in_manifest(exchange, record)
        if n % 20 == 0:
            exchange.put(record)
    worker = reconciler(exchange)
    job_id = worker.start({"since": "2020-01-01T00:00:00Z", "grace_seconds": 0})
    cut = [worker.run(job_id, 0, Deadline.after(0)) for _ in range(4)]
    assert [said.counts.get("records") for said in cut[:3]] == [250, 500, 510]
    assert cut[-1].done
    assert cut[-1].counts["manifest_without_raw"] == 2 * PAGE_OBJECTS + 10 - 26
    assert cut[-1].counts["written_no_enqueue"] == 26


def test_a_source_that_the_bucket_lost_altogether_is_noticed_by_the_manifest(exchange: Exchange) -> None:
    for hint in ("partnerA.v2", "partnerB.v1"):
        keep_in_manifest(exchange, submission("key-of-a-lost-one", hint=hint))
    assert reconcile(exchange)["manifest_without_raw"] == 2


def keep_in_manifest(exchange: Exchange, record: Submission) -> None:
    exchange.rows(
        "INSERT INTO raw_object_manifest (record_id, partner_id, source, route, record_kind, schema_hint, bucket,"
        " object_key, sha256, size_bytes, correlation_id, occurred_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        *vars(record.entry(exchange.bucket)).values(),
    )


def test_a_raw_object_that_retention_took_is_not_missed(exchange: Exchange) -> None:
    delete_raw(exchange)
    exchange.rows("UPDATE raw_object_manifest SET raw_deleted_at = now()")
    assert reconcile(exchange)["ok"] == 1


def test_a_canonical_row_of_which_neither_bucket_nor_manifest_knows_is_found_by_its_attempts(
    exchange: Exchange,
) -> None:
    record_id = canonical(exchange)
    remove_object(exchange)
    exchange.rows("DELETE FROM raw_object_manifest")
    assert reconcile(exchange)["canonical_without_raw"] == 1
    assert findings(exchange) == {record_id: "canonical_without_raw"}
    reconcile(exchange)
    assert findings(exchange) == {record_id: "canonical_without_raw"}


class JobsThatMeet(Jobs):
    """Jobs in which two shards both ask whether they are the last before either continues."""

    def __init__(self, jobs: Jobs, meet: Callable[[], object]) -> None:
        super().__init__(jobs._database, "reconcile")
        self._meet = meet

    def finish_unless_last(self, checkpoint: Checkpoint) -> bool:
        is_last = super().finish_unless_last(checkpoint)
        self._meet()
        return is_last


def test_of_two_shards_that_end_side_by_side_one_looks_for_unknown_canonical_rows(exchange: Exchange) -> None:
    record_id = canonical(exchange)
    remove_object(exchange)
    exchange.rows("DELETE FROM raw_object_manifest")
    workers, barrier = [reconciler(exchange) for _ in range(2)], threading.Barrier(2, timeout=20)
    for worker in workers:
        worker.jobs = JobsThatMeet(worker.jobs, barrier.wait)
    job_id = workers[0].start({"since": "2020-01-01T00:00:00Z", "grace_seconds": 0, "shards": 2})
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(worker.run, job_id, n, Deadline.after(LONG_SECONDS))
            for n, worker in enumerate(workers)
        ]
        assert all(run.result().done for run in runs)
    assert findings(exchange) == {record_id: "canonical_without_raw"}
    assert exchange.rows("SELECT state FROM job_runs") == [("succeeded",)]


def test_a_ledger_of_years_is_not_asked_for_minutes_at_a_time(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_id = canonical(exchange)
    remove_object(exchange)
    exchange.rows("DELETE FROM raw_object_manifest")
    exchange.rows("UPDATE processing_attempts SET started_at = '2024-02-29T12:00:00Z'")
    asked: list[datetime] = []

    def ask(transaction: Transaction, since: datetime, until: datetime) -> list[UUID]:
        asked.append(until)
        return read_unknown_canonical(transaction, since, until)

    monkeypatch.setattr("exchange.recovery.store.read_unknown_canonical", ask)
    assert reconcile(exchange)["canonical_without_raw"] == 1
    assert findings(exchange) == {record_id: "canonical_without_raw"}
    assert len(asked) < 100


def test_a_finding_that_was_mended_otherwise_is_resolved_at_the_next_look(exchange: Exchange) -> None:
    crash_before_commit(exchange)
    reconcile(exchange)
    assert set(findings(exchange).values()) == {"orphan_raw"}
    submit(exchange)
    deliver(exchange, publish(exchange))
    reconcile(exchange)
    assert findings(exchange) == {}


def remove_object_of_finding(exchange: Exchange) -> None:
    ((key,),) = exchange.rows("SELECT object_key FROM reconcile_findings")
    listing(exchange)._client.delete_object(Bucket=exchange.bucket, Key=key)


@pytest.mark.parametrize(
    "break_it", [copy_to_another_hour, put_what_is_no_record, crash_before_commit], ids=lambda f: f.__name__
)
def test_a_finding_whose_object_was_taken_away_is_over_at_the_next_look(
    exchange: Exchange, break_it: Callable[[Exchange], None]
) -> None:
    break_it(exchange)
    reconcile(exchange)
    remove_object_of_finding(exchange)
    # and one check is enough: an unresolved finding would be checked until the time is up
    assert look_again(exchange) == {"records": 1, "ok": 1}
    assert findings(exchange) == {}


def test_the_finding_of_a_dead_letter_is_over_when_its_record_is_erased(exchange: Exchange) -> None:
    die(exchange)
    reconcile(exchange)
    ((record_id, finding),) = findings(exchange).items()
    assert finding == "dead_lettered"
    exchange.eraser().erase([UUID(record_id)], uuid4(), request_id="the-request-id")
    assert look_again(exchange) == {"records": 1, "ok": 1}
    assert findings(exchange) == {}


def test_two_objects_of_an_erased_record_that_the_bucket_has_kept_are_one_finding(exchange: Exchange) -> None:
    die(exchange)
    ((record_id,),) = exchange.rows("SELECT record_id FROM raw_object_manifest")
    exchange.objects().put(f"hospital-a/2026-01-01T00/{record_id}.json", BODY, {})
    assert reconcile(exchange)["records"] == 2
    eraser = exchange.eraser(versions=exchange.versions("http://127.0.0.1:1"))
    with pytest.raises(DependencyUnavailable):
        eraser.erase([record_id], uuid4(), request_id="the-request-id")
    assert look_again(exchange)["erased_not_gone"] == 2
    assert findings(exchange) == {str(record_id): "erased_not_gone"}


def test_a_copy_that_was_taken_away_leaves_the_finding_to_another_copy(exchange: Exchange) -> None:
    copy_to_another_hour(exchange)
    reconcile(exchange)
    remove_object_of_finding(exchange)
    look_again(exchange)
    ((key,),) = exchange.rows("SELECT object_key FROM reconcile_findings")
    exchange.objects().put(key.replace("2026-01-01T00", "2026-01-01T01"), BODY, {})
    reconcile(exchange)
    look_again(exchange)
    assert set(findings(exchange).values()) == {"raw_copy"}


def test_of_two_orphans_of_one_record_the_first_stands_for_it(exchange: Exchange) -> None:
    record = submission("key-of-an-orphan")
    exchange.put(record)
    exchange.put(replace(record, occurred_at=record.occurred_at + timedelta(hours=2)))
    reconcile(exchange)
    look_again(exchange, repair=True)
    assert [value for _, _, value in pending_events(exchange)] == [record_ingested(record, exchange.bucket)]


def test_a_repaired_finding_stays_open_while_its_record_is_under_way(exchange: Exchange) -> None:
    crash_before_commit(exchange)
    reconcile(exchange, repair=True)
    worker = reconciler(exchange)
    assert worker.look_again({"grace_seconds": 300}, Deadline.after(LONG_SECONDS)).values["in_flight"] == 1
    assert set(findings(exchange).values()) == {"orphan_raw"}
    deliver(exchange, publish(exchange))
    worker.look_again({}, Deadline.after(LONG_SECONDS))
    assert findings(exchange) == {}


def test_a_run_looks_from_where_the_last_one_ended_or_from_the_oldest_record_under_way(
    exchange: Exchange,
) -> None:
    worker = reconciler(exchange)

    def window(**request: Any) -> datetime:
        job_id = worker.start({"grace_seconds": 60, **request})
        worker.run(job_id, 0, Deadline.after(LONG_SECONDS))
        ((since,),) = exchange.rows(
            "SELECT (request ->> 'since')::timestamptz FROM job_runs WHERE job_id = %s", job_id
        )
        assert isinstance(since, datetime)
        return since

    now = datetime.now(UTC)
    assert abs(window() - (now - timedelta(hours=24))) < timedelta(minutes=1)
    assert abs(window() - (now - timedelta(seconds=60))) < timedelta(minutes=1)
    # published long ago but in flight again only now: not stuck, and not to be forgotten
    old = replace(
        submission("key-of-an-old-one"), occurred_at=now.replace(microsecond=0) - timedelta(hours=3)
    )
    keep_in_manifest(exchange, old)
    exchange.put(old)
    exchange.rows(
        "INSERT INTO processing_stage_state (record_id, stage, state, attempts, event_id, environment_id)"
        " VALUES (%s, 'canonicalize', 'failed_retryable', 1, gen_random_uuid(), 'x')",
        old.record_id,
    )
    window(since=(now - timedelta(hours=4)).isoformat())
    assert window() == old.occurred_at - timedelta(seconds=60)


def window_of(exchange: Exchange, **request: Any) -> tuple[datetime, datetime]:
    """Return the window of a complete run."""
    worker = reconciler(exchange)
    job_id = worker.start({"grace_seconds": 60, **request})
    assert worker.run(job_id, 0, Deadline.after(LONG_SECONDS)).done
    (window,) = exchange.rows(
        "SELECT (request ->> 'since')::timestamptz, (request ->> 'until')::timestamptz FROM job_runs"
        " WHERE job_id = %s",
        job_id,
    )
    since, until = window
    return since, until


def test_a_run_that_leaves_a_gap_does_not_move_the_beginning_of_the_next(exchange: Exchange) -> None:
    now = datetime.now(UTC)
    _, until = window_of(
        exchange, until=(now - timedelta(hours=48)).isoformat(), since="2026-01-01T00:00:00Z"
    )
    # as in the runbook, after the schedule was off for two days
    window_of(exchange, since=(now - timedelta(hours=24)).isoformat())
    since, _ = window_of(exchange)
    assert since == until - timedelta(seconds=60)
    since, _ = window_of(exchange)
    assert abs(since - (now - timedelta(seconds=60))) < timedelta(minutes=1)


def test_a_run_asked_for_until_tomorrow_has_looked_until_today(exchange: Exchange) -> None:
    now = datetime.now(UTC)
    window_of(exchange, until=(now + timedelta(days=1)).isoformat())
    since, _ = window_of(exchange)
    assert abs(since - (now - timedelta(seconds=60))) < timedelta(minutes=1)


def test_a_mass_of_open_findings_leaves_half_of_the_time_to_what_is_new(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.recovery.reconcile.AGAIN_RECORDS", 1)
    for n in range(40):
        exchange.put(submission(f"key-of-object-{n:05}"))
    reconcile(exchange)
    clock = itertools.count()
    asked = {"action": "run", "since": "2026-11-24T00:00:00Z", "grace_seconds": 0}
    answer = reconciler(exchange).answer(asked, Deadline(28, lambda: float(next(clock))))
    assert (answer.body["done"], answer.body["counts"]["orphan_raw"]) == (True, 40)


class WatchedListing(Listing):
    """Remembers the keys that it listed."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing._client, listing._bucket)
        self.shown: list[str] = []

    def page(self, prefix: str, after: str = "", *, limit: int = PAGE_KEYS, flat: bool = False) -> ListedPage:
        page = super().page(prefix, after, limit=limit, flat=flat)
        self.shown += [*(listed.key for listed in page.objects), *page.folders]
        return page


def test_a_window_costs_what_lies_in_it_and_not_what_the_bucket_holds_beside(exchange: Exchange) -> None:
    for digit in "2345":
        exchange.objects().put(f"hospital-a/{digit}fa0e1d2-0000-4000-8000-000000000000.json", BODY, {})
    for day in (20, 23, 24, 25):
        record = submission(f"key-of-day-{day:04}")
        exchange.put(replace(record, occurred_at=datetime(2026, 11, day, 12, tzinfo=UTC)))
    watched = WatchedListing(listing(exchange))
    database = exchange.connect_as("exchange_reconcile")
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    worker = Reconciler(database, watched, reader, exchange.bucket, TOPICS)
    window = {"since": "2026-11-23T00:00:00Z", "until": "2026-11-24T13:00:00Z", "grace_seconds": 0}
    assert worker.run(worker.start(window), 0, Deadline.after(LONG_SECONDS)).counts["orphan_raw"] == 2
    assert [key for key in watched.shown if key.count("/") == 1 and key.endswith(".json")] == []
    assert {key.split("/")[1][:10] for key in watched.shown if key.count("/") == 2} <= {
        *("2026-11-23", "2026-11-24", "2026-11-25")
    }


def test_shards_share_the_records_and_find_the_same(exchange: Exchange) -> None:
    for n in range(40):
        exchange.put(submission(f"key-of-object-{n:05}"))
    worker = reconciler(exchange)
    job_id = worker.start({"since": "2020-01-01T00:00:00Z", "grace_seconds": 0, "repair": True, "shards": 4})
    counts = [
        worker.run(job_id, shard, Deadline.after(LONG_SECONDS)).counts["repaired_orphan_raw"]
        for shard in range(4)
    ]
    assert sum(counts) == exchange.count("outbox_events") == 40
    assert min(counts) > 0
    assert deliver(exchange, publish(exchange)) == 40
    look = worker.look_again({"grace_seconds": 0}, Deadline.after(LONG_SECONDS)).values
    assert look == {"records": 40, "ok": 40}
    assert len(canonical_tables(exchange)["canonical_records"]) == 40


def test_a_run_that_its_time_cut_short_is_gone_on_with(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.recovery.scan.PAGE_OBJECTS", 4)
    for n in range(10):
        exchange.put(submission(f"key-of-object-{n:05}"))
    worker = reconciler(exchange)
    job_id = worker.start({"since": "2020-01-01T00:00:00Z", "grace_seconds": 0})
    cut = worker.run(job_id, 0, Deadline.after(0))
    assert (cut.done, cut.waits_for, cut.counts["orphan_raw"]) == (False, "time", 4)
    assert resume(worker, Deadline.after(LONG_SECONDS)) == []
    exchange.rows("UPDATE job_checkpoints SET updated_at = updated_at - interval '2 minutes'")
    (resumed,) = resume(worker, Deadline.after(LONG_SECONDS))
    assert (resumed.done, resumed.counts["orphan_raw"]) == (True, 10)


def test_findings_are_listed_page_by_page(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.recovery.findings.PAGE_FINDINGS", 2)
    for n in range(5):
        exchange.put(submission(f"key-of-object-{n:05}"))
    reconcile(exchange)
    worker, found, after = reconciler(exchange), [], None
    while True:
        page = worker.read_findings({"after": after} if after else {})
        found += page["findings"]
        after = page["next"]
        if after is None:
            break
    assert len({finding["record_id"] for finding in found}) == len(found) == 5
    assert {finding["finding"] for finding in found} == {"orphan_raw"}


def test_the_event_of_a_repaired_orphan_is_the_one_that_ingest_would_have_sent(exchange: Exchange) -> None:
    record = submission("key-of-an-orphan")
    exchange.put(record)
    reconcile(exchange, repair=True)
    assert [value for _, _, value in pending_events(exchange)] == [record_ingested(record, exchange.bucket)]
