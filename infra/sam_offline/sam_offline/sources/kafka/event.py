"""The event of a Kafka source, and the meaning of a function's answer to it.

https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html#smaa-event-example
https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html#msk-sample-event
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sam_offline.model import KafkaSource

TIMESTAMP_TYPES = {0: "CREATE_TIME", 1: "LOG_APPEND_TIME"}


class KafkaRecord(Protocol):
    """The part of kafka-python's ConsumerRecord that an event shows."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record in the form that events contain, encoded once however often its batch is tried.

    A record that no filter wants has no JSON: it only moves the offset.
    """

    offset: int
    json: bytes
    timestamp_ms: int
    key: bytes | None

    @property
    def is_wanted(self) -> bool:
        return bool(self.json)

    @property
    def produced_at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)


def pass_over(record: KafkaRecord) -> EncodedRecord:
    """Return the placeholder for a record that the function does not get."""
    return EncodedRecord(record.offset, b"", record.timestamp, None)


def encode_record(record: KafkaRecord) -> EncodedRecord:
    """Return `record` in the form that events contain; a null key or value is left out."""
    shown: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": TIMESTAMP_TYPES.get(record.timestamp_type, "NO_TIMESTAMP_TYPE"),
    }
    if record.key is not None:
        shown["key"] = base64.b64encode(record.key).decode("ascii")
    if record.value is not None:
        shown["value"] = base64.b64encode(record.value).decode("ascii")
    shown["headers"] = [{name: list(value or b"")} for name, value in record.headers]
    encoded = json.dumps(shown, separators=(",", ":")).encode()
    return EncodedRecord(record.offset, encoded, record.timestamp, record.key)


def encode_event(source: KafkaSource, partition_name: str, records: Iterable[EncodedRecord]) -> bytes:
    """Return the event of a partition's records; `partition_name` is of the form `topic-0`."""
    head = {"eventSource": source.event_source}
    if source.cluster_arn:
        head["eventSourceArn"] = source.cluster_arn
    head["bootstrapServers"] = ",".join(source.bootstrap_servers)
    name = json.dumps(partition_name)
    listed = b",".join(record.json for record in records)
    return f'{json.dumps(head, separators=(",", ":"))[:-1]},"records":{{{name}:['.encode() + listed + b"]}}"


def first_failed_offset(answer: bytes, partition_name: str, offsets: Sequence[int]) -> int | None:
    """Return the lowest offset that a partial batch response names, or None if all records succeeded.

    A response that cannot be understood fails the whole batch, as on AWS:
    https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
    """
    try:
        report = json.loads(answer)
    except ValueError:
        return offsets[0]
    if report is None:
        return None
    if not isinstance(report, dict):
        return offsets[0]
    failures = report.get("batchItemFailures")
    if not failures:
        return None
    failed = []
    for failure in failures if isinstance(failures, list) else [None]:
        item = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if (
            not isinstance(item, dict)
            or item.get("partition") != partition_name
            or item.get("offset") not in offsets
        ):
            return offsets[0]
        failed.append(int(item["offset"]))
    return min(failed)
