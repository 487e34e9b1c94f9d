"""The redrive function, by direct invoke: lists, shows and redrives dead letters.

Event: contracts/api/schemas/redrive.request.json.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.dead_letters.service import dead_letters
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts

SERVICE = "redrive"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = dead_letters().answer(event, context.aws_request_id)
    redriven, refused = len(answer.get("redriven", ())), len(answer.get("refused", ()))
    if redriven or (refused and not event.get("dry_run")):
        record_counts(SERVICE, {"Redriven": redriven, "RedrivesRefused": refused})
        logger(SERVICE).info(
            "dead letters redriven", request_id=context.aws_request_id, redriven=redriven, refused=refused
        )
    return answer
