"""A client of the Lambda Invoke API of a running system."""

from __future__ import annotations

import json
from typing import Any

from infra.system.addresses import Addresses
from infra.system.layout import REGION

# Longer than the longest time-out that a function may have.
READ_TIMEOUT_SECONDS = 910


class FunctionFailed(Exception):
    """A function raised, was killed, or could not be reached; the message is the runtime's."""


class FunctionRefused(FunctionFailed):
    """The function refuses the event, and would refuse it again."""


def lambda_client(addresses: Addresses) -> Any:
    """Return boto3's client without retries: the operator decides what is worth another try."""
    import boto3  # it costs 0.3 s, which only commands that invoke should pay
    from botocore.config import Config

    return boto3.client(
        "lambda",
        endpoint_url=addresses.lambda_,
        region_name=REGION,
        aws_access_key_id=addresses.s3_access_key,
        aws_secret_access_key=addresses.s3_secret_key,
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=READ_TIMEOUT_SECONDS, max_pool_connections=32
        ),
    )


def call(client: Any, function: str, request: dict[str, Any]) -> dict[str, Any]:
    """Invoke a function and return its answer. Raises FunctionFailed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(request).encode())
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        raise FunctionFailed(f"{function} cannot be invoked: {error}") from error
    # `sam local start-lambda` reports an error in the body alone.
    if "FunctionError" in answer or {"errorType", "errorMessage"} <= payload.keys():
        failed = FunctionRefused if payload.get("errorType") == "InvocationRefused" else FunctionFailed
        raise failed(f"{function}: {payload.get('errorMessage', 'failed')}")
    return payload
