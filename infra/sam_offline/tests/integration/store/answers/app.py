import json
import time


def answer(event, context):
    """Return the answer that the request's body describes."""
    return json.loads(event["body"])


def slow(event, context):
    time.sleep(0.5)
    return {"statusCode": 200, "body": "late"}
