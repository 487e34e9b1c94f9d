"""A REQUEST authorizer, for REST and for payload 1.0: customers named `deny…` are denied."""

import json


def lambda_handler(event, context):
    headers = {name.lower(): value for name, value in event["headers"].items()}
    customer = headers["x-customer"]
    effect = "Deny" if customer.startswith("deny") else "Allow"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [event["methodArn"]]}
    return {
        "principalId": customer,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"seen": json.dumps(event)},
    }
