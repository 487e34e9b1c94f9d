"""The erase function, by direct invoke: erases records. Event: contracts/api/schemas/erase.request.json."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.erasure.service import eraser
from exchange.platform.deadline import Deadline
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts

SERVICE = "erase"
# Enough time for one record's versions and the receipt.
RESERVE_SECONDS = 20.0


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    deadline = Deadline.of(context, reserve_seconds=RESERVE_SECONDS, least_seconds=1.0)
    answer = eraser().answer(event, request_id=context.aws_request_id, deadline=deadline)
    if "receipt" in answer:
        record_counts(SERVICE, {"Erased": answer["erased"]})
        logger(SERVICE).info(
            "records erased",
            request_id=context.aws_request_id,
            erasure_id=answer["erasure_id"],
            erased=answer["erased"],
        )
    return answer
