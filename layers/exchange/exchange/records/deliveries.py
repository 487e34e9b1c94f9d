"""Deliveries of the Kafka event source, and the events that they hold."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from exchange.errors import InvalidRequest, RecordRejected
from exchange.ledger.model import Delivery, Subject
from exchange.platform.contracts import contract
from exchange.platform.strict_json import parse_json
from exchange.raw.reader import Reference


@dataclass(frozen=True)
class RecordIngested:
    """A delivery whose event meets its contract."""

    delivery: Delivery
    event: dict[str, Any] = field(repr=False)

    @property
    def record_id(self) -> UUID:
        return UUID(self.event["record_id"])

    @property
    def event_id(self) -> UUID:
        return UUID(self.event["event_id"])

    @property
    def subject(self) -> Subject:
        """The subject of an attempt at this record."""
        return Subject(self.record_id, self.event_id, self.delivery)

    @property
    def reference(self) -> Reference:
        """The reference to the raw object that the event names."""
        raw_object = self.event["raw_object"]
        return Reference(
            record_id=self.record_id,
            source=self.event["source"],
            bucket=raw_object["bucket"],
            object_key=raw_object["key"],
            sha256=raw_object["sha256"],
            size_bytes=raw_object["size_bytes"],
        )


def read_deliveries(event: Mapping[str, Any]) -> list[Delivery]:
    """Return the records of a self-managed or MSK Kafka event, partition by partition, in order."""
    return [
        Delivery(
            record["topic"],
            record["partition"],
            record["offset"],
            base64.b64decode(record.get("value") or ""),
        )
        for records in event["records"].values()
        for record in records
    ]


def read_event(delivery: Delivery, contract_of_topic: Mapping[str, str]) -> RecordIngested:
    """Parse the event of a delivery and validate it by the contract of its topic; raises RecordRejected."""
    try:
        event: Any = parse_json(delivery.value)
        contract(contract_of_topic[delivery.topic]).validate(event)
    except InvalidRequest as error:
        raise RecordRejected(str(error), stage="parse_event") from error
    return RecordIngested(delivery, event)
