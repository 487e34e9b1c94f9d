"""The lineage function, by direct invoke: reads the lineage of one record. Event: {"record_id": "…"}."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.ledger.lineage import lineage_reader
from exchange.platform.faults import contain_faults

SERVICE = "lineage"


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return lineage_reader().read(event)
