"""The replay function, by invoke and schedule: emits the events of raw objects again.

Event: contracts/api/schemas/replay.request.json.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.platform.deadline import Deadline
from exchange.platform.faults import contain_faults
from exchange.platform.log import logger
from exchange.platform.metrics import record_counts
from exchange.recovery.jobs import RESERVE_SECONDS
from exchange.recovery.replay import replayer

SERVICE = "replay"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = replayer().answer(event, Deadline.of(context, reserve_seconds=RESERVE_SECONDS))
    if answer.progress:
        counts = {"Replayed": answer.gained("emitted"), "Restored": answer.gained("restored")}
        record_counts(SERVICE, counts)
        logger(SERVICE).info(
            "shards replayed",
            request_id=context.aws_request_id,
            published=answer.gained("emitted"),
            batch_size=answer.gained("objects"),
        )
    return answer.body
