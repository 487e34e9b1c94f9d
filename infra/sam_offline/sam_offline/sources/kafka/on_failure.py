"""The on-failure destination of a Kafka source.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
"""

from __future__ import annotations

from sam_offline.arn import function_arn
from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets, Topic
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.on_failure_records import DiscardedBatch, bucket_record, topic_record


class Discards:
    """The destination of the records that a source gives up; without one they are dropped."""

    def __init__(self, source: KafkaSource, region: str, buckets: Buckets, clock: Clock) -> None:
        self._source = source
        self._function_arn = function_arn(region, source.function_name)
        self._buckets = buckets
        self._clock = clock
        destination = source.on_failure
        self._bucket = destination.name if destination and destination.kind == "bucket" else None
        self._topic = (
            Topic(source.bootstrap_servers, destination.name)
            if destination and destination.kind == "topic"
            else None
        )

    @property
    def unsupported(self) -> str | None:
        """The service of a destination that the runner does not deliver to."""
        destination = self._source.on_failure
        if destination is None or self._bucket is not None or self._topic is not None:
            return None
        return destination.name

    async def deliver(self, batch: DiscardedBatch) -> None:
        """Deliver a batch. Raises DeliveryFailed, although the batch may have been kept."""
        moment = self._clock.now()
        if self._topic is not None:
            messages = [
                (record.key, topic_record(self._source, self._function_arn, batch, record, moment))
                for record in batch.records
            ]
            await self._topic.put(messages)
        if self._bucket is not None:
            # The key has the form that streams have: Kafka's page does not give one.
            # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
            folder = f"aws/lambda/{self._source.mapping_id}/{batch.partition_name}"
            record = bucket_record(self._source, self._function_arn, batch, moment)
            await self._buckets.put(self._bucket, folder, moment, record)

    async def close(self) -> None:
        if self._topic is not None:
            await self._topic.close()
