"""Writes each event as a line of JSON, and fails as often as the event says."""

import base64
import json
import os
from pathlib import Path


def read(event, context):
    """Handle a batch of Kafka; a record whose value begins with `bad` fails the whole batch."""
    ((partition, records),) = event["records"].items()
    values = [base64.b64decode(record["value"]).decode() for record in records]
    _write(
        {
            "partition": partition,
            "values": values,
            "source": event["eventSource"],
            "cluster": event.get("eventSourceArn"),
        }
    )
    if any(value.startswith("bad") for value in values):
        raise RuntimeError("asked to")


def take(event, context):
    """Handle any event; one with `fails` fails that many times."""
    _write({"function": context.function_name, "request_id": context.aws_request_id, "event": event})
    if isinstance(event, dict) and "fails" in event:
        tries = sum(entry["event"] == event for entry in _entries() if "event" in entry)
        if tries <= event["fails"]:
            raise RuntimeError("asked to")
    return {"taken": True}


def _write(entry):
    with Path(os.environ["JOURNAL"]).open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _entries():
    return [json.loads(line) for line in Path(os.environ["JOURNAL"]).read_text().splitlines()]
