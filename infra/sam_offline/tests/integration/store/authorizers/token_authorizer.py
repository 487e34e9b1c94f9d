"""The blueprint of a TOKEN authorizer: the token names the outcome."""

import os
import time


def lambda_handler(event, context):
    token = event["authorizationToken"].removeprefix("Bearer ")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "broken":
        return {"principalId": "user"}
    if token == "nested":
        return {**policy("Allow", event["methodArn"]), "context": {"key": {"no": "objects"}}}
    if token == "raises":
        raise ValueError("no such token")
    if token == "elsewhere":
        return policy("Allow", event["methodArn"].replace("/GET/", "/DELETE/"))
    if token == "orders-only":
        api = event["methodArn"].split("/GET/")[0]
        return policy("Allow", f"{api}/GET/customers/*/orders")
    effect = "Deny" if token == "deny" else "Allow"
    return {
        **policy(effect, event["methodArn"].split("/")[0] + "/*"),
        "context": {
            "stringKey": "value",
            "numberKey": 123,
            "booleanKey": True,
            "asked": asked(),
            "token": token,
        },
    }


def policy(effect, resource):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "user", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


def asked():
    """Return a different answer at each real call of the function."""
    return f"{os.getpid()}-{time.time_ns()}"
