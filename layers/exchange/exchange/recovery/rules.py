"""The rules that classify a record by the facts in bucket and tables. Pure; ADR 0016 has them as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from exchange.raw.entry import ManifestRow
from exchange.recovery.model import RecordState


class Finding(StrEnum):
    """The faults that a record can have. The first seven have the names of the first system."""

    ORPHAN_RAW = "orphan_raw"
    STUCK_ENQUEUED = "stuck_enqueued"
    WRITTEN_NO_ENQUEUE = "written_no_enqueue"
    UNEXPECTED_STATE_NO_CANONICAL = "unexpected_state_no_canonical"
    CANONICAL_MISSING_MANIFEST = "canonical_missing_manifest"
    CANONICAL_STATE_MISMATCH = "canonical_state_mismatch"
    STUCK_OUTBOX = "stuck_outbox"
    DEAD_LETTERED = "dead_lettered"
    HASH_MISMATCH = "hash_mismatch"
    CANONICAL_WITHOUT_RAW = "canonical_without_raw"
    MANIFEST_WITHOUT_RAW = "manifest_without_raw"
    RAW_COPY = "raw_copy"
    ERASED_NOT_GONE = "erased_not_gone"
    UNFIT_RAW = "unfit_raw"


class Sound(StrEnum):
    """The verdicts on a record that has no fault, or none yet."""

    OK = "ok"
    IN_FLIGHT = "in_flight"


# Repaired by finishing the crashed transaction: the object is read and proven, its manifest row is written and, for an
# orphan, its event is emitted.
RESTORED = frozenset({Finding.ORPHAN_RAW, Finding.CANONICAL_MISSING_MANIFEST})
EMITTED = frozenset(
    {
        Finding.ORPHAN_RAW,
        Finding.STUCK_ENQUEUED,
        Finding.WRITTEN_NO_ENQUEUE,
        Finding.UNEXPECTED_STATE_NO_CANONICAL,
    }
)
SETTLED = frozenset({Finding.CANONICAL_STATE_MISMATCH})
REPAIRABLE = RESTORED | EMITTED | SETTLED


@dataclass(frozen=True)
class BucketObject:
    """An object as the bucket lists it; `sha256` is set only where the object was read."""

    key: str
    size_bytes: int
    last_modified: datetime
    age_seconds: float
    sha256: str | None = None


@dataclass(frozen=True)
class Facts:
    """The facts about one record in bucket and tables."""

    record_id: UUID
    raw: BucketObject | None
    manifest: ManifestRow | None
    manifest_age: float
    state: RecordState

    @property
    def is_copy(self) -> bool:
        """True for a second object of a record, whose request crashed in one hour and was retried in another."""
        return bool(self.raw and self.manifest and self.raw.key != self.manifest.entry.object_key)

    @property
    def is_changed(self) -> bool:
        if self.raw is None or self.manifest is None:
            return False
        entry = self.manifest.entry
        return self.raw.size_bytes != entry.size_bytes or self.raw.sha256 not in (None, entry.sha256)


def classify(facts: Facts, grace_seconds: float) -> Finding | Sound:
    """Return the verdict of the first rule that applies. Nothing younger than `grace_seconds` counts as stuck."""
    state = facts.state
    if state.erased_age is not None:
        lives = state.canonical or facts.raw is not None
        return _late(state.erased_age, grace_seconds, Finding.ERASED_NOT_GONE) if lives else Sound.OK
    if facts.is_copy:
        return Finding.RAW_COPY
    if facts.is_changed:
        return Finding.HASH_MISMATCH
    if state.canonical:
        return _with_canonical(facts, grace_seconds)
    return _without_canonical(facts, grace_seconds)


def _with_canonical(facts: Facts, grace_seconds: float) -> Finding | Sound:
    state = facts.state
    if facts.raw is None and not (facts.manifest and facts.manifest.raw_deleted):
        return Finding.CANONICAL_WITHOUT_RAW
    if facts.manifest is None:
        return Finding.CANONICAL_MISSING_MANIFEST
    # Without a state, the ledger was pruned or lost, which does not contradict the row.
    if state.state not in (None, "succeeded"):
        return _late(state.state_age, grace_seconds, Finding.CANONICAL_STATE_MISMATCH)
    return Sound.OK


def _without_canonical(facts: Facts, grace_seconds: float) -> Finding | Sound:
    state = facts.state
    if facts.manifest is None:
        # The object of an earlier finding has been removed since: nothing is wrong any more.
        return _late(facts.raw.age_seconds, grace_seconds, Finding.ORPHAN_RAW) if facts.raw else Sound.OK
    if facts.raw is None:
        return Sound.OK if facts.manifest.raw_deleted else Finding.MANIFEST_WITHOUT_RAW
    if state.state == "dlq":
        return Finding.DEAD_LETTERED
    if state.state == "succeeded":
        return _late(state.state_age, grace_seconds, Finding.UNEXPECTED_STATE_NO_CANONICAL)
    if state.has_event and not state.is_published:
        return _late(state.event_age, grace_seconds, Finding.STUCK_OUTBOX)
    if state.has_event or state.state is not None:
        # Published and never worked on, or begun and never ended, as after a broker lost an event that it had
        # acknowledged.
        ages = [age for age in (state.event_age, state.state_age) if age is not None]
        return _late(min(ages), grace_seconds, Finding.STUCK_ENQUEUED)
    return _late(facts.manifest_age, grace_seconds, Finding.WRITTEN_NO_ENQUEUE)


def _late(age_seconds: float | None, grace_seconds: float, finding: Finding) -> Finding | Sound:
    return finding if age_seconds is None or age_seconds >= grace_seconds else Sound.IN_FLIGHT
