"""The retain function, by schedule: deletes data whose retention has ended. Event: {}."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.deadline import Deadline
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts
from exchange.retention.service import retention

SERVICE = "retain"
# Enough time for the statement and the deletions of one page.
RESERVE_SECONDS = 30.0


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    deadline = Deadline.of(context, reserve_seconds=RESERVE_SECONDS, least_seconds=1.0)
    report = retention().run(deadline=deadline, request_id=context.aws_request_id)
    record_counts(
        SERVICE,
        {
            "RawObjectVersionsDeleted": report.raw_object_versions,
            "RawObjectVersionsOverdue": report.raw_object_versions_overdue,
            "IdempotencyKeysDeleted": report.idempotency_keys,
            "AttemptsDeleted": report.attempts,
            "DeadLettersDeleted": report.dead_letters,
            "ErasuresCompleted": report.erasures_completed,
            "RunsCutShort": 0 if report.complete else 1,
        },
    )
    logger(SERVICE).info("retention applied", request_id=context.aws_request_id)
    return asdict(report)
