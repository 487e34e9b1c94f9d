"""Direct invoke: dead letters listed, shown, sent again.

Events: {"action": "list", "by": "reason"}, {"action": "list", "by": "letter", "reason": …},
{"action": "show", "dead_letter_id": 1}, {"action": "redrive", "dead_letter_ids" | "reason" | "all": …, "limit": 50}.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.ledger.dead_letters import dead_letters, operate
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts

SERVICE = "redrive"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = operate(dead_letters(), event, context.aws_request_id)
    if redriven := len(answer.get("redriven", ())):
        record_counts(SERVICE, {"Redriven": redriven})
        logger(SERVICE).info("dead letters redriven", request_id=context.aws_request_id, redriven=redriven)
    return answer
