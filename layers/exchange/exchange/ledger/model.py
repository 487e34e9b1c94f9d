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
    """The ledger's verdict on a record that has just been delivered."""

    STARTED = "started"
    """An attempt has been counted, and this environment makes it."""
    FINISHED = "finished"
    """It is canonical or dead already, and was delivered again."""
    SUSPECT = "suspect"
    """Its last attempt ended with the death of the environment, which this record may have caused."""


@dataclass(frozen=True)
class Attempt:
    """The standing of a record and how many attempts it has had, this one included.

    `started_at` names the attempt among those of its record: this one's, or the last one's that is not ours.
    """

    record_id: UUID
    standing: Standing
    number: int
    started_at: datetime | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A record that was given up; `event` is None where the delivery could not be read as one.

    `error.type`, `message` and `stage` come from our own errors, which name fields and rules only.
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
        """The record's key; an unreadable delivery goes under its hash, since its own key may be anything."""
        return self.event["record_id"] if self.event else self.delivery.sha256

    def encode(self) -> bytes:
        """Return the dead letter as its contract has it."""
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
