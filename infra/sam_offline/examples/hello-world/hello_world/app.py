"""Answers GET /hello."""

from __future__ import annotations

import json
from typing import Any

import requests


def lambda_handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Return the answer of an API Gateway proxy integration."""
    answer = {"message": "hello world", "path": event["path"], "requests": requests.__version__}
    return {"statusCode": 200, "body": json.dumps(answer)}
