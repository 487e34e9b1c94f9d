"""The manifest entry of a raw object, and its forms as object metadata, as a row and as an event.

The metadata hold all that an entry needs, so that tables and events can be rebuilt from the bucket alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from exchange.errors import RecordRejected
from exchange.platform.settings import Settings
from exchange.platform.strict_json import canonical_json
from exchange.raw.key import source_of

# Lambda accepts 6 MB, and base64 turns three bytes into four.
BODY_LIMIT_BYTES = 4 * 1024 * 1024
KINDS = frozenset({"encounter", "claim", "lab_result"})
# The stage of failures where a raw object is missing or is not the one that was accepted.
FETCH_STAGE = "fetch_raw_object"


@dataclass(frozen=True)
class Version:
    """A version of the ingest API and of the event that it emits."""

    number: str
    route: str
    kind_field: str
    """The name that a request body of this version gives to the record's kind."""
    request_contract: str
    event_contract: str
    topic_setting: str


VERSIONS = {
    version.number: version
    for version in (
        Version(
            number="1",
            route="/v1/ingest",
            kind_field="record_type",
            request_contract="api/schemas/ingest.v1",
            event_contract="events/record.ingested.v1",
            topic_setting="topic_record_ingested_v1",
        ),
        Version(
            number="2",
            route="/v2/ingest",
            kind_field="record_kind",
            request_contract="api/schemas/ingest.v2",
            event_contract="events/record.ingested.v2",
            topic_setting="topic_record_ingested_v2",
        ),
    )
}
ROUTES = {version.route: version for version in VERSIONS.values()}


def version_of_route(route: str | None) -> Version:
    """Return the version that a route belongs to; an absent or unknown route counts as version 1.

    Rows outlive routes: a row whose route no longer exists still needs an event id, and the first system wrote version
    1. Metadata and requests with an unknown route are refused before they come here.
    """
    return ROUTES.get(route or "", VERSIONS["1"])


def topics_by_version(settings: Settings) -> dict[str, str]:
    """Return the topic of each version's events."""
    return {version.number: getattr(settings, version.topic_setting) for version in VERSIONS.values()}


def event_contracts_by_topic(topics: Mapping[str, str]) -> dict[str, str]:
    """Return the event contract of each topic, given the topics by version."""
    return {topic: VERSIONS[number].event_contract for number, topic in topics.items()}


@dataclass(frozen=True)
class ManifestEntry:
    """The facts about a raw object; each field is a column of the manifest."""

    record_id: UUID
    partner_id: str
    source: str
    route: str
    record_kind: str
    schema_hint: str
    bucket: str
    object_key: str
    sha256: str
    size_bytes: int
    correlation_id: str
    occurred_at: datetime

    @property
    def version(self) -> str:
        """The version of the event that the record's route emits."""
        return version_of_route(self.route).number


@dataclass(frozen=True)
class ManifestRow:
    """A manifest row; `raw_deleted` is set once retention has deleted its object."""

    entry: ManifestEntry
    raw_deleted: bool


def encode_metadata(entry: ManifestEntry, key_hash: str) -> dict[str, str]:
    """Encode an entry as object metadata; `key_hash` names the idempotency key's row."""
    return {
        "record-id": str(entry.record_id),
        "partner-id": entry.partner_id,
        "source": entry.source,
        "route": entry.route,
        "event-version": entry.version,
        "record-kind": entry.record_kind,
        "schema-hint": entry.schema_hint,
        "correlation-id": entry.correlation_id,
        "occurred-at": format_time(entry.occurred_at),
        "sha256": entry.sha256,
        "key-hash": key_hash,
    }


# The metadata that an entry is decoded from; objects of the first system have none.
_REQUIRED = frozenset(
    {
        *("record-id", "partner-id", "source", "route", "record-kind", "schema-hint"),
        *("correlation-id", "occurred-at", "sha256"),
    }
)


def has_metadata(metadata: Mapping[str, str]) -> bool:
    """Tell whether an object has all of the exchange's metadata."""
    return metadata.keys() >= _REQUIRED


def decode_metadata(
    metadata: Mapping[str, str],
    *,
    record_id: UUID,
    bucket: str,
    object_key: str,
    sha256: str,
    size_bytes: int,
) -> ManifestEntry:
    """Decode an entry from complete metadata; the keyword arguments are facts about the object itself.

    Raises RecordRejected when metadata and object contradict each other.
    """
    if metadata["sha256"] != sha256:
        raise RecordRejected("raw_object.sha256: is not the object's hash", stage=FETCH_STAGE)
    if (metadata["record-id"], metadata["source"]) != (str(record_id), source_of(object_key)):
        raise RecordRejected("raw_object.key: is not the record's key", stage=FETCH_STAGE)
    if metadata["route"] not in ROUTES or metadata["record-kind"] not in KINDS:
        raise RecordRejected("raw_object: its metadata are not ours", stage=FETCH_STAGE)
    try:
        occurred_at = datetime.fromisoformat(metadata["occurred-at"])
    except ValueError:
        raise RecordRejected("raw_object: its metadata are not ours", stage=FETCH_STAGE) from None
    if occurred_at.tzinfo is None:
        raise RecordRejected("raw_object: its metadata are not ours", stage=FETCH_STAGE)
    return ManifestEntry(
        record_id=record_id,
        partner_id=metadata["partner-id"],
        source=metadata["source"],
        route=metadata["route"],
        record_kind=metadata["record-kind"],
        schema_hint=metadata["schema-hint"],
        bucket=bucket,
        object_key=object_key,
        sha256=sha256,
        size_bytes=size_bytes,
        correlation_id=metadata["correlation-id"],
        occurred_at=occurred_at,
    )


def event_id(record_id: UUID, version: str) -> UUID:
    """Return the id of a record's event of a version, the same every time that the event is emitted."""
    return uuid5(record_id, version)


def encode_event(entry: ManifestEntry, version: str) -> bytes:
    """Encode the record.ingested event of a version as canonical JSON, with the same bytes for the same entry.

    A v2 event of a v1 record names the record's kind, which v1 calls its type, and its partner's mapping. A v1 event of
    a v2 record has neither; they are read from the object. Both events lead to the same canonical row.
    """
    event: dict[str, object] = {
        "event_version": version,
        "event_type": "record.ingested",
        "event_id": str(event_id(entry.record_id, version)),
        "occurred_at": format_time(entry.occurred_at),
        "correlation_id": entry.correlation_id,
        "source": entry.source,
        "record_id": str(entry.record_id),
        "raw_object": {
            "bucket": entry.bucket,
            "key": entry.object_key,
            "sha256": entry.sha256,
            "size_bytes": entry.size_bytes,
        },
    }
    if version == "2":
        event |= {"record_kind": entry.record_kind, "schema_hint": entry.schema_hint}
    return canonical_json(event)


def format_time(at: datetime) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds, as in events and metadata."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
