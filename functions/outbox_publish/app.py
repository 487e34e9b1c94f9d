"""The outbox-publish function, by schedule: publishes the outbox to Kafka.

Event: {"linger_seconds": 60}; 0 if absent.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.errors import ContractViolation
from exchange.outbox.service import publisher
from exchange.platform.deadline import Deadline
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts, record_gauges

SERVICE = "outbox-publish"
# Enough time for a produce that begins at the last moment to end in a commit.
RESERVE_SECONDS = 12.0


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    linger_seconds = event.get("linger_seconds", 0)
    if isinstance(linger_seconds, bool) or not isinstance(linger_seconds, int | float) or linger_seconds < 0:
        raise ContractViolation("must be a number of seconds, 0 or more", field="linger_seconds")
    report = publisher().run(linger_seconds, Deadline.of(context, reserve_seconds=RESERVE_SECONDS))
    record_counts(
        SERVICE, {"Published": report.published, "PublishFailures": report.failed, "Pruned": report.pruned}
    )
    record_gauges(
        SERVICE, {"OutboxBacklog": report.backlog, "OutboxOldestAgeSeconds": report.oldest_age_seconds}
    )
    logger(SERVICE).info("outbox published", request_id=context.aws_request_id, **asdict(report))
    return asdict(report)
