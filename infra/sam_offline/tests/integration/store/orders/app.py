import json

import pricing


def lambda_handler(event, context):
    """Show what the gateway gave, and what the layer says."""
    body = json.dumps({"event": event, "price": pricing.price(3)})
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}
