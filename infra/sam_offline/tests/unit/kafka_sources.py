"""A typical Kafka source."""

from __future__ import annotations

from sam_offline.model import KafkaSource

SOURCE = KafkaSource(
    logical_id="Orders",
    function_name="Reader",
    topics=("orders",),
    bootstrap_servers=("a:1", "b:2"),
    cluster_arn="",
    consumer_group_id="readers",
    starting_position="TRIM_HORIZON",
    starting_timestamp_ms=None,
    batch_size=100,
    batching_window_seconds=0.0,
    report_batch_item_failures=True,
    bisects=False,
    maximum_retries=-1,
    maximum_record_age_seconds=-1,
    on_failure=None,
    filters=(),
    minimum_pollers=1,
    maximum_pollers=1,
    enabled=True,
)
