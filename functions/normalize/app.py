"""The normalize function, from Kafka: turns raw records into canonical rows; answers with the deliveries to repeat."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts
from exchange.records.service import normalizer

SERVICE = "normalize"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    report = normalizer().normalize(event)
    counts = {
        "Canonical": report.canonical,
        "Repeated": report.repeated,
        "Erased": report.erased,
        "DeadLetters": report.dead_letters,
        "Retried": len(report.retry),
    }
    record_counts(SERVICE, counts)
    logger(SERVICE).info(
        "batch normalized",
        request_id=context.aws_request_id,
        canonical=report.canonical,
        dead_letters=report.dead_letters,
        retried=len(report.retry),
    )
    return {
        "batchItemFailures": [
            {
                "itemIdentifier": {
                    "partition": f"{delivery.topic}-{delivery.partition}",
                    "offset": delivery.offset,
                }
            }
            for delivery in report.retry
        ]
    }
