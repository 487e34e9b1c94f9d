"""From a raw object to its manifest entry, when the tables have lost it or never had it.

An object of today carries all that is needed in its metadata. One of the old system (no metadata) is described by its
body, the registry and the time it was stored: v2 if it names its `record_kind`, else v1; its partner the owner of its
source; its mapping its own hint, else the partner's; its correlation id its record id; its time its Last-Modified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exchange.errors import InvalidRequest, RecordRejected
from exchange.intake.model import BODY_LIMIT_BYTES, ManifestEntry
from exchange.intake.reading import ROUTES
from exchange.partners.service import PartnerRegistry
from exchange.platform.listing import ListedObject
from exchange.platform.objects import ObjectOverLimit, Objects, StoredObject
from exchange.platform.strict_json import parse_json
from exchange.recovery.model import RawKey

STAGE = "fetch_raw_object"
# Objects are held in memory, 4 MiB each at most: a page of large ones is more than a function has.
OBJECTS_AT_ONCE = 16
KINDS = frozenset({"encounter", "claim", "lab_result"})
METADATA = frozenset(
    {
        *("record-id", "partner-id", "source", "route", "record-kind", "schema-hint"),
        *("correlation-id", "occurred-at", "sha256"),
    }
)


@dataclass(frozen=True)
class Described:
    """What an object tells of its record; `unfit` says instead why it cannot be a record's raw object.

    `sha256` is that of the bytes as they are, `key_hash` the name of the idempotency row that the record came under.
    """

    key: RawKey
    listed: ListedObject
    entry: ManifestEntry | None
    unfit: RecordRejected | None
    sha256: str | None = None
    key_hash: str | None = None


class Describer:
    """Reads objects and describes them."""

    def __init__(self, objects: Objects, partners: PartnerRegistry, bucket: str) -> None:
        self._objects = objects
        self._partners = partners
        self._bucket = bucket

    def describe(self, listed: Sequence[tuple[RawKey, ListedObject]]) -> list[Described | None]:
        """One for each, in order, None for an object that is gone by now. Raises DependencyUnavailable."""
        return [
            described
            for begin in range(0, len(listed), OBJECTS_AT_ONCE)
            for described in self._describe_together(listed[begin : begin + OBJECTS_AT_ONCE])
        ]

    def _describe_together(self, listed: Sequence[tuple[RawKey, ListedObject]]) -> list[Described | None]:
        stored = self._objects.get_many([entry.key for _, entry in listed], limit_bytes=BODY_LIMIT_BYTES)
        return [
            None if found is None else self._describe(key, entry, found)
            for (key, entry), found in zip(listed, stored, strict=True)
        ]

    def _describe(
        self, key: RawKey, listed: ListedObject, found: StoredObject | ObjectOverLimit
    ) -> Described:
        if isinstance(found, ObjectOverLimit):
            over = RecordRejected(f"raw_object: is over {BODY_LIMIT_BYTES} bytes", stage=STAGE)
            return Described(key, listed, None, over)
        sha256 = hashlib.sha256(found.body).hexdigest()
        try:
            entry = self._entry(key, listed, found, sha256)
        except RecordRejected as unfit:
            return Described(key, listed, None, unfit, sha256)
        return Described(key, listed, entry, None, sha256, found.metadata.get("key-hash"))

    def _entry(self, key: RawKey, listed: ListedObject, found: StoredObject, sha256: str) -> ManifestEntry:
        common = {
            "record_id": key.record_id,
            "bucket": self._bucket,
            "object_key": listed.key,
            "sha256": sha256,
            "size_bytes": len(found.body),
        }
        if found.metadata.keys() >= METADATA:
            if not self._partners.is_registered(found.metadata["partner-id"]):
                raise RecordRejected("raw_object: its partner is not registered", stage=STAGE)
            return _from_metadata(found.metadata, key, common)
        return self._from_body(found.body, key, listed.last_modified, common)

    def _from_body(
        self, data: bytes, key: RawKey, stored_at: datetime, common: Mapping[str, Any]
    ) -> ManifestEntry:
        try:
            body = parse_json(data)
        except InvalidRequest as error:
            raise RecordRejected(str(error), stage="normalize") from error
        if not isinstance(body, dict) or body.get("source") != key.folder.source:
            raise RecordRejected("source: is not the key's source", stage="normalize")
        partner = self._partners.owner_of(key.folder.source)
        if partner is None:
            raise RecordRejected("source: belongs to no partner", stage="normalize")
        version = "2" if "record_kind" in body else "1"
        kind = body.get("record_kind", body.get("record_type"))
        if kind not in KINDS:
            raise RecordRejected("record_kind: is not one of the exchange's kinds", stage="normalize")
        hint = body.get("schema_hint", partner.default_schema_hint)
        if hint not in partner.allowed_schema_hints:
            raise RecordRejected("schema_hint: is not agreed with this partner", stage="normalize")
        (route,) = (route.path for route in ROUTES.values() if route.version == version)
        return ManifestEntry(
            **common,
            partner_id=partner.partner_id,
            source=key.folder.source,
            route=route,
            record_kind=kind,
            schema_hint=hint,
            correlation_id=str(key.record_id),
            occurred_at=stored_at.astimezone(UTC),
        )


def _from_metadata(metadata: Mapping[str, str], key: RawKey, common: Mapping[str, Any]) -> ManifestEntry:
    if metadata["sha256"] != common["sha256"]:
        raise RecordRejected("raw_object.sha256: is not the object's hash", stage=STAGE)
    if (metadata["record-id"], metadata["source"]) != (str(key.record_id), key.folder.source):
        raise RecordRejected("raw_object.key: is not the record's key", stage=STAGE)
    if metadata["route"] not in ROUTES or metadata["record-kind"] not in KINDS:
        raise RecordRejected("raw_object: its metadata are not ours", stage=STAGE)
    try:
        occurred_at = datetime.fromisoformat(metadata["occurred-at"])
    except ValueError:
        raise RecordRejected("raw_object: its metadata are not ours", stage=STAGE) from None
    if occurred_at.tzinfo is None:
        raise RecordRejected("raw_object: its metadata are not ours", stage=STAGE)
    return ManifestEntry(
        **common,
        partner_id=metadata["partner-id"],
        source=metadata["source"],
        route=metadata["route"],
        record_kind=metadata["record-kind"],
        schema_hint=metadata["schema-hint"],
        correlation_id=metadata["correlation-id"],
        occurred_at=occurred_at,
    )
