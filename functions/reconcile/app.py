"""The reconcile function, by invoke and schedule: compares bucket and tables.

Event: contracts/api/schemas/reconcile.request.json.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.deadline import Deadline
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts, record_gauges
from exchange.recovery.jobs import RESERVE_SECONDS
from exchange.recovery.reconcile import reconciler

SERVICE = "reconcile"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = reconciler().answer(event, Deadline.of(context, reserve_seconds=RESERVE_SECONDS))
    if answer.progress:
        counts = {"Reconciled": answer.gained("records"), "Repaired": answer.gained("repaired")}
        record_counts(SERVICE, counts)
        logger(SERVICE).info(
            "bucket reconciled", request_id=context.aws_request_id, batch_size=answer.gained("records")
        )
    if answer.open_findings is not None:
        # Dead letters have an alarm of their own.
        waiting = sum(n for finding, n in answer.open_findings.items() if finding != "dead_lettered")
        record_gauges(SERVICE, {"OpenFindings": waiting})
    return answer.body
