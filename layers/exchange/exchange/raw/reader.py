"""The reader of raw objects, which proves that an object is the one meant, and describes its record.

An object describes its record by its metadata. An object of the first system has none and is described by its body,
the registry and the time it was stored: it is v2 if it names its `record_kind`, else v1; its partner is the owner of
its source; its mapping is its own hint, else the partner's; its correlation id is its record id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from exchange.errors import DependencyUnavailable, InvalidRequest, RecordNotReady, RecordRejected
from exchange.partners.model import Partner
from exchange.partners.service import PartnerRegistry
from exchange.platform.db import database
from exchange.platform.objects import ObjectOverLimit, Objects, StoredObject, raw_objects
from exchange.platform.settings import load_settings
from exchange.platform.strict_json import parse_json
from exchange.raw.entry import (
    BODY_LIMIT_BYTES,
    FETCH_STAGE,
    KINDS,
    VERSIONS,
    ManifestEntry,
    decode_metadata,
    has_metadata,
)
from exchange.raw.key import names_record, source_of

# Objects are held in memory, up to 4 MiB each: a whole page of large ones would exceed a function's memory.
OBJECTS_AT_ONCE = 16


@dataclass(frozen=True)
class Reference:
    """The raw object that an event names: its place, and the hash and size of its bytes."""

    record_id: UUID
    source: str
    bucket: str
    object_key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class RawRecord:
    """A partner's record as sent, with the facts that were known when it was accepted."""

    partner_id: str
    source: str
    record_kind: str
    schema_hint: str
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Place:
    """The place where a record's object lies or may lie; `stored_at` is aware UTC."""

    record_id: UUID
    object_key: str
    stored_at: datetime


@dataclass(frozen=True)
class RawObject:
    """An object with the entry that it describes, or in `unfit` the reason why it cannot be a record's raw object.

    `sha256` is the hash of the object's present bytes, None where it is too large to be read; `key_hash` names the
    row of the record's idempotency key.
    """

    record_id: UUID
    entry: ManifestEntry | None
    unfit: RecordRejected | None
    sha256: str | None = None
    key_hash: str | None = None


class RawReader:
    """Reads the raw objects of one bucket."""

    def __init__(self, objects: Objects, partners: PartnerRegistry, bucket: str) -> None:
        self._objects = objects
        self._partners = partners
        self._bucket = bucket

    def read(self, references: Sequence[Reference]) -> list[RawRecord | Exception]:
        """Fetch and prove the records of events, in order; one that cannot be had leaves its exception in its place.

        That is RecordNotReady for an object that is missing, RecordRejected for one that is not the event's, and
        anything else for a fault of ours. Raises DependencyUnavailable.
        """
        refusals = [self._find_refusal(reference) for reference in references]
        allowed = [ref.object_key for ref, refusal in zip(references, refusals, strict=True) if not refusal]
        stored = iter(self._objects.get_many(allowed, limit_bytes=BODY_LIMIT_BYTES))
        return [
            refusal or self._prove(reference, next(stored))
            for reference, refusal in zip(references, refusals, strict=True)
        ]

    def describe(self, places: Sequence[Place]) -> list[RawObject | None]:
        """Describe the objects at these places, in order, None for a missing one. Raises DependencyUnavailable."""
        return [
            described
            for begin in range(0, len(places), OBJECTS_AT_ONCE)
            for described in self._describe_together(places[begin : begin + OBJECTS_AT_ONCE])
        ]

    def _find_refusal(self, reference: Reference) -> RecordRejected | None:
        """Return why a reference is refused unread: its object is not the record's, or larger than ingest accepts."""
        if reference.bucket != self._bucket:
            return RecordRejected("raw_object.bucket: is not the exchange's bucket", stage=FETCH_STAGE)
        if not names_record(reference.object_key, reference.record_id):
            # Otherwise one object could become canonical as two records.
            return RecordRejected("raw_object.key: is not the record's key", stage=FETCH_STAGE)
        if reference.size_bytes > BODY_LIMIT_BYTES:
            return RecordRejected(
                f"raw_object.size_bytes: is over {BODY_LIMIT_BYTES} bytes", stage=FETCH_STAGE
            )
        return None

    def _prove(
        self, reference: Reference, stored: StoredObject | ObjectOverLimit | None
    ) -> RawRecord | Exception:
        if stored is None:
            return RecordNotReady("raw_object.key: the object is not there", stage=FETCH_STAGE)
        if isinstance(stored, ObjectOverLimit) or len(stored.body) != reference.size_bytes:
            return RecordRejected("raw_object.size_bytes: is not the object's size", stage=FETCH_STAGE)
        if hashlib.sha256(stored.body).hexdigest() != reference.sha256:
            return RecordRejected("raw_object.sha256: is not the object's hash", stage=FETCH_STAGE)
        try:
            return self._record(reference.source, stored)
        except DependencyUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one record's fault must not keep the others from being read
            return error

    def _record(self, source: str, stored: StoredObject) -> RawRecord:
        body, named = _parse_body(stored.body, source, whose="event"), stored.metadata
        if has_metadata(named):
            return RawRecord(named["partner-id"], source, named["record-kind"], named["schema-hint"], body)
        partner = self._owner_of(source)
        # An empty name counts as none here: the first system stored such objects, and its events are read still.
        kind = body.get(VERSIONS["2"].kind_field) or body.get(VERSIONS["1"].kind_field)
        hint = body.get("schema_hint") or partner.default_schema_hint
        return RawRecord(partner.partner_id, source, str(kind), str(hint), body)

    def _describe_together(self, places: Sequence[Place]) -> list[RawObject | None]:
        stored = self._objects.get_many([place.object_key for place in places], limit_bytes=BODY_LIMIT_BYTES)
        return [
            None if found is None else self._describe(place, found)
            for place, found in zip(places, stored, strict=True)
        ]

    def _describe(self, place: Place, stored: StoredObject | ObjectOverLimit) -> RawObject:
        if isinstance(stored, ObjectOverLimit):
            over = RecordRejected(f"raw_object: is over {BODY_LIMIT_BYTES} bytes", stage=FETCH_STAGE)
            return RawObject(place.record_id, None, over)
        sha256 = hashlib.sha256(stored.body).hexdigest()
        try:
            entry = self._entry(place, stored, sha256)
        except RecordRejected as unfit:
            return RawObject(place.record_id, None, unfit, sha256)
        return RawObject(place.record_id, entry, None, sha256, stored.metadata.get("key-hash"))

    def _entry(self, place: Place, stored: StoredObject, sha256: str) -> ManifestEntry:
        if not has_metadata(stored.metadata):
            return self._entry_of_body(place, stored.body, sha256)
        if not self._partners.is_registered(stored.metadata["partner-id"]):
            raise RecordRejected("raw_object: its partner is not registered", stage=FETCH_STAGE)
        return decode_metadata(
            stored.metadata,
            record_id=place.record_id,
            bucket=self._bucket,
            object_key=place.object_key,
            sha256=sha256,
            size_bytes=len(stored.body),
        )

    def _entry_of_body(self, place: Place, data: bytes, sha256: str) -> ManifestEntry:
        source = source_of(place.object_key)
        body = _parse_body(data, source, whose="key")
        partner = self._owner_of(source)
        kind = body.get(VERSIONS["2"].kind_field, body.get(VERSIONS["1"].kind_field))
        hint = body.get("schema_hint", partner.default_schema_hint)
        if kind not in KINDS:
            raise RecordRejected("record_kind: is not one of the exchange's kinds", stage="normalize")
        if hint not in partner.allowed_schema_hints:
            raise RecordRejected("schema_hint: is not agreed with this partner", stage="normalize")
        return ManifestEntry(
            record_id=place.record_id,
            partner_id=partner.partner_id,
            source=source,
            route=VERSIONS["2" if VERSIONS["2"].kind_field in body else "1"].route,
            record_kind=kind,
            schema_hint=hint,
            bucket=self._bucket,
            object_key=place.object_key,
            sha256=sha256,
            size_bytes=len(data),
            correlation_id=str(place.record_id),
            occurred_at=place.stored_at.astimezone(UTC),
        )

    def _owner_of(self, source: str) -> Partner:
        partner = self._partners.owner_of(source)
        if partner is None:
            raise RecordRejected("source: belongs to no partner", stage="normalize")
        return partner


def _parse_body(data: bytes, source: str, *, whose: str) -> dict[str, Any]:
    try:
        body = parse_json(data)
    except InvalidRequest as error:
        raise RecordRejected(str(error), stage="normalize") from error
    if not isinstance(body, dict) or body.get("source") != source:
        raise RecordRejected(f"source: is not the {whose}'s source", stage="normalize")
    return body


@cache
def raw_reader() -> RawReader:
    """Return this environment's reader."""
    return RawReader(raw_objects(), PartnerRegistry(database()), load_settings().require("raw_bucket"))
