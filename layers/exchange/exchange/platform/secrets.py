"""Secrets by ARN, read from AWS Secrets Manager once for each environment."""

from __future__ import annotations

import json
from functools import cache

from exchange.errors import DependencyUnavailable, Misconfigured


@cache
def read_secret(arn: str) -> str:
    """Return the secret string of `arn`; raises DependencyUnavailable when it cannot be read now."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the secret store did not answer") from error
    secret: str = answer["SecretString"]
    return secret


def read_json_secret(arn: str) -> dict[str, str]:
    """Return the secret as a JSON object of strings; raises Misconfigured when it is anything else."""
    try:
        document = json.loads(read_secret(arn))
    except ValueError as error:
        raise Misconfigured("the secret is not JSON") from error
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise Misconfigured("the secret is not an object of strings")
    return document
