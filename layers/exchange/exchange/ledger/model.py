"""Deliveries, attempts and dead letters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from exchange.platform.strict_json import canonical_json

ATTEMPT_LIMIT = 5
ERROR_MESSAGE_LIMIT = 500


@dataclass(frozen=True)
class Delivery:
    """One Kafka record as the event source handed it over."""

    topic: str
    partition: int
    offset: int
    value: bytes = field(repr=False)

    @property
    def position(self) -> tuple[str, int, int]:
        """The delivery's position among all deliveries."""
        return self.topic, self.partition, self.offset

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.value).hexdigest()


@dataclass(frozen=True)
class Subject:
    """The subject of an attempt: a record, by one of its events, as it was delivered."""

    record_id: UUID
    event_id: UUID
    delivery: Delivery


class Standing(Enum):
    """The ledger's decision about a record that has just been delivered."""

    STARTED = "started"
    """An attempt has been counted, and this environment makes it."""
    FINISHED = "finished"
    """It is canonical or dead already, and was delivered again."""
    SUSPECT = "suspect"
    """Its last attempt ended with the death of the environment, which this record may have caused."""


@dataclass(frozen=True)
class Attempt:
    """The standing of a record and how many attempts it has had, this one included.

    `started_at` identifies the attempt among those of its record. For a suspect it is that of the last attempt, which
    another environment made.
    """

    record_id: UUID
    standing: Standing
    number: int
    started_at: datetime | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A record that the exchange gave up; `event` is None where the delivery could not be read as an event.

    The error's type, message and stage come from the exchange's own errors, which name only fields and rules.
    """

    delivery: Delivery
    event: dict[str, Any] | None = field(repr=False)
    error_type: str
    error_message: str
    stage: str
    attempts: int
    failed_at: datetime

    @property
    def topic(self) -> str:
        return f"{self.delivery.topic}.dlq"

    @property
    def key(self) -> str:
        """The record's id, or the hash of an unreadable delivery, whose own key may be anything."""
        return self.event["record_id"] if self.event else self.delivery.sha256

    def encode(self) -> bytes:
        """Encode the dead letter as its contract specifies."""
        subject: dict[str, Any] = (
            {"original_event": self.event}
            if self.event
            else {
                "unparseable_event": True,
                "event_sha256": self.delivery.sha256,
                "size_bytes": len(self.delivery.value),
            }
        )
        return canonical_json(
            {
                **subject,
                "error": {"type": self.error_type, "message": self.error_message, "stage": self.stage},
                "attempts": self.attempts,
                "failed_at": self.failed_at.isoformat(timespec="milliseconds"),
            }
        )
