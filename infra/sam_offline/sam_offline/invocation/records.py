"""The records that destinations get about asynchronous invocations, and the parts that all records share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sam_offline.invocation.invocation import Answer


def asynchronous_record(
    function_arn: str,
    payload: bytes,
    answer: Answer | None,
    *,
    request_id: str,
    condition: str,
    invoke_count: int,
    moment: datetime,
) -> bytes:
    """Return the record of a finished asynchronous invocation; `answer` is None if it never ran.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(moment),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function_arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": invoke_count,
        },
        "requestPayload": _json(payload),
    }
    if answer is not None:
        record["responseContext"] = response_context(answer)
        record["responsePayload"] = _json(answer.payload)
    return json.dumps(record).encode()


def response_context(answer: Answer) -> dict[str, Any]:
    """Return the part of a record that says how the last invocation ended."""
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    return context if answer.error_type is None else context | {"functionError": "Unhandled"}


def timestamp(moment: datetime) -> str:
    """Return a moment in the form that records use: UTC, with milliseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode("utf-8", errors="replace")
