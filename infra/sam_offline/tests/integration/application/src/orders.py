"""Appends each event to a file. Orders named `fails-N` fail N times; `dies` kills the process once."""

import base64
import json
import os
from pathlib import Path


def handler(event, context):
    journal = Path(os.environ["GREETING"])
    failures = []
    for name, records in event["records"].items():
        for record in records:
            value = base64.b64decode(record["value"]).decode()[:40]
            shown = {"name": name, "value": value, "batch": context.aws_request_id}
            with journal.open("a") as file:
                file.write(json.dumps(shown) + "\n")
            tries = sum(json.loads(line)["value"] == value for line in journal.read_text().splitlines())
            if value == "dies" and tries == 1:
                os._exit(1)
            if value.startswith("fails-") and tries <= int(value.split("-")[1]):
                failures.append({"itemIdentifier": {"partition": name, "offset": record["offset"]}})
                return {"batchItemFailures": failures}
    return {"batchItemFailures": failures}
