"""The records that an on-failure destination gets about given-up batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sam_offline.invocation.invocation import Answer
from sam_offline.invocation.records import response_context, timestamp
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.event import EncodedRecord, encode_event


@dataclass(frozen=True)
class DiscardedBatch:
    """Records of a partition that were given up.

    `condition` is the reason, `answer` the last of `invoke_count` answers.
    """

    partition_name: str
    records: tuple[EncodedRecord, ...]
    condition: str
    invoke_count: int
    answer: Answer | None


def bucket_record(source: KafkaSource, function_arn: str, batch: DiscardedBatch, moment: datetime) -> bytes:
    """Return the record of a batch for a bucket: all metadata, and the event as a string.

    https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
    """
    event = encode_event(source, batch.partition_name, batch.records)
    record = _batch_record(source, function_arn, batch, moment)
    record["KafkaBatchInfo"] |= {
        "payloadSize": len(event),
        "recordsInfo": {
            batch.partition_name: {
                "firstRecordOffset": str(batch.records[0].offset),
                "lastRecordOffset": str(batch.records[-1].offset),
                "firstRecordTimestamp": timestamp(batch.records[0].produced_at),
                "lastRecordTimestamp": timestamp(batch.records[-1].produced_at),
            }
        },
    }
    return json.dumps(record | {"payload": event.decode()}).encode()


def topic_record(
    source: KafkaSource, function_arn: str, batch: DiscardedBatch, record: EncodedRecord, moment: datetime
) -> bytes:
    """Return the record of one Kafka record for a topic.

    https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html#kafka-ofd-record-format
    """
    event = encode_event(source, batch.partition_name, (record,))
    document = _batch_record(source, f"{function_arn}:$LATEST", batch, moment)
    # The two pages name one condition in two ways.
    if batch.condition == "RetryAttemptsExhausted":
        document["requestContext"]["condition"] = "RetriesExhausted"
    document["KafkaBatchInfo"] |= {
        "batchSize": 1,
        "payloadSize": len(event),
        "recordInfo": {"offset": str(record.offset), "timestamp": timestamp(record.produced_at)},
    }
    return json.dumps(document | {"payload": json.loads(event)}).encode()


def _batch_record(
    source: KafkaSource, function_arn: str, batch: DiscardedBatch, moment: datetime
) -> dict[str, Any]:
    cluster = {"eventSourceArn": source.cluster_arn} if source.cluster_arn else {}
    return {
        "requestContext": {
            "requestId": "" if batch.answer is None else batch.answer.request_id,
            "functionArn": function_arn,
            "condition": batch.condition,
            "approximateInvokeCount": batch.invoke_count,
        },
        "responseContext": None if batch.answer is None else response_context(batch.answer),
        "version": "1.0",
        "timestamp": timestamp(moment),
        "KafkaBatchInfo": {
            "batchSize": len(batch.records),
            **cluster,
            "bootstrapServers": ",".join(source.bootstrap_servers),
        },
    }
