"""Submissions of partners, and the values that follow from a request alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID, uuid5

from exchange.raw.entry import ManifestEntry, version_of_route
from exchange.raw.key import RawKey

KEY_PREFIX = "ingest"
KEY_EXPIRES_AFTER = timedelta(days=30)
RECORD_NAMESPACE = UUID("6f1d6f0e-58c1-5c0f-8d6c-3a5a6f3c2b71")


@dataclass(frozen=True)
class Submission:
    """A request that passed every check.

    `route` is the path of the request, `occurred_at` is aware UTC. `repr` shows neither the body nor the key, since
    both may hold identifiers.
    """

    partner_id: str
    source: str
    route: str
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
        """The record's id, the same for every retry of a request, even after a crash that left no row."""
        key_sha256 = hashlib.sha256(self.idempotency_key.encode()).hexdigest()
        return uuid5(RECORD_NAMESPACE, "\n".join((self.partner_id, self.route, key_sha256, self.body_sha256)))

    @cached_property
    def key_hash(self) -> str:
        """The name of the idempotency key's row, formed as Powertools does; the key itself is stored nowhere."""
        scope = json.dumps([self.partner_id, self.route, self.idempotency_key])
        return f"{KEY_PREFIX}#{hashlib.sha256(scope.encode()).hexdigest()}"

    @property
    def version(self) -> str:
        """The version of the event that the route emits."""
        return version_of_route(self.route).number

    @cached_property
    def object_key(self) -> str:
        return str(RawKey.of(self.source, self.occurred_at, self.record_id))

    def entry(self, bucket: str) -> ManifestEntry:
        """Return the manifest entry of the submission's raw object."""
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
class Receipt:
    """The answer to an accepted submission; a repeated request gets the answer of the first."""

    record_id: str
    correlation_id: str


@dataclass(frozen=True)
class Acceptance:
    """A receipt, and whether this request stored the record or an earlier one did."""

    receipt: Receipt
    was_new: bool


@dataclass(frozen=True)
class RefusedRequest:
    """The facts that the audit log keeps about a request that was not accepted."""

    route: str
    status: int
    code: str
    correlation_id: str
    partner_id: str | None
