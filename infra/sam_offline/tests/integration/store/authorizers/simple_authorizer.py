"""An HTTP API's authorizer with simple responses."""

import time


def lambda_handler(event, context):
    token = event["headers"]["authorization"]
    if token == "broken":
        return {"authorized": True}
    if token == "raises":
        raise ValueError("no such token")
    return {
        "isAuthorized": token == "secretToken",
        "context": {"arrayKey": ["value1"], "event": event, "asked": time.time_ns()},
    }
