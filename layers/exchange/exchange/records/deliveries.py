"""Deliveries of the Kafka event source, and the events that they hold."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from exchange.errors import InvalidRequest, RecordRejected
from exchange.ledger.model import Delivery
from exchange.platform.contracts import contract
from exchange.platform.strict_json import parse_json
from exchange.raw.reader import Reference


@dataclass(frozen=True)
class RecordIngested:
    """A delivery whose event meets its contract, with the event's ids and the reference to its raw object."""

    delivery: Delivery
    event: dict[str, Any] = field(repr=False)
    record_id: UUID
    event_id: UUID
    reference: Reference


@dataclass(frozen=True)
class Batch:
    """The deliveries of one event of the event source, divided into those with a valid event and those without."""

    readable: Sequence[RecordIngested]
    unreadable: Sequence[tuple[Delivery, RecordRejected]]


def read_batch(event: Mapping[str, Any], contract_of_topic: Mapping[str, str]) -> Batch:
    """Read a self-managed or MSK Kafka event, partition by partition, in order."""
    readable: list[RecordIngested] = []
    unreadable: list[tuple[Delivery, RecordRejected]] = []
    for delivery in read_deliveries(event):
        try:
            readable.append(read_event(delivery, contract_of_topic))
        except RecordRejected as rejected:
            unreadable.append((delivery, rejected))
    return Batch(readable, unreadable)


def read_deliveries(event: Mapping[str, Any]) -> list[Delivery]:
    """Return the records of a Kafka event, in order."""
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
    record_id, raw_object = UUID(event["record_id"]), event["raw_object"]
    return RecordIngested(
        delivery,
        event,
        record_id,
        UUID(event["event_id"]),
        Reference(
            record_id=record_id,
            source=event["source"],
            bucket=raw_object["bucket"],
            object_key=raw_object["key"],
            sha256=raw_object["sha256"],
            size_bytes=raw_object["size_bytes"],
        ),
    )
