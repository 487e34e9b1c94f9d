"""The application under `store/`, held to AWS's documentation request by request."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from integration.running import Broker, Running, wait_until

REST, HTTP, DEFAULT = "StoreApi", "StoreHttpApi", "ServerlessHttpApi"
SHOP = "https://shop.example.com"
ARN = f"arn:aws:execute-api:us-east-1:123456789012:{REST}/Prod"


@dataclass(frozen=True)
class Sent:
    api: str
    line: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Expected:
    """An expected response: `body` is JSON or bytes, None in `headers` is a header that must be absent."""

    status: int
    body: Any = None
    headers: dict[str, str | None] = field(default_factory=dict)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def answering(answer: Any, api: str = REST, **headers: str) -> Sent:
    """Return a request whose function answers with this."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sent(
        api, "POST /answer", {"Content-Type": "application/json", **named}, json.dumps(answer).encode()
    )


ORDERS = "GET /customers/7/orders"
PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
UNAUTHORIZED = Expected(401, {"message": "Unauthorized"})
FORBIDDEN = Expected(403, {"message": "Forbidden"})
NO_TOKEN = Expected(403, {"message": "Missing Authentication Token"})
NOT_FOUND = Expected(404, {"message": "Not Found"})
BROKEN = Expected(502, {"message": "Internal server error"})
HTTP_BROKEN = Expected(500, {"message": "Internal Server Error"})
# An authorizer that fails has no message: https://github.com/awslabs/aws-apigateway-lambda-authorizer-blueprints
NO_MESSAGE = Expected(500, {"message": None})
PNG = base64.b64encode(b"\x89PNG\x00\xff").decode()

TABLE: dict[str, tuple[Sent, Expected]] = {
    # REST: routes
    "an unknown path": (Sent(REST, "GET /nowhere"), NO_TOKEN),
    "a method that the path has not": (Sent(REST, "DELETE /checked"), NO_TOKEN),
    "an unknown path with a token": (Sent(REST, "GET /nowhere", bearer("allow")), NO_TOKEN),
    "a path without its parameter": (Sent(REST, "GET /files/"), NO_TOKEN),
    # REST: the token authorizer
    "a token that allows": (Sent(REST, ORDERS, bearer("allow")), Expected(200)),
    "no token": (
        Sent(REST, ORDERS),
        Expected(401, {"message": "Unauthorized"}, {"access-control-allow-origin": SHOP}),
    ),
    "an empty token": (Sent(REST, ORDERS, {"Authorization": ""}), UNAUTHORIZED),
    "a token of another form": (Sent(REST, ORDERS, {"Authorization": "Basic YTpi"}), UNAUTHORIZED),
    "a token that the function calls unauthorized": (
        Sent(REST, ORDERS, bearer("unauthorized")),
        Expected(401, {"message": "Unauthorized"}, {"x-amzn-errortype": "UnauthorizedException"}),
    ),
    "a token that is denied": (
        Sent(REST, ORDERS, bearer("deny")),
        Expected(
            403,
            {"Message": "User is not authorized to access this resource with an explicit deny"},
            {"x-amzn-errortype": "AccessDeniedException"},
        ),
    ),
    "a token for another method": (
        Sent(REST, ORDERS, bearer("elsewhere")),
        Expected(403, {"Message": "User is not authorized to access this resource"}),
    ),
    "a token for paths of this form": (Sent(REST, ORDERS, bearer("orders-only")), Expected(200)),
    "the same token for another form": (
        Sent(REST, "GET /customers/7/orders/8/items/9", bearer("orders-only")),
        Expected(403, {"Message": "User is not authorized to access this resource"}),
    ),
    "an authorizer without a policy": (
        Sent(REST, ORDERS, bearer("broken")),
        Expected(500, {"message": None}, {"x-amzn-errortype": "AuthorizerConfigurationException"}),
    ),
    "an authorizer with an object in its context": (Sent(REST, ORDERS, bearer("nested")), NO_MESSAGE),
    "an authorizer that raises": (Sent(REST, ORDERS, bearer("raises")), NO_MESSAGE),
    "a route without an authorizer": (Sent(REST, "GET /open"), Expected(200)),
    # REST: the request authorizer
    "every identity source": (Sent(REST, "GET /checked?shop=1", {"X-Customer": "ann"}), Expected(200)),
    "an identity source that is missing": (Sent(REST, "GET /checked", {"X-Customer": "ann"}), UNAUTHORIZED),
    "an identity source that is empty": (
        Sent(REST, "GET /checked?shop=", {"X-Customer": "ann"}),
        UNAUTHORIZED,
    ),
    "a customer who is denied": (
        Sent(REST, "GET /checked?shop=1", {"X-Customer": "deny-me"}),
        Expected(403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
    ),
    # REST: CORS
    "a preflight": (
        Sent(REST, "OPTIONS /customers/7/orders", PREFLIGHT),
        Expected(
            200,
            headers={
                "access-control-allow-origin": SHOP,
                "access-control-allow-methods": "GET,POST,OPTIONS",
                "access-control-allow-headers": "Content-Type,Authorization",
                "access-control-max-age": "600",
            },
        ),
    ),
    "an answer has the CORS headers of its function only": (
        Sent(REST, "GET /open", {"Origin": SHOP}),
        Expected(200, headers={"access-control-allow-origin": None}),
    ),
    # REST: answers
    "a whole answer": (
        answering({"statusCode": 201, "headers": {"X-A": "1", "X-True": True, "X-N": 5}, "body": "made"}),
        Expected(
            201, b"made", {"x-a": "1", "x-true": "true", "x-n": "5", "content-type": "application/json"}
        ),
    ),
    "a status as text": (answering({"statusCode": "202", "body": ""}), Expected(202, b"")),
    "both kinds of headers, the same pair once": (
        answering(
            {
                "statusCode": 200,
                "headers": {"x-m": "solo", "x-two": "b"},
                "multiValueHeaders": {"X-M": ["multi"], "X-Two": ["a", "b"]},
            }
        ),
        Expected(200, b"", {"x-m": "multi, solo", "x-two": "a, b"}),
    ),
    "headers that are renamed or dropped": (
        answering({"statusCode": 401, "headers": {"WWW-Authenticate": "Bearer", "Via": "me", "Host": "h"}}),
        Expected(
            401,
            headers={"x-amzn-remapped-www-authenticate": "Bearer", "www-authenticate": None, "via": None},
        ),
    ),
    "base64 where the client accepts the type": (
        answering(
            {
                "statusCode": 200,
                "headers": {"Content-Type": "image/png"},
                "body": PNG,
                "isBase64Encoded": True,
            },
            Accept="image/png,*/*",
        ),
        Expected(200, b"\x89PNG\x00\xff", {"content-type": "image/png"}),
    ),
    "base64 where the type is not the first": (
        answering({"statusCode": 200, "body": PNG, "isBase64Encoded": True}, Accept="text/html,image/png"),
        Expected(200, PNG.encode()),
    ),
    "base64 that is none": (
        answering({"statusCode": 200, "body": "?", "isBase64Encoded": True}, Accept="image/png"),
        Expected(500, {"message": "Internal server error"}),
    ),
    "an answer with other keys": (answering({"statusCode": 200, "text": "x"}), BROKEN),
    "an answer without a status": (answering({"body": "x"}), BROKEN),
    "an answer that is text": (answering("x"), BROKEN),
    "a body that is an object": (answering({"statusCode": 200, "body": {}}), BROKEN),
    "a header that is a list": (answering({"statusCode": 200, "headers": {"x": ["y"]}}), BROKEN),
    "a function that raises": (Sent(REST, "POST /answer", body=b"{"), BROKEN),
    "a function that is late": (
        Sent(REST, "GET /slow"),
        Expected(504, {"message": "Endpoint request timed out"}),
    ),
    # HTTP: routes
    "HTTP: an unknown path": (Sent(HTTP, "GET /nowhere"), NOT_FOUND),
    "HTTP: a method that the path has not": (Sent(HTTP, "GET /answer"), NOT_FOUND),
    "HTTP: a path with a slash more": (Sent(HTTP, "GET /simple/"), NOT_FOUND),
    "HTTP: the default route": (
        Sent(DEFAULT, "PUT /any/where"),
        Expected(200, {"currency": "EUR", "route": "$default", "path": "/any/where"}),
    ),
    # HTTP: authorizers
    "HTTP: the secret token": (Sent(HTTP, "GET /simple", {"Authorization": "secretToken"}), Expected(200)),
    "HTTP: no token": (Sent(HTTP, "GET /simple"), UNAUTHORIZED),
    "HTTP: another token": (Sent(HTTP, "GET /simple", {"Authorization": "x"}), FORBIDDEN),
    "HTTP: an authorizer that answers nonsense": (
        Sent(HTTP, "GET /simple", {"Authorization": "broken"}),
        HTTP_BROKEN,
    ),
    "HTTP: an authorizer that raises": (Sent(HTTP, "GET /simple", {"Authorization": "raises"}), HTTP_BROKEN),
    "HTTP: a policy that allows": (Sent(HTTP, "POST /one", {"X-Customer": "ann"}), Expected(200)),
    "HTTP: a policy that denies": (Sent(HTTP, "POST /one", {"X-Customer": "deny"}), FORBIDDEN),
    # HTTP: CORS
    "HTTP: a preflight": (
        Sent(HTTP, "OPTIONS /simple", PREFLIGHT),
        Expected(
            204,
            b"",
            {
                "access-control-allow-origin": SHOP,
                "access-control-allow-methods": "GET,POST",
                "access-control-allow-headers": "content-type,authorization",
                "access-control-allow-credentials": "true",
                "access-control-max-age": "300",
            },
        ),
    ),
    "HTTP: a preflight of another origin": (
        Sent(HTTP, "OPTIONS /simple", {**PREFLIGHT, "Origin": "https://evil.example.com"}),
        Expected(204, b"", {"access-control-allow-origin": None, "access-control-allow-methods": None}),
    ),
    "HTTP: a preflight of an origin by its scheme": (
        Sent(HTTP, "OPTIONS /simple", {**PREFLIGHT, "Origin": "http://localhost:3000"}),
        Expected(204, b"", {"access-control-allow-origin": "http://localhost:3000"}),
    ),
    "HTTP: an answer has the API's CORS headers and not its function's": (
        answering(
            {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "X-Total": "3"}},
            HTTP,
            Origin=SHOP,
        ),
        Expected(
            200,
            headers={
                "access-control-allow-origin": SHOP,
                "access-control-expose-headers": "x-total",
                "x-total": "3",
            },
        ),
    ),
    # HTTP: answers
    "HTTP: an answer that is inferred from an object": (
        answering({"message": "Hello from Lambda!"}, HTTP),
        Expected(200, {"message": "Hello from Lambda!"}, {"content-type": "application/json"}),
    ),
    "HTTP: an answer that is inferred from text": (
        answering("Hello from Lambda!", HTTP),
        Expected(200, b"Hello from Lambda!", {"content-type": "application/json"}),
    ),
    "HTTP: cookies": (
        answering({"statusCode": 200, "cookies": ["a=1; Secure", "b=2"], "body": "x"}, HTTP),
        Expected(200, b"x", {"set-cookie": "a=1; Secure, b=2", "content-type": "text/plain; charset=utf-8"}),
    ),
    "HTTP: base64 is decoded whatever the client accepts": (
        answering({"statusCode": 200, "body": PNG, "isBase64Encoded": True}, HTTP),
        Expected(200, b"\x89PNG\x00\xff"),
    ),
    "HTTP: a status that is none": (answering({"statusCode": "x"}, HTTP), HTTP_BROKEN),
    "HTTP: a body that is an object": (answering({"statusCode": 200, "body": {}}, HTTP), HTTP_BROKEN),
    "HTTP: a function that raises": (
        Sent(HTTP, "POST /answer", {"Content-Type": "application/json"}, b"{"),
        HTTP_BROKEN,
    ),
    "HTTP: a function that is late": (
        Sent(HTTP, "GET /slow"),
        Expected(503, {"message": "Service Unavailable"}),
    ),
}


def send(store: Running, sent: Sent) -> requests.Response:
    method, path = sent.line.split(" ", 1)
    url = store.endpoints[sent.api] + path
    return requests.request(method, url, headers=sent.headers, data=sent.body, timeout=60)


@pytest.mark.parametrize("case", TABLE)
def test_a_request_gets_what_aws_says(store: Running, case: str) -> None:
    sent, expected = TABLE[case]
    response = send(store, sent)
    assert response.status_code == expected.status, response.text
    if isinstance(expected.body, bytes):
        assert response.content == expected.body
    elif expected.body is not None:
        assert response.json() == expected.body
    assert {name: response.headers.get(name) for name in expected.headers} == expected.headers


def event_of(store: Running, sent: Sent) -> Any:
    response = send(store, sent)
    assert response.status_code == 200, response.text
    return response.json()["event"]


def test_a_rest_event_has_nested_path_parameters_stage_variables_and_what_its_layer_and_environment_say(
    store: Running,
) -> None:
    sent = Sent(REST, "PUT /customers/a%20b/orders/8/items/x.y?n=1&n=2", bearer("allow"), b"text")
    shown = send(store, sent).json()
    assert shown["price"] == "30 EUR"
    event = shown["event"]
    assert event["resource"] == "/customers/{customer}/orders/{order}/items/{item}"
    assert event["pathParameters"] == {"customer": "a b", "order": "8", "item": "x.y"}
    assert event["path"] == "/customers/a%20b/orders/8/items/x.y"
    assert event["stageVariables"] == {"tier": "gold"}
    assert event["queryStringParameters"] == {"n": "2"}
    assert event["multiValueQueryStringParameters"] == {"n": ["1", "2"]}
    assert event["requestContext"]["apiId"] == REST


def test_header_names_come_as_they_were_sent_and_those_of_the_connection_do_not(store: Running) -> None:
    headers = {"tEsT-HEADeR": "aValUE", "Expect": "nothing", "Max-Forwards": "1", "Upgrade": "h2c"}
    event = event_of(store, Sent(REST, "GET /open", headers))
    assert event["headers"]["tEsT-HEADeR"] == "aValUE"
    assert event["multiValueHeaders"]["tEsT-HEADeR"] == ["aValUE"]
    assert not {"Expect", "Max-Forwards", "Upgrade", "Connection"} & set(event["headers"])
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["headers"]["X-Forwarded-Proto"] == "http"
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")


def test_a_slash_at_the_end_does_not_count_on_a_rest_api(store: Running) -> None:
    event = event_of(store, Sent(REST, "GET /files/a/b/"))
    assert (event["path"], event["pathParameters"]) == ("/files/a/b/", {"proxy": "a/b"})


def test_what_a_token_authorizer_says_reaches_the_function_as_text_and_is_remembered(store: Running) -> None:
    first = event_of(store, Sent(REST, ORDERS, bearer("cached")))["requestContext"]["authorizer"]
    assert first["principalId"] == "user"
    assert (first["stringKey"], first["numberKey"], first["booleanKey"]) == ("value", "123", "true")
    other_path = Sent(REST, "GET /customers/7/orders/8/items/9", bearer("cached"))
    assert event_of(store, other_path)["requestContext"]["authorizer"]["asked"] == first["asked"]
    other_token = event_of(store, Sent(REST, ORDERS, bearer("cached-too")))["requestContext"]["authorizer"]
    assert other_token["asked"] != first["asked"]


def test_a_request_authorizer_sees_the_request_without_its_body(store: Running) -> None:
    event = event_of(store, Sent(REST, "GET /checked?shop=1", {"X-Customer": "ann"}))
    authorizer = event["requestContext"]["authorizer"]
    assert authorizer["principalId"] == "ann"
    seen = json.loads(authorizer["seen"])
    assert (seen["type"], seen["methodArn"]) == ("REQUEST", f"{ARN}/GET/checked")
    assert seen["queryStringParameters"] == {"shop": "1"}
    assert seen["pathParameters"] == {}
    assert seen["stageVariables"] == {"tier": "gold"}
    assert "body" not in seen


def test_an_http_event_has_payload_2(store: Running) -> None:
    headers = {"Cookie": "c=3; d=4", "X-Upper": "v", "Content-Type": "text/plain"}
    sent = Sent(HTTP, "POST /customers/a%20b/orders/8?p=1&p=2&q=%20", headers, "grüße".encode())
    event = event_of(store, sent)
    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /customers/{customer}/orders/{order}"
    assert (event["rawPath"], event["rawQueryString"]) == ("/customers/a b/orders/8", "p=1&p=2&q=%20")
    assert event["queryStringParameters"] == {"p": "1,2", "q": " "}
    assert event["pathParameters"] == {"customer": "a b", "order": "8"}
    assert event["cookies"] == ["c=3", "d=4"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-upper"] == "v"
    assert (event["body"], event["isBase64Encoded"]) == ("grüße", False)
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/customers/a b/orders/8",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": event["headers"]["user-agent"],
    }
    assert (context["stage"], context["routeKey"], context["apiId"]) == ("$default", event["routeKey"], HTTP)
    assert not {"authorizer"} & set(context)


def test_an_http_event_leaves_out_what_the_request_has_not(store: Running) -> None:
    event = event_of(store, Sent(HTTP, "GET /files/a/b"))
    assert event["rawQueryString"] == ""
    assert event["pathParameters"] == {"proxy": "a/b"}
    assert not {"queryStringParameters", "cookies", "body", "stageVariables"} & set(event)
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "is_base64"),
    [
        ("text/html", False),
        ("application/json; charset=utf-8", False),
        ("application/x-www-form-urlencoded", True),
        ("image/png", True),
    ],
)
def test_an_http_body_is_base64_unless_its_type_is_text(
    store: Running, content_type: str, is_base64: bool
) -> None:
    sent = Sent(HTTP, "POST /customers/1/orders/2", {"Content-Type": content_type}, b"a=1")
    event = event_of(store, sent)
    assert event["isBase64Encoded"] is is_base64
    assert event["body"] == ("YT0x" if is_base64 else "a=1")


def test_an_http_route_may_ask_for_payload_1_and_passes_its_authorizers_context_on(store: Running) -> None:
    event = event_of(store, Sent(HTTP, "POST /one?a=1&a=2", {"X-Customer": "ann"}))
    assert (event["version"], event["resource"], event["path"]) == ("1.0", "/one", "/one")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["headers"]["x-customer"] == "ann"
    authorizer = event["requestContext"]["authorizer"]
    assert authorizer["principalId"] == "ann"
    seen = json.loads(authorizer["seen"])
    assert (seen["version"], seen["type"], seen["identitySource"]) == ("1.0", "REQUEST", "ann")
    assert seen["methodArn"].endswith(f"{HTTP}/$default/POST/one")


def test_a_simple_authorizer_sees_payload_2_and_is_remembered_with_its_context_whole(store: Running) -> None:
    sent = Sent(HTTP, "GET /simple", {"Authorization": "secretToken"})
    first = event_of(store, sent)["requestContext"]["authorizer"]["lambda"]
    assert first["arrayKey"] == ["value1"]
    assert first["event"]["identitySource"] == ["secretToken"]
    assert first["event"]["routeArn"].endswith(f"{HTTP}/$default/GET/simple")
    assert first["event"]["routeKey"] == "GET /simple"
    assert event_of(store, sent)["requestContext"]["authorizer"]["lambda"]["asked"] == first["asked"]


def test_its_schedule_and_its_topic_reach_the_function(store: Running, broker: Broker) -> None:
    broker.produce("store-orders", ["placed"])
    url = store.endpoints["admin"] + "/schedules/JobsFunctionNightly/trigger"
    assert requests.post(url, timeout=30).status_code == 202

    def seen() -> str:
        try:
            return json.dumps(store.result("JobsFunction", {}))
        except ClientError:
            return ""  # busy with one of them

    value = base64.b64encode(b"placed").decode()
    wait_until(lambda: '{"job": "nightly"}' in seen() and value in seen())
