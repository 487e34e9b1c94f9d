"""Functions that show what the runner gives them."""

import json
import os
import sys
import time
from pathlib import Path

_SEEN = []


def echo(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def mirror(event, context):
    return event


def empty(event, context):
    return {"statusCode": 204}


def answer(event, context):
    """Return the answer that the request's body describes."""
    return json.loads(event["body"])


def layered(event, context):
    import greetings
    import made
    import plain

    return {"greetings": greetings.WORD, "made": made.WORD, "python": made.PYTHON, "plain": plain.WORD}


def environment(event, context):
    return {
        "variables": dict(os.environ),
        "path": sys.path,
        "folder": str(Path.cwd()),
        "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
        "custom": context.client_context.custom if context.client_context else None,
    }


def sleep(event, context):
    """Sleep for a number of seconds, or until a file exists."""
    time.sleep(event.get("seconds", 0))
    while "until" in event and not Path(event["until"]).exists():
        time.sleep(0.02)
    return {"pid": os.getpid()}


def wait_in_a_request(event, context):
    time.sleep(float(event["body"]))
    return {"statusCode": 200, "body": "slept"}


def die_if_asked(event, context):
    if event.get("die"):
        os._exit(3)
    if event.get("raise"):
        raise ValueError("asked to")
    print("a line of mine")
    return {"pid": os.getpid()}


def large(event, context):
    if "httpMethod" in event:
        return {"statusCode": 200, "body": "x" * int(event["body"])}
    if "text" in event:
        return len(event["text"])
    return "x" * event["bytes"]


def measure(event, context):
    for _ in range(event["times"]):
        print(
            json.dumps(
                {
                    "_aws": {
                        "Timestamp": 0,
                        "CloudWatchMetrics": [
                            {
                                "Namespace": "Shop",
                                "Dimensions": [["service"]],
                                "Metrics": [
                                    {"Name": "OrdersTaken", "Unit": "Count"},
                                    {"Name": "Took", "Unit": "Milliseconds"},
                                    {"Name": "Backlog", "Unit": "None"},
                                ],
                            }
                        ],
                    },
                    "service": "till",
                    "OrdersTaken": [1, 2],
                    "Took": 250,
                    "Backlog": 7,
                }
            )
        )


def remember(event, context):
    """Keep events, and fail as often as `fails` says."""
    if event.get("recall"):
        return _SEEN
    _SEEN.append(event)
    time.sleep(event.get("seconds", 0))
    if event.get("fails"):
        raise RuntimeError("asked to")
    return None
