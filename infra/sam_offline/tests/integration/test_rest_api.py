from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from integration.running import Running


def send(runner: Running, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, runner.api + path, timeout=60, **options)


def test_an_event_has_what_api_gateway_gives(runner: Running) -> None:
    headers = {"X-Thing": "one", "Content-Type": "text/plain"}
    event = send(runner, "POST", "/echo?a=1&a=2&b=%20c", data="grüße".encode(), headers=headers).json()
    assert event["resource"] == event["path"] == "/echo"
    assert event["httpMethod"] == "POST"
    assert event["headers"]["X-Thing"] == "one"
    assert event["multiValueHeaders"]["X-Thing"] == ["one"]
    assert event["queryStringParameters"] == {"a": "2", "b": " c"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [" c"]}
    assert event["pathParameters"] is None
    assert (event["body"], event["isBase64Encoded"]) == ("grüße", False)
    context = event["requestContext"]
    assert (context["resourcePath"], context["path"], context["stage"]) == ("/echo", "/live/echo", "live")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestTimeEpoch"] > 1_600_000_000_000


def test_the_request_id_of_the_event_is_the_one_that_the_client_sees(runner: Running) -> None:
    response = send(runner, "GET", "/echo")
    assert response.json()["requestContext"]["requestId"] == response.headers["x-amzn-requestid"]


def test_a_request_without_query_or_body_has_nulls(runner: Running) -> None:
    event = send(runner, "GET", "/echo").json()
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["body"] is None


def test_bytes_of_a_binary_media_type_arrive_as_base64(runner: Running) -> None:
    content = bytes(range(256))
    headers = {"Content-Type": "application/octet-stream"}
    event = send(runner, "PUT", "/echo", data=content, headers=headers).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == content


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/people/ann", "/people/{person}", {"person": "ann"}),
        ("/people/ann%20b", "/people/{person}", {"person": "ann b"}),
        ("/files/a/b/c.txt", "/files/{proxy+}", {"proxy": "a/b/c.txt"}),
    ],
)
def test_path_parameters_are_found(
    runner: Running, path: str, resource: str, parameters: dict[str, str]
) -> None:
    event = send(runner, "GET", path).json()
    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("POST", "/empty"), ("GET", "/people/a/b")]
)
def test_an_unknown_path_or_method_is_forbidden(runner: Running, method: str, path: str) -> None:
    response = send(runner, method, path)
    assert (response.status_code, response.json()) == (403, {"message": "Missing Authentication Token"})


def test_a_response_is_made_of_the_functions_answer(runner: Running) -> None:
    answer = {
        "statusCode": 201,
        "headers": {
            "X-One": "1",
            "Connection": "close",
            "Transfer-Encoding": "chunked",
            "Content-Length": "99",
        },
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "made",
    }
    response = send(runner, "POST", "/answer", json=answer)
    assert (response.status_code, response.text, response.headers["X-One"]) == (201, "made", "1")
    assert response.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == "4"
    assert "Transfer-Encoding" not in response.headers


def test_a_base64_answer_is_decoded_where_the_client_accepts_the_binary_type(runner: Running) -> None:
    answer = {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    binary = send(runner, "POST", "/answer", json=answer, headers={"Accept": "application/octet-stream"})
    assert binary.content == b"\x00\xff"
    text = send(runner, "POST", "/answer", json=answer, headers={"Accept": "text/plain"})
    assert text.text == "AP8="


@pytest.mark.parametrize(
    "answer",
    [
        "a string",
        None,
        [],
        {"body": "no status"},
        {"statusCode": "x"},
        {"statusCode": 200, "body": {"an": "object"}},
        {"statusCode": 200, "extra": 1},
        {"statusCode": 200, "headers": {"X": "\r\nInjected: 1"}},
    ],
)
def test_a_malformed_answer_is_a_bad_gateway(runner: Running, answer: Any) -> None:
    response = send(runner, "POST", "/answer", json=answer)
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})


def test_a_function_that_may_not_run_is_an_internal_error(runner: Running) -> None:
    response = send(runner, "GET", "/off")
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


def test_an_error_of_the_function_is_a_bad_gateway(runner: Running) -> None:
    assert send(runner, "GET", "/broken").status_code == 502
    assert send(runner, "POST", "/answer", data="not json").status_code == 502


def test_a_request_over_ten_megabytes_is_refused(runner: Running) -> None:
    assert send(runner, "POST", "/echo", data=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413


def test_a_request_over_lambdas_six_megabytes_is_refused(runner: Running) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    assert send(runner, "POST", "/echo", data=b"x" * 5_000_000, headers=headers).status_code == 413


def test_an_answer_over_lambdas_six_megabytes_is_a_bad_gateway(runner: Running) -> None:
    assert len(send(runner, "POST", "/large", data="6000000").content) == 6_000_000
    assert send(runner, "POST", "/large", data="6300000").status_code == 502
