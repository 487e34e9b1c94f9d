"""Where a Kafka source's records go that were given up.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
"""

from __future__ import annotations

from sam_offline.arn import function_arn
from sam_offline.clock import Clock
from sam_offline.invocation.destinations import Buckets, Topic
from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.on_failure_records import DiscardedBatch, bucket_record, topic_record


class Discards:
    """The on-failure destination of one source; without one, records are passed over."""

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
        """The service that the template names and that nothing is delivered to here."""
        destination = self._source.on_failure
        if destination is None or self._bucket is not None or self._topic is not None:
            return None
        return destination.name

    async def deliver(self, batch: DiscardedBatch) -> None:
        """Have the destination keep the batch. Raises DeliveryFailed; it may have been kept then all the same."""
        moment = self._clock.now()
        if self._topic is not None:
            messages = [
                (record.key, topic_record(self._source, self._function_arn, batch, record, moment))
                for record in batch.records
            ]
            await self._topic.put(messages)
        if self._bucket is not None:
            # The naming is the streams': Kafka's page does not tell it.
            # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
            folder = f"aws/lambda/{self._source.mapping_id}/{batch.partition_name}"
            record = bucket_record(self._source, self._function_arn, batch, moment)
            await self._buckets.put(self._bucket, folder, moment, record)

    async def close(self) -> None:
        if self._topic is not None:
            await self._topic.close()
