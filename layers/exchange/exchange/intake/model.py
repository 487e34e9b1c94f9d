"""What a submission is, and everything that follows from its bytes alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID, uuid5

from exchange.platform.strict_json import canonical_json

KEY_PREFIX = "ingest"
KEY_EXPIRES_AFTER = timedelta(days=30)
# Lambda takes 6 MB, and base64 makes four bytes of three.
BODY_LIMIT_BYTES = 4 * 1024 * 1024
RECORD_NAMESPACE = UUID("6f1d6f0e-58c1-5c0f-8d6c-3a5a6f3c2b71")


@dataclass(frozen=True)
class Submission:
    """A request that passed every check.

    `route` is the path it came by, `version` the event version that path emits, `occurred_at` aware UTC. The body
    and the key stay out of `repr`: both may carry identifiers.
    """

    partner_id: str
    source: str
    route: str
    version: str
    record_kind: str
    schema_hint: str
    correlation_id: str
    occurred_at: datetime
    idempotency_key: str = field(repr=False)
    body: bytes = field(repr=False)

    @cached_property
    def body_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @cached_property
    def record_id(self) -> UUID:
        """The same for every retry of the same request, also after a crash that left no row behind."""
        key_sha256 = hashlib.sha256(self.idempotency_key.encode()).hexdigest()
        return uuid5(RECORD_NAMESPACE, "\n".join((self.partner_id, self.route, key_sha256, self.body_sha256)))

    @cached_property
    def key_hash(self) -> str:
        """The name of the idempotency key's row, as Powertools makes it: the key itself is kept nowhere."""
        scope = json.dumps([self.partner_id, self.route, self.idempotency_key])
        return f"{KEY_PREFIX}#{hashlib.sha256(scope.encode()).hexdigest()}"

    @cached_property
    def object_key(self) -> str:
        hour = self.occurred_at.astimezone(UTC).isoformat(timespec="hours").removesuffix("+00:00")
        return f"{self.source}/{hour}/{self.record_id}.json"

    @property
    def object_metadata(self) -> Mapping[str, str]:
        """All that the event and the manifest need: both can be rebuilt from the bucket alone."""
        return {
            "record-id": str(self.record_id),
            "partner-id": self.partner_id,
            "source": self.source,
            "route": self.route,
            "event-version": self.version,
            "record-kind": self.record_kind,
            "schema-hint": self.schema_hint,
            "correlation-id": self.correlation_id,
            "occurred-at": format_time(self.occurred_at),
            "sha256": self.body_sha256,
            "key-hash": self.key_hash,
        }

    def manifest_entry(self, bucket: str) -> ManifestEntry:
        """What the manifest keeps of it."""
        return ManifestEntry(
            record_id=self.record_id,
            partner_id=self.partner_id,
            source=self.source,
            route=self.route,
            record_kind=self.record_kind,
            schema_hint=self.schema_hint,
            bucket=bucket,
            object_key=self.object_key,
            sha256=self.body_sha256,
            size_bytes=len(self.body),
            correlation_id=self.correlation_id,
            occurred_at=self.occurred_at,
        )


@dataclass(frozen=True)
class ManifestEntry:
    """A raw object as the manifest knows it: its row, all that its event needs, rebuilt from the object when lost."""

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
        """The event version that the record's route emits."""
        return "2" if self.route == "/v2/ingest" else "1"


@dataclass(frozen=True)
class Receipt:
    """The answer to an accepted submission; a repeated request gets the first one's."""

    record_id: str
    correlation_id: str


@dataclass(frozen=True)
class Refusal:
    """What the audit log keeps of a request that was not accepted."""

    route: str
    status: int
    code: str
    correlation_id: str
    partner_id: str | None


def record_lock_id(record_id: UUID) -> int:
    """The advisory lock that ingest and erase take on a record, so that neither acts on what the other undoes."""
    return int.from_bytes(record_id.bytes[:8], "big", signed=True)


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, the one form that events and metadata carry."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_ingested(submission: Submission, bucket: str) -> bytes:
    """The event of a submission, the same bytes for the same submission."""
    return encode_event(submission.manifest_entry(bucket), submission.version)


def encode_event(entry: ManifestEntry, version: str) -> bytes:
    """The event record.ingested of that version as canonical JSON: the same bytes whoever emits it, and when.

    A v2 event of a v1 record names the record's kind, which v1 calls its type, and its partner's mapping. A v1 event
    of a v2 record leaves both to the object. Either becomes the same canonical row.
    """
    event: dict[str, object] = {
        "event_version": version,
        "event_type": "record.ingested",
        "event_id": str(uuid5(entry.record_id, version)),
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
