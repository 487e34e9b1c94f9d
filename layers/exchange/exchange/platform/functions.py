"""Synchronous invocation of another function of the exchange."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from exchange.errors import DependencyUnavailable
from exchange.platform.settings import load_settings

if TYPE_CHECKING:
    from botocore.client import BaseClient


class Function:
    """A Lambda function, by its name."""

    def __init__(self, client: BaseClient, name: str) -> None:
        self._client = client
        self._name = name

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function and return its answer; raises DependencyUnavailable when it fails or is not reached."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.invoke(
                FunctionName=self._name,
                InvocationType="RequestResponse",
                Payload=json.dumps(payload, separators=(",", ":")).encode(),
            )
            body = answer["Payload"].read()
        except (BotoCoreError, ClientError, OSError) as error:
            raise DependencyUnavailable(f"the function {self._name} did not answer") from error
        if "FunctionError" in answer:
            raise DependencyUnavailable(f"the function {self._name} failed")
        result: dict[str, Any] = json.loads(body)
        return result


@cache
def tokenize_function() -> Function:
    """Return the tokenize function of this deployment."""
    import boto3
    from botocore.config import Config

    settings = load_settings()
    client = boto3.client(
        "lambda",
        region_name=settings.aws_region,
        config=Config(connect_timeout=2, read_timeout=15, retries={"total_max_attempts": 2}),
    )
    return Function(client, settings.require("tokenize_function_name"))
