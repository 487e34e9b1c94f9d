"""Every record gets exactly one verdict, the worst that applies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.raw.entry import ManifestEntry, ManifestRow
from exchange.recovery.model import RecordState
from exchange.recovery.rules import REPAIRABLE, BucketObject, Facts, Finding, Sound, classify

RECORD = UUID("0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENTRY = ManifestEntry(
    record_id=RECORD,
    partner_id="partnerA",
    source="hospital-a",
    route="/v1/ingest",
    record_kind="claim",
    schema_hint="partnerA.v1",
    bucket="raw",
    object_key="hospital-a/2026-11-24T12/0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be.json",
    sha256="a" * 64,
    size_bytes=10,
    correlation_id="correlation-1",
    occurred_at=NOON,
)
RAW = BucketObject(ENTRY.object_key, 10, NOON, 1000.0)
MANIFEST = ManifestRow(ENTRY, raw_deleted=False)
RETIRED = ManifestRow(ENTRY, raw_deleted=True)
COPY = replace(RAW, key=ENTRY.object_key.replace("T12", "T14"))
LONG = replace(RAW, size_bytes=11)
CHANGED = replace(RAW, sha256="b" * 64)
DONE = RecordState(canonical=True, state="succeeded", state_age=900.0)
NOTHING = RecordState()
PENDING = RecordState(has_event=True, event_age=900.0)
PUBLISHED = RecordState(has_event=True, is_published=True, event_age=900.0)
GRACE = 300.0


def state(name: str, age: float = 900.0, *, canonical: bool = False) -> RecordState:
    return RecordState(canonical=canonical, state=name, state_age=age)


@pytest.mark.parametrize(
    ("raw", "manifest", "standing", "verdict"),
    [
        (RAW, MANIFEST, DONE, Sound.OK),
        # a pruned ledger does not contradict a canonical row
        (RAW, MANIFEST, RecordState(canonical=True), Sound.OK),
        (None, RETIRED, DONE, Sound.OK),
        (None, RETIRED, NOTHING, Sound.OK),
        (None, None, NOTHING, Sound.OK),
        (RAW, None, NOTHING, Finding.ORPHAN_RAW),
        (RAW, None, DONE, Finding.CANONICAL_MISSING_MANIFEST),
        (RAW, MANIFEST, NOTHING, Finding.WRITTEN_NO_ENQUEUE),
        (RAW, MANIFEST, PENDING, Finding.STUCK_OUTBOX),
        (RAW, MANIFEST, PUBLISHED, Finding.STUCK_ENQUEUED),
        (RAW, MANIFEST, state("running"), Finding.STUCK_ENQUEUED),
        (RAW, MANIFEST, state("failed_retryable"), Finding.STUCK_ENQUEUED),
        (RAW, MANIFEST, state("succeeded"), Finding.UNEXPECTED_STATE_NO_CANONICAL),
        (RAW, MANIFEST, state("dlq"), Finding.DEAD_LETTERED),
        (RAW, MANIFEST, state("dlq", canonical=True), Finding.CANONICAL_STATE_MISMATCH),
        (RAW, MANIFEST, state("running", canonical=True), Finding.CANONICAL_STATE_MISMATCH),
        (None, MANIFEST, DONE, Finding.CANONICAL_WITHOUT_RAW),
        (None, None, DONE, Finding.CANONICAL_WITHOUT_RAW),
        (None, MANIFEST, PUBLISHED, Finding.MANIFEST_WITHOUT_RAW),
        (LONG, MANIFEST, DONE, Finding.HASH_MISMATCH),
        (CHANGED, MANIFEST, DONE, Finding.HASH_MISMATCH),
        (replace(RAW, sha256="a" * 64), MANIFEST, DONE, Sound.OK),
        (COPY, MANIFEST, DONE, Finding.RAW_COPY),
        (RAW, None, RecordState(erased_age=900.0), Finding.ERASED_NOT_GONE),
        (None, None, RecordState(erased_age=900.0, canonical=True), Finding.ERASED_NOT_GONE),
        (None, None, RecordState(erased_age=900.0, state="erased"), Sound.OK),
    ],
)
def test_a_record_is_what_bucket_and_tables_together_say(
    raw: BucketObject | None, manifest: ManifestRow | None, standing: RecordState, verdict: Finding | Sound
) -> None:
    assert classify(Facts(RECORD, raw, manifest, 1000.0, standing), GRACE) is verdict


@pytest.mark.parametrize(
    ("raw", "manifest", "manifest_age", "standing"),
    [
        (replace(RAW, age_seconds=10.0), None, 0.0, NOTHING),
        (RAW, MANIFEST, 10.0, NOTHING),
        (RAW, MANIFEST, 1000.0, replace(PENDING, event_age=10.0)),
        (RAW, MANIFEST, 1000.0, replace(PUBLISHED, event_age=10.0)),
        # published long ago, but tried just now
        (RAW, MANIFEST, 1000.0, replace(PUBLISHED, state="failed_retryable", state_age=10.0)),
        (RAW, MANIFEST, 1000.0, state("succeeded", 10.0)),
        (RAW, MANIFEST, 1000.0, state("running", 10.0, canonical=True)),
        (RAW, None, 0.0, RecordState(erased_age=10.0)),
    ],
)
def test_what_is_young_is_under_way(
    raw: BucketObject | None, manifest: ManifestRow | None, manifest_age: float, standing: RecordState
) -> None:
    assert classify(Facts(RECORD, raw, manifest, manifest_age, standing), GRACE) is Sound.IN_FLIGHT


ages = st.one_of(st.none(), st.floats(0, 10_000))
standings = st.builds(
    RecordState,
    canonical=st.booleans(),
    state=st.sampled_from([None, "running", "succeeded", "failed_retryable", "dlq", "erased"]),
    state_age=st.floats(0, 10_000),
    erased_age=ages,
    has_event=st.booleans(),
    is_published=st.booleans(),
    event_age=st.floats(0, 10_000),
)


@given(
    raw=st.sampled_from([None, RAW, COPY, LONG, CHANGED]),
    manifest=st.sampled_from([None, MANIFEST, RETIRED]),
    manifest_age=st.floats(0, 10_000),
    standing=standings,
)
def test_nothing_erased_is_ever_repaired_and_nothing_repaired_without_an_object(
    raw: BucketObject | None, manifest: ManifestRow | None, manifest_age: float, standing: RecordState
) -> None:
    verdict = classify(Facts(RECORD, raw, manifest, manifest_age, standing), GRACE)
    if verdict in REPAIRABLE and verdict is not Finding.CANONICAL_STATE_MISMATCH:
        assert standing.erased_age is None
        assert raw is not None or manifest is None
