import json

import pricing


def lambda_handler(event, context):
    """Return the gateway's event and the layer's answer."""
    body = json.dumps({"event": event, "price": pricing.price(3)})
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}
