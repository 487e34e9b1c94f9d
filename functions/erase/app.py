"""Direct invoke: erases records for good. Event: contracts/api/schemas/erase.request.json."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.erasure.operating import operate
from exchange.erasure.service import eraser
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts

SERVICE = "erase"
RESERVE_SECONDS = 20.0


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # Enough for one record's versions and the receipt.
    seconds = max(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS, 1.0)
    answer = operate(eraser(), event, request_id=context.aws_request_id, deadline=time.monotonic() + seconds)
    if "receipt" in answer:
        record_counts(SERVICE, {"Erased": answer["erased"]})
        logger(SERVICE).info(
            "records erased",
            request_id=context.aws_request_id,
            erasure_id=answer["erasure_id"],
            erased=answer["erased"],
        )
    return answer
