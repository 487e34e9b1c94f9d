import json
import time


def answer(event, context):
    """Answer with whatever the request's body says."""
    return json.loads(event["body"])


def slow(event, context):
    time.sleep(0.5)
    return {"statusCode": 200, "body": "late"}
